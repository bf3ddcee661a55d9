//! Path templates of both dialects: one that is accepted means the same after it was written out.

use narthex_transcode::{Dialect, Template};

/// The target.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for dialect in [Dialect::Specification, Dialect::Envoy] {
        match Template::parse(text, dialect) {
            Ok(template) => hold(&template, dialect),
            Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}"),
        }
    }
}

fn hold(template: &Template, dialect: Dialect) {
    let written = template.to_string();
    let again = Template::parse(&written, dialect);
    assert_eq!(again.as_ref(), Ok(template), "{written:?}");
    for variable in &template.variables {
        assert!(variable.start < variable.end && variable.end <= template.segments.len());
    }
}
