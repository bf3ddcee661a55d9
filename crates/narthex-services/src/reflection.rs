//! grpc.reflection.v1 and v1alpha.ServerReflection: the descriptors of what is served.
//!
//! It is *not* a view of the whole pool's services: those that the program registered are listed, and no others.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use narthex_protojson::{File, Pool};
use narthex_wire::envelope::Decoder;
use narthex_wire::{Body, BoxError, Code, Encoding, Origin, Status};

use crate::message::{
    Answer, ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, Question,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use crate::watched::{Watched, Watcher};
use crate::{DESCRIPTOR_SET, MAX_MESSAGE, reply};

/// Nobody who may not call it learns of HTTP over gRPC.
const HIDDEN_PACKAGE: &str = "narthex.asgi.";
const HIDDEN_FILES: &str = "narthex/asgi/";

/// What reflection tells: the services' names, and the files that declare them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reflection {
    files: Arc<Files>,
    shutting_down: Watched<bool>,
}

#[derive(Debug)]
struct Files {
    names: Vec<String>,
    /// The program's descriptors, then ours: a program may have health's or reflection's under its own file names.
    pools: [Pool; 2],
}

impl Reflection {
    /// Reflection on these services, declared in `pool` or here.
    pub fn new(pool: Pool, names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> =
            names.into_iter().filter(|name| !name.starts_with(HIDDEN_PACKAGE)).collect();
        names.sort_unstable();
        names.dedup();
        let ours =
            Pool::from_file_descriptor_set(DESCRIPTOR_SET).expect("compiled when this crate was built");
        Self { files: Arc::new(Files { names, pools: [pool, ours] }), shutting_down: Watched::new(false) }
    }

    /// The same, telling of other services; what is open goes on with those before, and ends by the same shutdown.
    pub(crate) fn renewed(&self, pool: Pool, names: impl IntoIterator<Item = String>) -> Self {
        Self { shutting_down: self.shutting_down.clone(), ..Self::new(pool, names) }
    }

    /// The descriptors of the services answered here.
    pub(crate) fn ours(&self) -> &Pool {
        let [_, ours] = &self.files.pools;
        ours
    }

    /// Ends the streams that are open: they would hold up a server that drains.
    pub fn shutdown(&self) {
        self.shutting_down.update(|shutting_down| *shutting_down = true);
    }

    pub(crate) fn stream(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let encoding = Encoding::from_headers(request.headers())?;
        // Whoever asks may think about the answers.
        if let Some(origin) = request.extensions().get::<Origin>() {
            origin.upload.let_pause();
        }
        Ok(reply::stream(Stream {
            request: request.into_body(),
            decoder: Decoder::new(encoding, MAX_MESSAGE),
            ended: false,
            files: Arc::clone(&self.files),
            shutting_down: self.shutting_down.watch(),
        }))
    }
}

impl Files {
    fn respond(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = self.answer(request.message_request.as_ref()).unwrap_or_else(|status| {
            Answer::Error(ErrorResponse {
                error_code: status.code().into(),
                error_message: status.message().to_owned(),
            })
        });
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        }
    }

    fn answer(&self, question: Option<&Question>) -> Result<Answer, Status> {
        match question {
            Some(Question::FileByFilename(name)) => {
                self.files(|pool| pool.file(name), || format!("there is no file {name:?}"))
            }
            Some(Question::FileContainingSymbol(symbol)) => {
                let symbol = symbol.strip_prefix('.').unwrap_or(symbol);
                self.files(|pool| pool.file_by_symbol(symbol), || format!("no file declares {symbol:?}"))
            }
            Some(Question::FileContainingExtension(extension)) => {
                let (of, number) = (&extension.containing_type, extension.extension_number);
                self.files(
                    |pool| pool.file_by_extension(of, u32::try_from(number).ok()?),
                    || format!("no file declares an extension of {of:?} with the number {number}"),
                )
            }
            Some(Question::AllExtensionNumbersOfType(name)) => self.extension_numbers(name),
            Some(Question::ListServices(_)) => {
                let service = self.names.iter().map(|name| ServiceResponse { name: name.clone() }).collect();
                Ok(Answer::Services(ListServiceResponse { service }))
            }
            None => Err(Status::new(
                Code::InvalidArgument,
                "the request asks nothing: one of the fields of message_request must be set",
            )),
        }
    }

    /// The file that is found, and all that it imports, directly or not.
    fn files<'a>(
        &'a self,
        find: impl Fn(&'a Pool) -> Option<&'a File>,
        missing: impl FnOnce() -> String,
    ) -> Result<Answer, Status> {
        let found =
            |pool| find(pool).filter(|file| !file.name().starts_with(HIDDEN_FILES)).map(|file| (pool, file));
        let (pool, file) = self.pools.iter().find_map(found).ok_or_else(|| Status::not_found(missing()))?;
        let mut seen = HashSet::from([file.name()]);
        let mut queue = VecDeque::from([file]);
        let mut file_descriptor_proto = Vec::new();
        while let Some(file) = queue.pop_front() {
            file_descriptor_proto.push(file.bytes().clone());
            queue.extend(
                file.dependencies()
                    .iter()
                    .filter(|name| seen.insert(name))
                    .filter_map(|name| pool.file(name)),
            );
        }
        Ok(Answer::Files(FileDescriptorResponse { file_descriptor_proto }))
    }

    fn extension_numbers(&self, name: &str) -> Result<Answer, Status> {
        let numbers = self.pools.iter().find_map(|pool| pool.extension_numbers(name));
        let numbers =
            numbers.ok_or_else(|| Status::not_found(format!("there is no message type {name:?}")))?;
        Ok(Answer::ExtensionNumbers(ExtensionNumberResponse {
            base_type_name: name.to_owned(),
            extension_number: numbers.into_iter().filter_map(|number| i32::try_from(number).ok()).collect(),
        }))
    }
}

/// The response's body: an answer to each message of the request's body, when it comes.
#[derive(Debug)]
struct Stream {
    request: Body,
    decoder: Decoder,
    ended: bool,
    files: Arc<Files>,
    shutting_down: Watcher<bool>,
}

impl Stream {
    /// The next answer; `None` at the request's end.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        loop {
            if let Some(message) = self.decoder.next()? {
                let request = reply::decode(&message)?;
                return Poll::Ready(Ok(Some(reply::encode(&self.files.respond(request)))));
            }
            match http_body::Body::poll_frame(Pin::new(&mut self.request), cx) {
                Poll::Ready(Some(frame)) => {
                    if let Ok(data) = frame.map_err(Status::from_body_error)?.into_data() {
                        self.decoder.push(data);
                    }
                }
                Poll::Ready(None) => {
                    self.decoder.finish()?;
                    return Poll::Ready(Ok(None));
                }
                Poll::Pending => {
                    return self.shutting_down.poll(cx, |yes| {
                        yes.then(|| Err(Status::unavailable("the server is shutting down")))
                    });
                }
            }
        }
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = match std::task::ready!(self.poll_answer(cx)) {
            Ok(Some(envelope)) => Frame::data(envelope),
            Ok(None) => {
                self.ended = true;
                reply::end(Status::ok())
            }
            Err(status) => {
                self.ended = true;
                reply::end(status)
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }
}
