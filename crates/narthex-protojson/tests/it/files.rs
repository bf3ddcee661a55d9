//! Sets that are joined, and what they are about.

use narthex_protojson::{Pool, join_descriptor_sets};
use prost::Message as _;
use prost_types::source_code_info::Location;
use prost_types::{FileDescriptorSet, SourceCodeInfo};

use crate::support::compile;

const FILE: &str = "syntax = \"proto3\"; package a; message Book { string title = 1; }";

/// This file with a comment on its first message.
fn commented(source: &str) -> Vec<u8> {
    let mut set = FileDescriptorSet::decode(&*compile(&[("a.proto", source)])).unwrap();
    let comment =
        Location { path: vec![4, 0], leading_comments: Some(" A book.\n".to_owned()), ..Location::default() };
    set.file[0].source_code_info = Some(SourceCodeInfo { location: vec![comment] });
    set.encode_to_vec()
}

fn joined(sets: &[&[u8]]) -> Pool {
    Pool::from_file_descriptor_set(&join_descriptor_sets(sets.iter().copied()).unwrap()).unwrap()
}

#[test]
fn the_first_file_has_the_comments_of_another_that_declares_the_same() {
    let plain = compile(&[("a.proto", FILE)]);
    for (other, expected) in [
        (commented(FILE), Some("A book.")),
        (commented(&FILE.replace("title = 1", "title = 2")), None),
        (commented(&FILE.replace("message Book", "message Pen {} message Book")), None),
    ] {
        let pool = joined(&[&plain, &other]);
        assert_eq!(pool.declarations().comment("a.Book"), expected);
        let file = pool.file("a.proto").unwrap();
        let first = FileDescriptorSet::decode(&*plain).unwrap().file[0].encode_to_vec();
        assert!(file.bytes().starts_with(&first), "what it declares stays as it is");
        assert_eq!(file.bytes().len() > first.len(), expected.is_some());
    }
    // One that has comments keeps them.
    let pool = joined(&[&commented(FILE), &plain]);
    assert_eq!(pool.declarations().comment("a.Book"), Some("A book."));
}

fn imports(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<(&str, String)> =
        files.iter().map(|(name, rest)| (*name, format!("syntax = \"proto3\"; {rest}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let pool = Pool::from_file_descriptor_set(&compile(&files)).unwrap();
    // Those that every pool holds import each other.
    let own = pool.imports().into_iter().filter(|name| !name.starts_with("google/"));
    let mut names: Vec<String> = own.map(str::to_owned).collect();
    names.sort_unstable();
    names
}

#[test]
fn imports_are_files_that_other_packages_alone_import() {
    let jobs = ("jobs.proto", "package jobs; message Job {} service Jobs { rpc Get(Job) returns (Job); }");
    let stock = (
        "stock.proto",
        "package shop; import \"jobs.proto\"; message Item { jobs.Job job = 1; } \
                                 service Stock { rpc Fill(Item) returns (Item); }",
    );
    let shop = (
        "shop.proto",
        "package shop; import \"stock.proto\"; service Shop { rpc Buy(Item) returns (Item); }",
    );
    assert_eq!(imports(&[jobs, stock, shop]), ["jobs.proto"]);
    // A set that has no other services is about these.
    let user = ("user.proto", "package user; import \"jobs.proto\"; message M { jobs.Job job = 1; }");
    assert_eq!(imports(&[jobs, user]), [""; 0]);
}
