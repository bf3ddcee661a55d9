//! Splits JSON text that comes in pieces into the values of an array, or of a text of one value after the other.
//!
//! It finds where values end and no more: whether a value is JSON at all is found out by who reads it.

use bytes::{Buf as _, Bytes, BytesMut};

/// Where values stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In one array.
    Array,
    /// One after the other, apart by white space or RS: NDJSON, JSON text sequences.
    Sequence,
}

/// Why no more values can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    Syntax(&'static str),
    /// A value is larger than the limit.
    TooLarge,
}

#[derive(Debug)]
pub(super) struct Values {
    layout: Layout,
    /// The largest value, in bytes, and the longest white space between two.
    limit: usize,
    /// How much white space there was since the last value.
    blank: usize,
    /// What is not yet given out; a value that has begun starts it.
    text: BytesMut,
    /// How much of `text` has been looked at.
    at: usize,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing has come but white space.
    Start,
    /// After the opening bracket: a value or the end.
    First,
    /// A value has to come.
    Next,
    /// In a value, which starts `text`.
    Inside { depth: usize, token: Token },
    /// After a value of an array.
    After,
    /// After the closing bracket.
    End,
}

#[derive(Debug, Clone, Copy)]
enum Token {
    /// Between strings.
    Plain,
    String,
    /// After a backslash in a string.
    Escape,
}

impl Values {
    pub(super) fn new(layout: Layout, limit: usize) -> Self {
        let state = if layout == Layout::Array { State::Start } else { State::Next };
        Self { layout, limit, blank: 0, text: BytesMut::new(), at: 0, state }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.text.extend_from_slice(data);
    }

    /// Whether there was no text at all.
    pub(super) fn is_untouched(&self) -> bool {
        matches!(self.state, State::Start) && self.blank == 0 && self.text.is_empty()
    }

    /// The next value, or `None` if more text is needed.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Misfit> {
        while let Some(&byte) = self.text.get(self.at) {
            if let State::Inside { depth, token } = self.state {
                match self.inside(byte, depth, token) {
                    Step::On(state) => {
                        self.state = state;
                        self.at += 1;
                    }
                    Step::End { after } => return Ok(Some(self.take(self.at + usize::from(!after)))),
                }
                if self.at > self.limit {
                    return Err(Misfit::TooLarge);
                }
                continue;
            }
            if self.is_space(byte) {
                self.text.advance(1);
                self.blank += 1;
                if self.blank > self.limit {
                    return Err(Misfit::TooLarge);
                }
                continue;
            }
            self.between(byte)?;
        }
        Ok(None)
    }

    /// Says that no more text comes; a last value that only the end ends.
    pub(super) fn finish(&mut self) -> Result<Option<Bytes>, Misfit> {
        match (self.state, self.layout) {
            (State::End, Layout::Array) | (State::Next, Layout::Sequence) => Ok(None),
            (State::Inside { depth: 0, token: Token::Plain }, Layout::Sequence) => {
                Ok(Some(self.take(self.at)))
            }
            (State::Start, _) => Err(Misfit::Syntax("an array of messages is missing")),
            _ => Err(Misfit::Syntax("the text ends before its last value or its closing bracket")),
        }
    }

    /// What a byte that is no space means between values.
    fn between(&mut self, byte: u8) -> Result<(), Misfit> {
        self.state = match (self.state, byte) {
            (State::Start, b'[') => State::First,
            (State::Start, _) => {
                return Err(Misfit::Syntax(
                    "a stream of messages is a JSON array, or one message a line as application/x-ndjson",
                ));
            }
            (State::First | State::After, b']') => State::End,
            (State::After, b',') => State::Next,
            (State::After, _) => return Err(Misfit::Syntax("expected a comma or the end of the array")),
            (State::End, _) => return Err(Misfit::Syntax("there is something after the end of the array")),
            (_, b',' | b']' | b'}' | b':') => return Err(Misfit::Syntax("expected a value")),
            _ => {
                // The value's first byte is looked at again, as one inside it.
                self.state = State::Inside { depth: 0, token: Token::Plain };
                return Ok(());
            }
        };
        self.text.advance(1);
        Ok(())
    }

    fn inside(&self, byte: u8, depth: usize, token: Token) -> Step {
        let on = |depth, token| Step::On(State::Inside { depth, token });
        match (token, byte) {
            (Token::String, b'\\') => on(depth, Token::Escape),
            (Token::String, b'"') if depth == 0 => Step::End { after: false },
            (Token::String, b'"') => on(depth, Token::Plain),
            (Token::Escape | Token::String, _) | (Token::Plain, b'"') => on(depth, Token::String),
            (Token::Plain, b'{' | b'[') => on(depth + 1, Token::Plain),
            (Token::Plain, b'}' | b']') if depth == 1 => Step::End { after: false },
            (Token::Plain, b'}' | b']') if depth > 1 => on(depth - 1, Token::Plain),
            // A number or a word, which ends before what cannot be part of it.
            (Token::Plain, b',' | b']' | b'}') if depth == 0 => Step::End { after: true },
            (Token::Plain, _) if depth == 0 && self.is_space(byte) => Step::End { after: true },
            (Token::Plain, _) => on(depth, Token::Plain),
        }
    }

    fn is_space(&self, byte: u8) -> bool {
        matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
            || (byte == RECORD_SEPARATOR && self.layout == Layout::Sequence)
    }

    fn take(&mut self, len: usize) -> Bytes {
        self.state = if self.layout == Layout::Array { State::After } else { State::Next };
        self.at = 0;
        self.blank = 0;
        self.text.split_to(len).freeze()
    }
}

/// RFC 7464 2.2.
pub(super) const RECORD_SEPARATOR: u8 = 0x1e;

enum Step {
    On(State),
    /// The value ends with this byte, or `after` it has ended before it.
    End {
        after: bool,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(layout: Layout, pieces: &[&[u8]]) -> Result<Vec<String>, Misfit> {
        let mut values = Values::new(layout, 1 << 20);
        let mut out = Vec::new();
        let text = |value: Bytes| String::from_utf8_lossy(&value).into_owned();
        for piece in pieces {
            values.push(piece);
            while let Some(value) = values.next()? {
                out.push(text(value));
            }
        }
        out.extend(values.finish()?.map(text));
        Ok(out)
    }

    #[test]
    fn arrays() {
        let array = |text: &str| split(Layout::Array, &[text.as_bytes()]);
        assert_eq!(array(" [ ] "), Ok(vec![]));
        assert_eq!(
            array(r#"[{"a":"]}\""},[1,[2]] , "x" ,5,null]"#).unwrap(),
            [r#"{"a":"]}\""}"#, "[1,[2]]", "\"x\"", "5", "null"]
        );
        for bad in ["", "  ", "{}", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1]]", "[1] x", "[\"a", "x"] {
            assert!(array(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sequences() {
        let sequence = |text: &str| split(Layout::Sequence, &[text.as_bytes()]);
        assert_eq!(
            sequence("\n\x1e{}\n\x1e{\"a\":1}\n5 6\n\n7").unwrap(),
            ["{}", "{\"a\":1}", "5", "6", "7"]
        );
        assert_eq!(sequence(" \n").unwrap(), [""; 0]);
        for bad in ["{", "\"a", "]", ","] {
            assert!(sequence(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_is_given_as_soon_as_it_is_whole() {
        let mut values = Values::new(Layout::Array, 100);
        values.push(b"[{}");
        assert_eq!(values.next().unwrap().unwrap(), "{}");
        assert_eq!(values.next(), Ok(None));
    }

    #[test]
    fn a_value_above_the_limit_is_refused_before_its_end() {
        let mut values = Values::new(Layout::Array, 10);
        values.push(b"[\"0123456789");
        assert_eq!(values.next(), Err(Misfit::TooLarge));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(values in prop::collection::vec("[a-z\\[\\]{},\\\\\" ]{0,8}", 0..5), cut in 0_usize..60) {
            let values: Vec<serde_json::Value> = values.into_iter().map(|text| serde_json::json!({text: [1, "x"]})).collect();
            let text = serde_json::to_string(&values).unwrap();
            let cut = cut.min(text.len());
            let split = split(Layout::Array, &[&text.as_bytes()[..cut], &text.as_bytes()[cut..]]).unwrap();
            let split: Vec<serde_json::Value> = split.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(split, values);
        }
    }
}
