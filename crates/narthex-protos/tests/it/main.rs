//! Files are compiled as protoc compiles them, and faults tell where they are.

use std::path::{Path, PathBuf};

use narthex_protojson::{Pattern, Pool};
use narthex_protos::compile;
use prost::Message as _;
use prost_types::FileDescriptorSet;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/protos")
}

fn faults(files: &[&str]) -> Vec<String> {
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let faults = compile(&files, &[folder()]).expect_err("these are faulty");
    faults.into_iter().map(|fault| format!("{}: {}", fault.place, fault.what)).collect()
}

fn shop() -> Vec<u8> {
    compile(&["shop/v1/shop.proto".into()], &[folder()]).expect("this is right").descriptor_set
}

#[test]
fn a_file_comes_after_all_that_it_imports() {
    let set = FileDescriptorSet::decode(&*shop()).unwrap();
    let names: Vec<&str> = set.file.iter().map(prost_types::FileDescriptorProto::name).collect();
    for (at, file) in set.file.iter().enumerate() {
        for import in &file.dependency {
            assert!(names[..at].contains(&import.as_str()), "{import} comes before {}", file.name());
        }
    }
    assert_eq!(names.last(), Some(&"shop/v1/shop.proto"));
}

#[test]
fn a_path_names_a_file_as_an_import_does() {
    let path = folder().join("shop/v1/shop.proto");
    assert_eq!(compile(&[path], &[folder()]).unwrap().descriptor_set, shop());
}

#[test]
fn imports_are_not_asked_for() {
    let shop = folder().join("shop/v1/shop.proto");
    assert_eq!(compile(std::slice::from_ref(&shop), &[folder()]).unwrap().files, ["shop/v1/shop.proto"]);
    // In this order the first was an import before it was asked for.
    let both = compile(&[shop, "shop/v1/options.proto".into()], &[folder()]).unwrap();
    assert_eq!(both.files, ["shop/v1/options.proto", "shop/v1/shop.proto"]);
}

#[test]
fn annotations_and_comments_are_kept() {
    let pool = Pool::from_file_descriptor_set(&shop()).unwrap();
    let service = pool.service("shop.v1.Shop").unwrap();
    let method = service.methods().find(|method| method.name() == "GetBook").unwrap();
    let rule = method.http_rule().unwrap();
    assert_eq!(rule.pattern, Some(Pattern::Get("/v1/{name=books/*}".into())));
    let file = pool.file("shop/v1/shop.proto").unwrap();
    for kept in ["shop.example", " Finds a book.\n", "books/{book}", "\u{4}kept"] {
        assert!(file.bytes().windows(kept.len()).any(|bytes| bytes == kept.as_bytes()), "{kept} is kept");
    }
}

#[test]
fn protobufs_own_files_are_not_taken_from_a_folder() {
    let newer = folder().join("newer");
    assert_eq!(compile(&["shop/v1/shop.proto".into()], &[newer, folder()]).unwrap().descriptor_set, shop());
}

#[test]
fn each_file_tells_its_fault_with_its_place() {
    assert_eq!(
        faults(&["no_import.proto", "no_syntax.proto", "no_type.proto"]),
        [
            "no_import.proto:3:1: import 'nowhere.proto' not found",
            "no_syntax.proto:4:10: expected an identifier, but found '='",
            "no_type.proto:4:3: name 'Author' is not defined",
        ]
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_eq!(
        faults(&["nowhere.proto"]),
        ["nowhere.proto: file 'nowhere.proto' is not in any include path"]
    );
}

#[test]
fn faults_say_what_to_do() {
    let hint = |file: &str| compile(&[file.into()], &[folder()]).unwrap_err().remove(0).hint;
    assert!(hint("no_import.proto").contains("-I DIR"));
    assert!(hint("no_type.proto").contains("mend the file"));
}
