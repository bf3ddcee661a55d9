#![no_main]
#![expect(missing_docs, reason = "it is the target of the library that has this name")]

libfuzzer_sys::fuzz_target!(|data: &[u8]| narthex_fuzz::wire_to_json::run(data));
