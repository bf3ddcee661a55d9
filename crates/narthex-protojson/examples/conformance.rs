//! The program that protobuf's conformance runner asks: JSON to wire, wire to JSON, and JSON to JSON through wire.
//!
//! It speaks the runner's protocol on stdin and stdout: messages with their length in four bytes, little endian, in front.
//! Its argument is a file with the `FileDescriptorSet` of the test messages. `make judge-protojson` runs it.

use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};

use narthex_protojson::{Message, Pool, ReadOptions, WriteOptions, json_to_wire, wire_to_json};
use prost::Message as _;

const PROTOBUF: i32 = 1;
const JSON: i32 = 2;
const JSON_IGNORE_UNKNOWN_PARSING_TEST: i32 = 3;

/// `conformance.ConformanceRequest`, as far as it is about JSON.
#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(bytes = "vec", optional, tag = "1")]
    protobuf_payload: Option<Vec<u8>>,
    #[prost(string, optional, tag = "2")]
    json_payload: Option<String>,
    #[prost(int32, tag = "3")]
    requested_output_format: i32,
    #[prost(string, tag = "4")]
    message_type: String,
    #[prost(int32, tag = "5")]
    test_category: i32,
}

/// `conformance.ConformanceResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(oneof = "Outcome", tags = "1, 3, 4, 5, 6")]
    outcome: Option<Outcome>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Outcome {
    #[prost(string, tag = "1")]
    ParseError(String),
    #[prost(bytes, tag = "3")]
    Protobuf(Vec<u8>),
    #[prost(string, tag = "4")]
    Json(String),
    #[prost(string, tag = "5")]
    Skipped(String),
    #[prost(string, tag = "6")]
    SerializeError(String),
}

fn skipped(why: &str) -> Outcome {
    Outcome::Skipped(why.to_owned())
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("the argument is a file with a FileDescriptorSet")?;
    let pool = Pool::from_file_descriptor_set(&std::fs::read(file)?)?;
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    loop {
        let mut length = [0; 4];
        match input.read_exact(&mut length) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let mut request = vec![0; usize::try_from(u32::from_le_bytes(length))?];
        input.read_exact(&mut request)?;
        let outcome = Some(answer(&pool, &Request::decode(&request[..])?));
        let response = Response { outcome }.encode_to_vec();
        output.write_all(&u32::try_from(response.len())?.to_le_bytes())?;
        output.write_all(&response)?;
        output.flush()?;
    }
}

fn answer(pool: &Pool, request: &Request) -> Outcome {
    // The runner's first question: the set of failures it should expect. There are none it has to know.
    if request.message_type == "conformance.FailureSet" {
        return Outcome::Protobuf(Vec::new());
    }
    let Some(message) = pool.message(&request.message_type) else {
        return skipped("the message type is not in the descriptor set");
    };
    let wire = match (&request.json_payload, &request.protobuf_payload) {
        (Some(json), _) => match wire_of(&message, json, request.test_category) {
            Ok(wire) => wire,
            Err(error) => return Outcome::ParseError(error.to_string()),
        },
        (None, Some(_)) if request.requested_output_format == PROTOBUF => {
            return skipped("nothing here copies wire");
        }
        (None, Some(wire)) => wire.clone(),
        (None, None) => return skipped("the input is neither JSON nor wire"),
    };
    match request.requested_output_format {
        PROTOBUF => Outcome::Protobuf(wire),
        JSON => match json_of(&message, &wire) {
            Ok(json) => Outcome::Json(json),
            Err(error) => Outcome::SerializeError(error.to_string()),
        },
        _ => skipped("the output is neither JSON nor wire"),
    }
}

fn wire_of(message: &Message, json: &str, category: i32) -> Result<Vec<u8>, Box<dyn Error>> {
    let ignore_unknown = category == JSON_IGNORE_UNKNOWN_PARSING_TEST;
    let options = ReadOptions { ignore_unknown, ..ReadOptions::default() };
    let mut wire = Vec::new();
    json_to_wire(message, json.as_bytes(), &options, &mut wire)?;
    Ok(wire)
}

fn json_of(message: &Message, wire: &[u8]) -> Result<String, Box<dyn Error>> {
    let mut json = Vec::new();
    wire_to_json(message, wire, &WriteOptions::default(), &mut json)?;
    Ok(String::from_utf8(json)?)
}
