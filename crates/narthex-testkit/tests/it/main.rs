//! The tree is tidy, and the rules can tell when it is not.

use std::path::PathBuf;

use narthex_testkit::{files, problems, root};

#[test]
fn the_tree_is_tidy() {
    let root = root();
    let files = files(&root);
    assert!(files.len() > 50, "git lists the project's files");
    let problems = problems(&root, &files);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_rule_can_fail() {
    let root = std::env::temp_dir().join(format!("narthex-tidy-{}", std::process::id()));
    let write = |path: &str, text: &str| {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        PathBuf::from(path)
    };
    let files = [
        write("crates/narthex-new/src/lib.rs", "mod utils;"),
        write("crates/narthex-new/src/utils.rs", ""),
        write("crates/narthex-new/src/long.rs", &"x\n".repeat(501)),
        write("crates/narthex-new/src/long/part.rs", ""),
        write("docs/adr/0009-nobody-knows.md", ""),
        write("docs/adr/README.md", ""),
        write("ARCHITECTURE.md", "nothing"),
    ];
    let found = problems(&root, &files);
    std::fs::remove_dir_all(&root).unwrap();
    let expected = [
        "lib.rs does not begin with //!",
        "utils.rs: name it",
        "long.rs has 501 lines",
        "long.rs stands beside a folder",
        "ARCHITECTURE.md does not say what narthex-new is",
        "docs/adr/README.md does not list 0009-nobody-knows.md",
    ];
    for rule in expected {
        assert!(found.iter().any(|problem| problem.contains(rule)), "{rule} not in {found:?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
}
