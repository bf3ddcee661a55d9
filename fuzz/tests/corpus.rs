//! Every input that was kept, and every beginning of it, in all targets' promises; what libFuzzer finds, `make fuzz` looks for.

use std::path::{Path, PathBuf};

use narthex_fuzz::TARGETS;

/// Of longer inputs the beginnings are a sample.
const BEGINNINGS: usize = 500;

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder is there").path()).collect();
    files.sort();
    files
}

#[test]
fn what_was_kept_breaks_no_promise() {
    let mut failed = Vec::new();
    for (target, run) in TARGETS {
        let inputs = inputs(target);
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            let data = std::fs::read(&input).expect("git has it");
            let ends = (0..data.len()).step_by(data.len() / BEGINNINGS + 1).chain([data.len()]);
            let broken =
                ends.into_iter().find(|end| std::panic::catch_unwind(|| run(&data[..*end])).is_err());
            failed
                .extend(broken.map(|end| format!("{target}: the first {end} bytes of {}", input.display())));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_target_has_a_binary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut binaries: Vec<String> = std::fs::read_dir(folder)
        .expect("cargo-fuzz has it so")
        .map(|entry| entry.expect("the folder is there").path())
        .map(|path| path.file_stem().expect("it has a name").to_string_lossy().into_owned())
        .collect();
    binaries.sort();
    assert_eq!(binaries, TARGETS.map(|(name, _)| name));
}
