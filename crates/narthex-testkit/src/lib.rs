//! The test that keeps the tree tidy: rules of STYLE.md that a program can check, over the files that git knows.
//!
//! Never published, and no part of the product. It does not look at what compilers and linters look at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The longest a source file may be, in lines.
const LONGEST: usize = 500;
/// Names that say nothing of what is inside.
const NAMELESS: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

/// The root of the workspace.
pub fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent);
    crates.unwrap_or(Path::new(".")).to_path_buf()
}

/// The files that git tracks, or would, below `root`.
///
/// # Panics
///
/// If git cannot be asked: a rule that looks at nothing would pass.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git lists the project's files");
    assert!(listed.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8_lossy(&listed.stdout);
    listed.lines().map(PathBuf::from).filter(|file| root.join(file).is_file()).collect()
}

/// Everything untidy, one line each.
pub fn problems(root: &Path, files: &[PathBuf]) -> Vec<String> {
    let read = |file: &Path| std::fs::read_to_string(root.join(file)).unwrap_or_default();
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| is_source(file)) {
        let text = read(file);
        let shown = file.display();
        let lines = text.lines().count();
        if lines > LONGEST {
            problems.push(format!("{shown} has {lines} lines: split it at a seam of its subject"));
        }
        if file.file_stem().is_some_and(|stem| NAMELESS.iter().any(|name| stem == *name)) {
            problems.push(format!("{shown}: name it for what it holds"));
        }
        if file.ends_with("src/lib.rs") && !text.starts_with("//!") {
            problems.push(format!("{shown} does not begin with //! and what the crate is"));
        }
        if files.iter().any(|other| {
            other.starts_with(file.with_extension("")) && file.extension().is_some_and(|e| e == "rs")
        }) {
            problems.push(format!("{shown} stands beside a folder of its name: use mod.rs"));
        }
    }
    problems.extend(unnamed_crates(files, &read(Path::new("ARCHITECTURE.md"))));
    problems.extend(unlisted_records(files, &read(Path::new("docs/adr/README.md"))));
    problems
}

fn is_source(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "rs" || extension == "py")
}

/// Crates that ARCHITECTURE.md does not name.
fn unnamed_crates(files: &[PathBuf], architecture: &str) -> Vec<String> {
    let crates: BTreeSet<_> =
        files.iter().filter_map(|file| file.strip_prefix("crates").ok()?.iter().next()?.to_str()).collect();
    let missing = crates.into_iter().filter(|name| !architecture.contains(&format!("`{name}`")));
    missing.map(|name| format!("ARCHITECTURE.md does not say what {name} is")).collect()
}

/// Decision records that their index does not link.
fn unlisted_records(files: &[PathBuf], index: &str) -> Vec<String> {
    let records = files.iter().filter_map(|file| file.strip_prefix("docs/adr").ok()?.to_str());
    let missing = records.filter(|name| *name != "README.md" && !index.contains(&format!("({name})")));
    missing.map(|name| format!("docs/adr/README.md does not list {name}")).collect()
}
