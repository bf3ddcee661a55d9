//! The trie of templates.
//!
//! One node a segment. At each node a literal goes before `*`, and `*` before `**`; a path that fails further down is
//! tried again with the next. At the end the exact HTTP method goes before `*`, and for HEAD that before GET.

use percent_encoding::percent_decode_str;
use rustc_hash::FxHashMap;

use crate::template::{Dialect, Segment, Template};

#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    verbs: Names,
    methods: Names,
    /// Any word after a colon in the last segment is a verb, whether a template has it or not.
    any_verb: bool,
    /// `*` matches an empty segment.
    any_is_optional: bool,
}

#[derive(Debug, Default)]
struct Node {
    /// Children by the text of their segment, decoded.
    literals: FxHashMap<Box<[u8]>, usize>,
    any: Option<usize>,
    /// What follows a `**` here.
    after_rest: Option<usize>,
    /// Templates that end here.
    ends: Vec<Leaf>,
    /// Templates that end here with `**`.
    rests: Vec<Leaf>,
}

/// A binding, in numbers: a look-up compares one or two words for each that ends at its node.
#[derive(Debug)]
struct Leaf {
    verb: Option<Name>,
    method: Name,
    route: usize,
}

/// The number of a verb or of an HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name(u32);

const ANY_METHOD: Name = Name(0);
const GET: Name = Name(1);
/// What no template and no binding has.
const UNKNOWN: Name = Name(u32::MAX);

#[derive(Debug, Default)]
struct Names {
    numbers: FxHashMap<Box<str>, Name>,
    names: Vec<Box<str>>,
}

impl Names {
    fn add(&mut self, name: &str) -> Name {
        let next = Name(u32::try_from(self.names.len()).expect("a table has not so many names"));
        *self.numbers.entry(name.into()).or_insert_with(|| {
            self.names.push(name.into());
            next
        })
    }

    fn find(&self, name: &str) -> Option<Name> {
        self.numbers.get(name).copied()
    }

    fn text(&self, name: Name) -> &str {
        &self.names[name.0 as usize]
    }
}

impl Trie {
    pub(super) fn new(dialect: Dialect, any_verb: bool) -> Self {
        let any_is_optional = dialect == Dialect::Envoy;
        let (verbs, mut methods) = (Names::default(), Names::default());
        for (name, number) in [("*", ANY_METHOD), ("GET", GET)] {
            let added = methods.add(name);
            debug_assert_eq!(added, number);
        }
        Self { nodes: vec![Node::default()], verbs, methods, any_verb, any_is_optional }
    }

    pub(super) fn insert(&mut self, template: &Template, method: &str, route: usize) {
        let verb = template.verb.as_deref().map(|verb| self.verbs.add(verb));
        let leaf = Leaf { verb, method: self.methods.add(method), route };
        let mut node = 0;
        for (index, segment) in template.segments.iter().enumerate() {
            node = match segment {
                Segment::Literal(text) => {
                    let text: Box<[u8]> = percent_decode_str(text).collect();
                    let next = self.nodes.len();
                    let child = *self.nodes[node].literals.entry(text).or_insert(next);
                    self.grow(child)
                }
                Segment::Any => {
                    let next = self.nodes.len();
                    let child = *self.nodes[node].any.get_or_insert(next);
                    self.grow(child)
                }
                Segment::Rest if index + 1 == template.segments.len() => {
                    self.nodes[node].rests.push(leaf);
                    return;
                }
                Segment::Rest => {
                    let next = self.nodes.len();
                    let child = *self.nodes[node].after_rest.get_or_insert(next);
                    self.grow(child)
                }
            };
        }
        self.nodes[node].ends.push(leaf);
    }

    fn grow(&mut self, child: usize) -> usize {
        if child == self.nodes.len() {
            self.nodes.push(Node::default());
        }
        child
    }

    /// The route of a request and the path it describes, without the slashes around it and without the verb.
    pub(super) fn find<'p>(&self, method: &str, path: &'p str) -> Option<(usize, &'p str)> {
        // HEAD goes to GET's binding where it has none.
        let get = if method == "HEAD" { GET } else { UNKNOWN };
        let methods = [self.methods.find(method).unwrap_or(UNKNOWN), ANY_METHOD, get];
        self.readings(path).find_map(|(path, verb)| {
            let found = self.walk(0, path, &mut |leaves| {
                let bound = |method| leaves.iter().find(|leaf| leaf.verb == verb && leaf.method == method);
                methods.into_iter().find_map(bound).map(|leaf| leaf.route)
            });
            found.map(|route| (route, path.unwrap_or_default()))
        })
    }

    pub(super) fn methods(&self, path: &str) -> Vec<&str> {
        let mut methods = Vec::new();
        for (path, verb) in self.readings(path) {
            self.walk(0, path, &mut |leaves| -> Option<()> {
                let bound = leaves.iter().filter(|leaf| leaf.verb == verb);
                methods.extend(bound.map(|leaf| self.methods.text(leaf.method)));
                None
            });
        }
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.sort_unstable();
        methods.dedup();
        methods
    }

    /// How a path can be read: with a verb some template has, then as it is. `None` for the path `/`.
    ///
    /// Slashes at the end mean nothing, nor do those before a verb. A colon before one is part of its segment.
    fn readings<'p>(&self, path: &'p str) -> impl Iterator<Item = (Option<&'p str>, Option<Name>)> + use<'p> {
        let path = path.strip_prefix('/');
        let with_verb = path.and_then(split_verb).and_then(|(path, verb)| match self.verbs.find(verb) {
            // As Envoy has it, no word at all is no verb.
            None if self.any_verb => Some((path, (!verb.is_empty()).then_some(UNKNOWN))),
            known => Some((path, Some(known?))),
        });
        let without = path.filter(|_| !(self.any_verb && with_verb.is_some())).map(|path| (path, None));
        let trimmed = |path: &'p str| Some(path.trim_end_matches('/')).filter(|path| !path.is_empty());
        with_verb.into_iter().chain(without).map(move |(path, verb)| (trimmed(path), verb))
    }

    /// Visits the templates that describe `path`, most specific first, until `visit` gives something.
    fn walk<'t, R>(
        &'t self,
        node: usize,
        path: Option<&str>,
        visit: &mut impl FnMut(&'t [Leaf]) -> Option<R>,
    ) -> Option<R> {
        let node = &self.nodes[node];
        let Some(path) = path else {
            return visit(&node.ends).or_else(|| visit(&node.rests));
        };
        let Split { segment, is_escaped, rest } = split_segment(path);
        if let Some(child) = node.literal(segment, is_escaped)
            && let Some(found) = self.walk(child, rest, visit)
        {
            return Some(found);
        }
        if let Some(child) = node.any
            && (self.any_is_optional || !segment.is_empty())
            && let Some(found) = self.walk(child, rest, visit)
        {
            return Some(found);
        }
        let found = node.after_rest.and_then(|child| self.walk_after_rest(child, path, visit));
        found.or_else(|| if node.rests.is_empty() { None } else { visit(&node.rests) })
    }

    /// Goes on behind a `**` that takes one segment of `path`, two and so on: only Envoy has such templates, and there it
    /// takes one at least. A template has one of them, so this is never nested.
    fn walk_after_rest<'t, R>(
        &'t self,
        child: usize,
        path: &str,
        visit: &mut impl FnMut(&'t [Leaf]) -> Option<R>,
    ) -> Option<R> {
        let mut starts = memchr::memchr_iter(b'/', path.as_bytes()).map(|at| at + 1);
        starts.find_map(|at| self.walk(child, Some(&path[at..]), visit))
    }
}

/// What stands before the last colon, if that is in the last segment, and what behind it.
///
/// From the end, so that a path without one is not read farther than its last slash.
fn split_verb(path: &str) -> Option<(&str, &str)> {
    let at = path.bytes().rposition(|byte| matches!(byte, b':' | b'/'))?;
    (path.as_bytes()[at] == b':').then(|| (&path[..at], &path[at + 1..]))
}

/// A path by its first slash.
struct Split<'p> {
    segment: &'p str,
    is_escaped: bool,
    rest: Option<&'p str>,
}

/// The first segment, and what comes behind its slash.
///
/// Segments are so short that looking at each byte is quicker than what `split_once` sets up to look at many at a time.
#[inline]
fn split_segment(path: &str) -> Split<'_> {
    let mut is_escaped = false;
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'/' => return Split { segment: &path[..at], is_escaped, rest: Some(&path[at + 1..]) },
            b'%' => is_escaped = true,
            _ => {}
        }
    }
    Split { segment: path, is_escaped, rest: None }
}

impl Node {
    fn literal(&self, segment: &str, is_escaped: bool) -> Option<usize> {
        if self.literals.is_empty() {
            return None;
        }
        if !is_escaped {
            return self.literals.get(segment.as_bytes()).copied();
        }
        // Escaped text is rare: compare it with each child rather than decode it into memory.
        let same = |text: &[u8]| percent_decode_str(segment).eq(text.iter().copied());
        self.literals.iter().find(|(text, _)| same(text)).map(|(_, child)| *child)
    }
}
