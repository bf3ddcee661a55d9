//! Comments of `.proto` files as descriptions, which are Markdown.

/// A summary is a heading: what is longer is none.
const MAX_SUMMARY: usize = 120;

/// A comment without what is not for readers of the API; `None` if nothing is left.
///
/// `(-- ... --)` is for those who write the API (AIP-192), and `buf:lint:ignore` for a linter. A reference to another declaration,
/// `[Book][shop.v1.Book]`, is its text: Markdown would look for where `shop.v1.Book` leads.
pub(crate) fn description(comment: &str) -> Option<String> {
    let public = without_internal(comment);
    let lines: Vec<&str> = public
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim_start().starts_with("buf:lint:ignore"))
        .collect();
    let text = without_references(lines.join("\n").trim());
    (!text.is_empty()).then_some(text)
}

/// A heading if there is a short one, and the description below it: the first paragraph is one, or its first sentence, which the
/// description repeats then, since it does not go on without it.
pub(crate) fn summary(text: &str) -> (Option<String>, &str) {
    let (paragraph, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let line = paragraph.replace('\n', " ");
    if line.chars().count() <= MAX_SUMMARY {
        return (Some(line), rest.trim_start());
    }
    let sentence = first_sentence(&line).filter(|sentence| sentence.chars().count() <= MAX_SUMMARY);
    (sentence.map(str::to_owned), text)
}

/// Up to a full stop behind which another sentence begins: those of `e.g. This` are none.
fn first_sentence(line: &str) -> Option<&str> {
    let is_end = |at: usize| {
        let word = line[..at].rsplit(' ').next().unwrap_or_default();
        !word.contains('.') && line[at + 2..].starts_with(char::is_uppercase)
    };
    let mut stops = line.match_indices(". ").map(|(at, _)| at);
    stops.find(|at| is_end(*at)).map(|at| &line[..=at])
}

fn without_internal(comment: &str) -> String {
    let mut public = String::new();
    let mut rest = comment;
    while let Some((before, internal)) = rest.split_once("(--") {
        public.push_str(before);
        // One that does not end is internal to the end: rather too little is told than too much.
        rest = internal.split_once("--)").map_or("", |(_, after)| after);
    }
    public + rest
}

fn without_references(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(middle) = rest.find("][") {
        let (before, after) = (&rest[..middle], &rest[middle + 2..]);
        let reference = before.rfind('[').zip(after.find(']'));
        let Some((open, close)) =
            reference.filter(|(open, close)| !before[*open..].contains(']') && is_name(&after[..*close]))
        else {
            plain.push_str(&rest[..middle + 2]);
            rest = after;
            continue;
        };
        plain.push_str(&before[..open]);
        plain.push_str(&before[open + 1..]);
        rest = &after[close + 1..];
    }
    plain + rest
}

/// Whether this is the name of a declaration, with a package.
fn is_name(text: &str) -> bool {
    text.contains('.') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_others_is_left_out() {
        for (comment, expected) in [
            ("A book.", Some("A book.")),
            (
                "A book.\n\n(-- api-linter: core::0131=disabled\n    aip.dev/not-precedent: No. --)\nOf paper.",
                Some("A book.\n\n\nOf paper."),
            ),
            ("(-- internal --)", None),
            ("A (-- never closed", Some("A")),
            ("buf:lint:ignore ENUM_ZERO\nA colour.", Some("A colour.")),
            ("Makes a [Book][shop.v1.Book] and [`Pen`][shop.v1.Pen.ink].", Some("Makes a Book and `Pen`.")),
            ("[a] b][c.d] [x][1] [y](http://a.b)[z][a.b", Some("[a] b][c.d] [x][1] [y](http://a.b)[z][a.b")),
            ("", None),
        ] {
            assert_eq!(description(comment).as_deref(), expected, "{comment}");
        }
    }

    #[test]
    fn a_summary_is_short() {
        let long = "with a name that goes on and on ".repeat(5);
        let text = format!("Makes a topic, e.g. A or\nB. It is {long}.\n\nMore.");
        for (text, expected) in [
            ("Gets a book.\n\nBy its\nname.", (Some("Gets a book."), "By its\nname.")),
            ("Gets\na book.", (Some("Gets a book."), "")),
            (&text, (Some("Makes a topic, e.g. A or B."), &*text)),
            (&long, (None, &*long)),
        ] {
            let (summary, rest) = summary(text);
            assert_eq!((summary.as_deref(), rest), expected);
        }
    }
}
