//! Text to a template; google/api/http.proto, "Path template syntax".
//!
//! ```text
//! Template  = "/" Segments [ Verb ] ;        Variable  = "{" FieldPath [ "=" Segments ] "}" ;
//! Segments  = Segment { "/" Segment } ;      FieldPath = IDENT { "." IDENT } ;
//! Segment   = "*" | "**" | LITERAL | Variable ;         Verb = ":" LITERAL ;
//! ```

use std::str::FromStr;

use super::{Dialect, Segment, Template, Variable};

/// A template that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct ParseError {
    /// Where in the text, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl FromStr for Template {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text, Dialect::Specification)
    }
}

impl Template {
    /// Parses a template as `dialect` has it.
    ///
    /// # Errors
    ///
    /// Where and why it does not parse.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, ParseError> {
        let template = Self { segments: Vec::new(), variables: Vec::new(), verb: None };
        let mut parser = Parser { text, at: 0, dialect, template };
        parser.template()?;
        Ok(parser.template)
    }
}

/// Only Envoy's templates come so far.
const NO_WILDCARD: &str = "no \"*\", no \"**\" and no variable that is one may come after \"**\"";

struct Parser<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
    template: Template,
}

impl Parser<'_> {
    fn template(&mut self) -> Result<(), ParseError> {
        if !self.eat("/") {
            return Err(self.error("a template starts with \"/\""));
        }
        if self.at_end() {
            return Ok(());
        }
        self.segments(true)?;
        if self.eat(":") {
            let verb = self.literal("the name of a verb")?;
            self.template.verb = Some(verb);
        }
        if self.at_end() { Ok(()) } else { Err(self.error("expected \"/\", \":\" or the end")) }
    }

    fn segments(&mut self, variables: bool) -> Result<(), ParseError> {
        loop {
            self.segment(variables)?;
            if !self.eat("/") {
                return Ok(());
            }
        }
    }

    fn segment(&mut self, variables: bool) -> Result<(), ParseError> {
        if self.is_after_rest() && self.dialect == Dialect::Specification {
            return Err(self.error("nothing but a verb may come after \"**\""));
        }
        if self.is_after_rest() && self.peek() == Some('*') {
            return Err(self.error(NO_WILDCARD));
        }
        let segment = match self.peek() {
            Some('{') if variables => return self.variable(),
            Some('{') => return Err(self.error("a variable cannot hold another variable")),
            _ if self.eat("**") => Segment::Rest,
            _ if self.eat("*") => Segment::Any,
            _ => Segment::Literal(self.literal("a segment: text, \"*\", \"**\" or a variable in braces")?),
        };
        self.template.segments.push(segment);
        Ok(())
    }

    fn variable(&mut self) -> Result<(), ParseError> {
        let opened = self.at;
        self.eat("{");
        let mut field_path = vec![self.ident()?];
        while self.eat(".") {
            field_path.push(self.ident()?);
        }
        if self.template.variables.iter().any(|variable| variable.field_path == field_path) {
            self.at = opened;
            return Err(self.error(&format!("the variable {} is there twice", field_path.join("."))));
        }
        let start = self.template.segments.len();
        if self.eat("=") {
            self.segments(false)?;
        } else if self.is_after_rest() {
            self.at = opened;
            return Err(self.error(NO_WILDCARD));
        } else {
            self.template.segments.push(Segment::Any);
        }
        if !self.eat("}") {
            return Err(self.error("expected \"}\" to end the variable"));
        }
        let end = self.template.segments.len();
        self.template.variables.push(Variable { field_path, start, end });
        Ok(())
    }

    /// Whether `**` is among the segments so far.
    fn is_after_rest(&self) -> bool {
        self.template.segments.contains(&Segment::Rest)
    }

    fn ident(&mut self) -> Result<String, ParseError> {
        let rest = &self.text[self.at..];
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if len == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error("expected the name of a field"));
        }
        self.at += len;
        Ok(rest[..len].to_owned())
    }

    /// Text of a path segment without `:` and `*` (RFC 3986 `pchar`), percent-encoded where it has to be.
    fn literal(&mut self, what: &str) -> Result<String, ParseError> {
        let start = self.at;
        while let Some(c) = self.peek() {
            match c {
                '%' => {
                    let hex = self.text.as_bytes().get(self.at + 1..self.at + 3);
                    if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
                        return Err(self.error("\"%\" takes two hexadecimal digits"));
                    }
                    self.at += 3;
                }
                _ if c.is_ascii_alphanumeric() || "-._~!$&'()+,;=@".contains(c) => self.at += 1,
                '/' | ':' | '}' => break,
                _ => {
                    return Err(self.error(&format!(
                        "{c:?} cannot be here; percent-encode it if it belongs to the path"
                    )));
                }
            }
        }
        if self.at == start {
            Err(self.error(&format!("expected {what}")))
        } else {
            Ok(self.text[start..self.at].to_owned())
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn error(&self, message: &str) -> ParseError {
        ParseError { column: self.text[..self.at].chars().count() + 1, message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flattens_variables() {
        let template: Template = "/v1/{book.name=shelves/*/books/**}:read".parse().unwrap();
        assert_eq!(template.segments.len(), 5);
        assert_eq!(
            template.variables,
            [Variable { field_path: vec!["book".into(), "name".into()], start: 1, end: 5 }]
        );
        assert_eq!(template.verb.as_deref(), Some("read"));
        assert!(template.is_multi(&template.variables[0]));
    }

    #[test]
    fn writes_the_shortest_form() {
        for (text, written) in [
            ("/", "/"),
            ("/**", "/**"),
            ("/v1:watch", "/v1:watch"),
            ("/a/{b=*}/c", "/a/{b}/c"),
            ("/{a.b=x/*}/**:go", "/{a.b=x/*}/**:go"),
            ("/caf%C3%A9/a-b_c.d~e", "/caf%C3%A9/a-b_c.d~e"),
            // All of RFC 3986's pchar but the two that mean something here.
            ("/-._~!$&'()+,;=@", "/-._~!$&'()+,;=@"),
        ] {
            assert_eq!(text.parse::<Template>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, column) in [
            ("", 1),
            ("books", 1),
            ("//", 2),
            ("/a/", 4),
            ("/a:", 4),
            ("/:go", 2),
            ("/a:b/c", 5),
            ("/a:b:c", 5),
            ("/{}", 3),
            ("/{1}", 3),
            ("/{a-}", 4),
            ("/{a..b}", 5),
            ("/{a", 4),
            ("/{a=b:c}", 6),
            ("/{a=b/{c}}", 7),
            ("/{a}b", 5),
            ("/b{a}", 3),
            ("/{a}/{a}", 6),
            ("/**/b", 5),
            ("/{a=**}/{b}", 9),
            ("/a?b", 3),
            ("/é", 2),
            ("/a%2", 3),
        ] {
            assert_eq!(text.parse::<Template>().unwrap_err().column, column, "{text}");
        }
    }

    /// `InvalidTemplates` of `path_matcher_test.cc` in grpc-httpjson-transcoding.
    #[test]
    fn text_alone_follows_rest_in_envoys_templates() {
        let parse = |text: &str| Template::parse(text, Dialect::Envoy);
        for text in ["/a/**/b", "/a/{x=**}/b:c", "/{x=a/**/b}/c", "/**/{x=a/b}"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        for (text, column) in [
            ("/a/**/*", 7),
            ("/a/**/b/*", 9),
            ("/a/**/**", 7),
            ("/a/**/b/**", 9),
            ("/a/{x=**}/{y}", 11),
            ("/a/{x=**}/{y=*}", 14),
            ("/a/{x=**}/b/{y=c/**}", 18),
            ("/{x=a/**/*}", 10),
        ] {
            assert_eq!(parse(text).unwrap_err().column, column, "{text}");
        }
    }
}
