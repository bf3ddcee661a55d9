//! Bytes in the pieces that they came in, so that whoever needs them in one piece copies them once, to where it needs them.
//!
//! A client decides how large its pieces are. Small ones are joined, or what holds them would take more room than they do.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

/// A piece of this size stands alone where others wait before it.
const ALONE: usize = 4 * 1024;

/// Bytes in pieces.
#[derive(Debug, Default)]
pub struct Pieces {
    /// Empty only if all is.
    first: Bytes,
    /// None as long as there is one piece, as for most messages.
    rest: Option<Box<Rest>>,
    len: usize,
}

#[derive(Debug, Default)]
struct Rest {
    pieces: VecDeque<Bytes>,
    /// Comes after the pieces.
    joined: BytesMut,
}

impl Rest {
    fn push(&mut self, piece: Bytes) {
        if piece.len() < ALONE {
            self.joined.extend_from_slice(&piece);
            return;
        }
        if !self.joined.is_empty() {
            self.pieces.push_back(self.joined.split().freeze());
        }
        self.pieces.push_back(piece);
    }

    fn pop(&mut self) -> Bytes {
        self.pieces.pop_front().unwrap_or_else(|| self.joined.split().freeze())
    }
}

impl Pieces {
    /// How many bytes there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if self.first.is_empty() {
            self.first = piece;
        } else if !piece.is_empty() {
            self.rest.get_or_insert_default().push(piece);
        }
    }

    /// The pieces, none of which is empty.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let rest = self
            .rest
            .iter()
            .flat_map(|rest| rest.pieces.iter().map(|piece| &**piece).chain(std::iter::once(&*rest.joined)));
        std::iter::once(&*self.first).chain(rest).filter(|piece| !piece.is_empty())
    }

    /// All of it in one piece; not copied if it is that already.
    pub fn into_bytes(self) -> Bytes {
        if self.first.len() == self.len {
            return self.first;
        }
        let mut joined = Vec::with_capacity(self.len);
        self.iter().for_each(|piece| joined.extend_from_slice(piece));
        joined.into()
    }

    /// A copy of the first bytes, if there are as many.
    pub(crate) fn head<const N: usize>(&self) -> Option<[u8; N]> {
        if let Some(head) = self.first.first_chunk() {
            return Some(*head);
        }
        if self.len < N {
            return None;
        }
        let mut head = [0; N];
        let mut bytes = self.iter().flatten();
        head.iter_mut().try_for_each(|byte| {
            *byte = *bytes.next()?;
            Some(())
        })?;
        Some(head)
    }

    /// Takes the first `len` bytes off, of which there must be as many.
    pub(crate) fn split_to(&mut self, len: usize) -> Self {
        let mut taken = Self::default();
        while taken.len < len {
            let some = self.first.len().min(len - taken.len);
            taken.push(self.first.split_to(some));
            self.took(some);
        }
        taken
    }

    /// Throws the first `len` bytes away, of which there must be as many.
    pub(crate) fn skip(&mut self, mut len: usize) {
        while len > 0 {
            let some = self.first.len().min(len);
            self.first.advance(some);
            self.took(some);
            len -= some;
        }
    }

    /// So much of the first piece is gone.
    fn took(&mut self, len: usize) {
        self.len -= len;
        if self.first.is_empty() {
            match &mut self.rest {
                Some(_) if self.len == 0 => self.rest = None,
                Some(rest) => self.first = rest.pop(),
                None => {}
            }
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(piece: Bytes) -> Self {
        Self { len: piece.len(), first: piece, rest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(sizes: &[usize]) -> (Pieces, Vec<u8>) {
        let (mut pieces, mut all) = (Pieces::default(), Vec::new());
        for (number, size) in sizes.iter().enumerate() {
            let piece = vec![u8::try_from(number).unwrap(); *size];
            all.extend_from_slice(&piece);
            pieces.push(piece.into());
        }
        (pieces, all)
    }

    #[test]
    fn they_are_what_was_pushed_however_it_is_split() {
        for sizes in [&[][..], &[3], &[1, 2, 3], &[0, 5, 0], &[1, ALONE, 1, 2, ALONE, ALONE, 7], &[ALONE; 3]]
        {
            let (whole, all) = pieces(sizes);
            assert_eq!((whole.len(), whole.is_empty()), (all.len(), all.is_empty()));
            assert_eq!(whole.iter().collect::<Vec<_>>().concat(), all);
            assert_eq!(whole.head::<4>(), all.first_chunk().copied());
            assert_eq!(whole.into_bytes(), all);
            for at in (0..all.len().min(9)).chain([all.len() / 2, all.len()]) {
                let (mut rest, _) = pieces(sizes);
                let first = rest.split_to(at);
                assert_eq!((&*first.into_bytes(), &*rest.into_bytes()), all.split_at(at), "{sizes:?} {at}");
                let (mut rest, _) = pieces(sizes);
                rest.skip(at);
                rest.push(Bytes::from_static(b"end"));
                assert_eq!(rest.into_bytes(), [&all[at..], b"end"].concat(), "{sizes:?} {at}");
            }
        }
    }

    #[test]
    fn small_pieces_are_joined() {
        let (whole, _) = pieces(&[1; 200]);
        assert_eq!(whole.iter().count(), 2);
    }

    #[test]
    fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let at = piece.as_ptr();
        assert_eq!(Pieces::from(piece).into_bytes().as_ptr(), at);
    }
}
