//! What the reflection of another server tells: its services, and the files that declare them.
//!
//! Each round is one call whose questions are all sent at once, so that nothing has to be held open: first for the names, then
//! for the files that declare them, then for imports that did not come along. It is *not* a cache, and looks at no file beyond
//! its name and imports.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderValue, Request, Response};
use narthex_wire::envelope::Decoder;
use narthex_wire::{Body, Code, CollectError, Encoding, Status, names};
use prost::Message;
use tower_service::Service;

use crate::message::{Answer, Question, ServerReflectionRequest, ServerReflectionResponse};
use crate::service::{REFLECT_V1, REFLECT_V1ALPHA};
use crate::{NAMES, reply};

/// As much is read of all answers together.
const MAX_ANSWERS: usize = 64 * 1024 * 1024;
const MAX_FILES: usize = 10_000;
/// How long the server has for each round.
const TIMEOUT: HeaderValue = HeaderValue::from_static("10S");

/// What a server tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The full names of its services, without health and reflection, which every server has for itself.
    pub services: Vec<String>,
    /// A serialized `FileDescriptorSet` of the files that declare them, with imports.
    pub descriptor_set: Vec<u8>,
}

/// Asks a server by grpc.reflection.v1, or by v1alpha if it does not know that.
///
/// # Errors
///
/// `UNIMPLEMENTED` if it knows neither, what the call fails with otherwise, `RESOURCE_EXHAUSTED` for more than anybody needs.
pub async fn discover<S>(server: S) -> Result<Discovered, Status>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut reflection = Asked { server, path: REFLECT_V1, left: MAX_ANSWERS };
    let list = || vec![Question::ListServices(String::new())];
    let listed = match reflection.ask(list()).await {
        Err(status) if status.code() == Code::Unimplemented => {
            reflection.path = REFLECT_V1ALPHA;
            reflection.ask(list()).await?
        }
        answers => answers?,
    };
    let mut services: Vec<String> = listed.into_iter().flat_map(service_names).collect();
    services.retain(|name| !NAMES.contains(&name.as_str()));
    services.sort_unstable();
    services.dedup();
    let mut files = Files::default();
    let mut questions: Vec<Question> = services.iter().cloned().map(Question::FileContainingSymbol).collect();
    while !questions.is_empty() {
        for answer in reflection.ask(questions).await? {
            files.add(answer)?;
        }
        questions = files.missing().into_iter().map(Question::FileByFilename).collect();
    }
    Ok(Discovered { services, descriptor_set: files.into_set() })
}

fn service_names(answer: Answer) -> Vec<String> {
    match answer {
        Answer::Services(list) => list.service.into_iter().map(|service| service.name).collect(),
        _ => Vec::new(),
    }
}

/// The reflection that is asked.
struct Asked<S> {
    server: S,
    path: &'static str,
    /// As much may still come of it.
    left: usize,
}

impl<S> Asked<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    /// One round: a call with these questions, and its answers.
    async fn ask(&mut self, questions: Vec<Question>) -> Result<Vec<Answer>, Status> {
        let mut body = Vec::new();
        for question in questions {
            let message = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
            body.extend_from_slice(&reply::encode(&message));
        }
        let request = Request::post(self.path)
            .header(CONTENT_TYPE, names::APPLICATION_GRPC.clone())
            .header(TE, HeaderValue::from_static("trailers"))
            .header(&names::GRPC_TIMEOUT, TIMEOUT)
            .body(Body::full(body))
            .expect("the paths are valid");
        let Ok(response) = self.server.call(request).await;
        let (head, body) = response.into_parts();
        let collected = body.collect(self.left).await.map_err(|error| match error {
            CollectError::TooLarge { .. } => too_much(),
            CollectError::Body(_) => error.into(),
        })?;
        let status = Status::from_trailers(collected.trailers.as_deref().unwrap_or(&head.headers))
            .unwrap_or_else(|| Status::unknown("the call ended without a grpc-status"));
        if status.code() != Code::Ok {
            return Err(status);
        }
        let mut decoder = Decoder::new(Encoding::from_headers(&head.headers)?, self.left);
        decoder.push(collected.data);
        let mut answers = Vec::new();
        while let Some(message) = decoder.next()? {
            self.left = self.left.checked_sub(message.len()).ok_or_else(too_much)?;
            let response = ServerReflectionResponse::decode(&*message).map_err(|error| {
                Status::internal(format!("an answer of reflection does not parse: {error}"))
            })?;
            answers.extend(response.message_response);
        }
        decoder.finish()?;
        Ok(answers)
    }
}

fn too_much() -> Status {
    Status::resource_exhausted(format!("reflection tells more than {MAX_ANSWERS} bytes"))
}

/// The files that have come, by name, and the imports that nobody has.
#[derive(Default)]
struct Files {
    known: BTreeMap<String, (FileNames, Bytes)>,
    asked: BTreeSet<String>,
}

/// Of `google.protobuf.FileDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
struct FileNames {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
}

/// `google.protobuf.FileDescriptorSet`.
#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

impl Files {
    /// What is no file is an error of that question alone, as for a service without a descriptor: there is less to tell then.
    fn add(&mut self, answer: Answer) -> Result<(), Status> {
        let Answer::Files(files) = answer else { return Ok(()) };
        for bytes in files.file_descriptor_proto {
            let names = FileNames::decode(&*bytes)
                .map_err(|error| Status::internal(format!("a file of reflection does not parse: {error}")))?;
            self.known.entry(names.name.clone()).or_insert((names, bytes));
        }
        if self.known.len() > MAX_FILES {
            return Err(Status::resource_exhausted(format!(
                "reflection tells of more than {MAX_FILES} files"
            )));
        }
        Ok(())
    }

    /// Imports that have not come, each once: a server that does not know one is not asked for it again.
    fn missing(&mut self) -> Vec<String> {
        let imports = self.known.values().flat_map(|(names, _)| &names.dependency);
        let unknown: Vec<String> = imports.filter(|name| !self.known.contains_key(*name)).cloned().collect();
        unknown.into_iter().filter(|name| self.asked.insert(name.clone())).collect()
    }

    fn into_set(self) -> Vec<u8> {
        FileSet { file: self.known.into_values().map(|(_, bytes)| bytes).collect() }.encode_to_vec()
    }
}
