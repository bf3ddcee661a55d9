//! Both directions on messages of mixed kinds, beside prost-reflect on the same message, and beside what `serde_json` needs
//! to parse the same text as a `Value` and print it again.
//!
//! `cargo bench -p narthex-protojson`; a name such as `from_json/small` after `--` picks some.

use std::hint::black_box;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use narthex_protojson::{Message, Pool, ReadOptions, WriteOptions, json_to_wire, wire_to_json};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};

/// What a request for one thing looks like.
fn small() -> Value {
    json!({ "i64": "1234567", "text": "The Left Hand of Darkness", "colour": "COLOUR_RED", "yes": true })
}

/// About a kilobyte of every kind there is.
fn mixed(seed: u64) -> Value {
    let text = format!("number {seed} of a series, which is a text of the usual length");
    json!({
        "i32": seed % 1000, "i64": (seed * 7_919).to_string(), "u32": seed, "u64": u64::MAX.wrapping_sub(seed).to_string(),
        "s32": -1, "f64": "17", "real": 0.5, "dbl": 1234.5678, "yes": true,
        "text": text, "raw": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "colour": "COLOUR_RED",
        "inner": { "text": "an \"inner\" one\n", "numbers": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "maybe": 0 },
        "pickText": "größer als ASCII",
        "numbers": [seed, 1, 22, 333, 4_444, 55_555], "texts": ["red", "green", "blue", ""],
        "byText": { "alpha": 1, "beta": 2, "gamma": 3 }, "byNumber": { "1": "COLOUR_RED", "2": "COLOUR_DARK" },
        "wrapped": "42", "wrappedText": "wrapped", "at": "2024-02-29T12:34:56.789Z", "during": "1.500s", "mask": "aB,cD",
        "object": { "a": [null, 1.5, "c", false], "b": { "d": "e" } },
        "any": { "@type": "type.googleapis.com/kinds.v1.Kinds", "i32": 5, "text": "held" }
    })
}

fn many(count: u64) -> Value {
    json!({ "inners": (0..count).map(mixed).collect::<Vec<_>>() })
}

struct Case {
    name: &'static str,
    text: Vec<u8>,
    wire: Vec<u8>,
}

fn cases(descriptor: &MessageDescriptor) -> Vec<Case> {
    let messages = [("small", small()), ("1KB", mixed(1)), ("100KB", many(95)), ("10MB", many(9_500))];
    let case = |(name, json): (&'static str, Value)| {
        let text = json.to_string().into_bytes();
        let wire = theirs_from_json(descriptor, &text);
        Case { name, text, wire }
    };
    messages.into_iter().map(case).collect()
}

fn theirs_from_json(descriptor: &MessageDescriptor, text: &[u8]) -> Vec<u8> {
    let json = &mut serde_json::Deserializer::from_slice(text);
    DynamicMessage::deserialize(descriptor.clone(), json).expect("it is a message").encode_to_vec()
}

fn theirs_to_json(descriptor: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
    let message = DynamicMessage::decode(descriptor.clone(), wire).expect("it is a message");
    serde_json::to_vec(&message).expect("it has a JSON form")
}

fn tree(text: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(text).expect("it is JSON");
    serde_json::to_vec(&value).expect("it can be printed")
}

fn codec(criterion: &mut Criterion) {
    let set = descriptor_set();
    let pool = Pool::from_file_descriptor_set(&set).expect("the set is whole");
    let message: Message = pool.message("kinds.v1.Kinds").expect("it is declared");
    let theirs = DescriptorPool::decode(&set[..]).expect("the set is whole");
    let descriptor = theirs.get_message_by_name("kinds.v1.Kinds").expect("it is declared");

    for case in cases(&descriptor) {
        let mut group = group(criterion, "from_json", &case);
        group.bench_function("narthex", |bencher| {
            bencher.iter(|| {
                let mut out = Vec::new();
                json_to_wire(&message, black_box(&case.text), &ReadOptions::default(), &mut out)
                    .expect("it is a message");
                out
            });
        });
        group.bench_function("prost-reflect", |bencher| {
            bencher.iter(|| theirs_from_json(&descriptor, black_box(&case.text)));
        });
        group.bench_function("serde_json tree", |bencher| bencher.iter(|| tree(black_box(&case.text))));
        group.finish();

        let mut group = self::group(criterion, "to_json", &case);
        group.bench_function("narthex", |bencher| {
            bencher.iter(|| {
                let mut out = Vec::new();
                wire_to_json(&message, black_box(&case.wire), &WriteOptions::default(), &mut out)
                    .expect("it has a JSON form");
                out
            });
        });
        group.bench_function("prost-reflect", |bencher| {
            bencher.iter(|| theirs_to_json(&descriptor, black_box(&case.wire)));
        });
        group.finish();
    }
}

fn group<'c>(criterion: &'c mut Criterion, direction: &str, case: &Case) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(format!("{direction}/{}", case.name));
    group.throughput(Throughput::Bytes(case.text.len() as u64)).sample_size(10);
    group
}

/// The schema of the crate's tests, with what it imports.
fn descriptor_set() -> Vec<u8> {
    let mut compiler = protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")])
        .expect("the folder is there");
    compiler.include_imports(true).open_file("kinds.proto").expect("it compiles");
    compiler.encode_file_descriptor_set()
}

criterion_group!(benches, codec);
criterion_main!(benches);
