//! Braces, commas, and white space if it is wanted.

/// The text as it grows.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) out: Vec<u8>,
    /// How deep a line is indented; `None` to write no white space.
    indent: Option<usize>,
    /// Nothing has been written since the last bracket was opened.
    first: bool,
}

impl Layout {
    pub(super) fn new(out: Vec<u8>, whitespace: bool) -> Self {
        Self { out, indent: whitespace.then_some(0), first: true }
    }

    #[inline]
    pub(super) fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    #[inline]
    pub(super) fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.first = true;
        if let Some(indent) = &mut self.indent {
            *indent += 1;
        }
    }

    #[inline]
    pub(super) fn close(&mut self, bracket: u8) {
        let is_empty = std::mem::replace(&mut self.first, false);
        if let Some(indent) = &mut self.indent {
            *indent -= 1;
            if !is_empty {
                self.new_line();
            }
        }
        self.out.push(bracket);
    }

    /// Begins an element or member: puts a comma after the one before.
    #[inline]
    pub(super) fn item(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        self.new_line();
    }

    /// Begins a member whose name is ready to be written, with its quotation marks and the colon.
    #[inline]
    pub(super) fn key(&mut self, key: &[u8]) {
        self.item();
        self.raw(key);
        self.after_colon();
    }

    #[inline]
    pub(super) fn after_colon(&mut self) {
        if self.indent.is_some() {
            self.out.push(b' ');
        }
    }

    #[inline]
    fn new_line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + indent, b' ');
        }
    }
}
