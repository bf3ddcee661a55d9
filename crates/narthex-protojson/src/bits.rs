//! Which of a message's fields have been seen.

/// A set of small numbers that allocates for large ones only.
#[derive(Debug, Default)]
pub(crate) struct BitSet {
    low: u64,
    high: Vec<u64>,
}

impl BitSet {
    /// Adds a number; false if it was there.
    #[inline]
    pub(crate) fn insert(&mut self, number: usize) -> bool {
        let bit = 1 << (number % 64);
        let word = match number / 64 {
            0 => &mut self.low,
            index => {
                if self.high.len() < index {
                    self.high.resize(index, 0);
                }
                &mut self.high[index - 1]
            }
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_new_once() {
        let mut set = BitSet::default();
        for number in [0, 63, 64, 127, 128, 1000] {
            assert!(set.insert(number), "{number}");
        }
        for number in [0, 63, 64, 127, 128, 1000] {
            assert!(!set.insert(number), "{number}");
        }
        assert!(set.insert(999));
    }
}
