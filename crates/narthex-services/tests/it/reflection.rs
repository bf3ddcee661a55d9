use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use narthex_services::{REFLECTION_V1, REFLECTION_V1ALPHA, Services};
use narthex_wire::{Body, envelope};
use prost::{Message, Oneof};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
    descriptor_proto::ExtensionRange,
};

use crate::{Next, code, next, own_files, request, respond, services};

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(oneof = "Asked", tags = "3, 4, 5, 6, 7")]
    asked: Option<Asked>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Asked {
    #[prost(string, tag = "3")]
    Filename(String),
    #[prost(string, tag = "4")]
    Symbol(String),
    #[prost(message, tag = "5")]
    Extension(Extension),
    #[prost(string, tag = "6")]
    Numbers(String),
    #[prost(string, tag = "7")]
    List(String),
}

#[derive(Clone, PartialEq, Message)]
struct Extension {
    #[prost(string, tag = "1")]
    of: String,
    #[prost(int32, tag = "2")]
    number: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Reply {
    #[prost(string, tag = "1")]
    valid_host: String,
    #[prost(message, optional, tag = "2")]
    original_request: Option<Request>,
    #[prost(message, optional, tag = "4")]
    files: Option<Files>,
    #[prost(message, optional, tag = "5")]
    numbers: Option<Numbers>,
    #[prost(message, optional, tag = "6")]
    list: Option<List>,
    #[prost(message, optional, tag = "7")]
    error: Option<Failure>,
}

#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Numbers {
    #[prost(string, tag = "1")]
    base: String,
    #[prost(int32, repeated, tag = "2")]
    numbers: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    services: Vec<Name>,
}

#[derive(Clone, PartialEq, Message)]
struct Name {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Failure {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// shop/v1/shop.proto imports shop/v1/book.proto, which imports a common one, and adds an extension; and the hidden file.
pub(crate) fn files() -> FileDescriptorSet {
    let file = |name: &str, package: &str, imports: &[&str]| FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some(package.to_owned()),
        dependency: imports.iter().map(|import| (*import).to_owned()).collect(),
        ..FileDescriptorProto::default()
    };
    let field = |name: &str, number: i32, extendee: Option<&str>| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(1),
        r#type: Some(5),
        extendee: extendee.map(str::to_owned),
        ..FieldDescriptorProto::default()
    };
    let message = |name: &str| DescriptorProto { name: Some(name.to_owned()), ..DescriptorProto::default() };
    let common = FileDescriptorProto {
        message_type: vec![DescriptorProto {
            field: vec![field("id", 1, None)],
            extension_range: vec![ExtensionRange { start: Some(100), end: Some(200), options: None }],
            ..message("Base")
        }],
        ..file("common.proto", "common", &[])
    };
    let book = FileDescriptorProto {
        message_type: vec![message("Book")],
        enum_type: vec![EnumDescriptorProto {
            name: Some("Kind".to_owned()),
            value: vec![EnumValueDescriptorProto {
                name: Some("KIND_UNSPECIFIED".to_owned()),
                number: Some(0),
                options: None,
            }],
            ..EnumDescriptorProto::default()
        }],
        extension: vec![field("shelf", 101, Some(".common.Base")), field("row", 102, Some(".common.Base"))],
        ..file("shop/v1/book.proto", "shop.v1", &["common.proto"])
    };
    let service = |name: &str, method: &str, message: &str| ServiceDescriptorProto {
        name: Some(name.to_owned()),
        method: vec![MethodDescriptorProto {
            name: Some(method.to_owned()),
            input_type: Some(message.to_owned()),
            output_type: Some(message.to_owned()),
            ..MethodDescriptorProto::default()
        }],
        ..ServiceDescriptorProto::default()
    };
    let shop = FileDescriptorProto {
        service: vec![service("ShopService", "Get", ".shop.v1.Book")],
        ..file("shop/v1/shop.proto", "shop.v1", &["shop/v1/book.proto", "common.proto"])
    };
    let asgi = FileDescriptorProto {
        service: vec![service("AsgiService", "Handler", ".common.Base")],
        ..file("narthex/asgi/v1/asgi.proto", "narthex.asgi.v1", &["common.proto"])
    };
    FileDescriptorSet { file: vec![common, book, shop, asgi] }
}

const V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

fn envelope_of(asked: Option<Asked>) -> Bytes {
    envelope::encode(&Request { host: "h".to_owned(), asked }.encode_to_vec())
}

fn ask_on(services: &Services, path: &str, asked: Option<Asked>) -> Reply {
    let mut body = respond(services, request(path, Body::full(envelope_of(asked.clone())))).into_body();
    let Next::Message(reply) = next::<Reply>(&mut body) else { panic!("a message comes first") };
    assert_eq!(code(&next::<Reply>(&mut body)), "0");
    assert_eq!(next::<Reply>(&mut body), Next::End);
    assert_eq!(reply.valid_host, "h");
    assert_eq!(reply.original_request, Some(Request { host: "h".to_owned(), asked }));
    reply
}

fn ask(asked: Asked) -> Reply {
    ask_on(&services(&["shop.v1.ShopService"]), V1, Some(asked))
}

/// The names of the files in a reply, in order.
fn names(reply: &Reply) -> Vec<String> {
    let files = reply.files.as_ref().expect("the reply has files");
    files
        .files
        .iter()
        .map(|file| FileDescriptorProto::decode(&**file).expect("it parses").name().to_owned())
        .collect()
}

fn failure(asked: Asked) -> (i32, String) {
    let error = ask(asked).error.expect("the reply is an error");
    (error.code, error.message)
}

#[test]
fn what_is_registered_is_listed_and_so_are_we() {
    let services = services(&["shop.v1.ShopService", "narthex.asgi.v1.AsgiService", "a.WithoutDescriptor"]);
    for path in [V1, V1ALPHA] {
        let list = ask_on(&services, path, Some(Asked::List("*".to_owned()))).list.unwrap();
        let names: Vec<_> = list.services.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "a.WithoutDescriptor",
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
                "shop.v1.ShopService",
            ]
        );
    }
}

#[test]
fn a_symbols_file_comes_first_then_all_that_it_imports_once() {
    for symbol in ["shop.v1.ShopService", "shop.v1.ShopService.Get", ".shop.v1.ShopService"] {
        let reply = ask(Asked::Symbol(symbol.to_owned()));
        assert_eq!(names(&reply), ["shop/v1/shop.proto", "shop/v1/book.proto", "common.proto"], "{symbol}");
    }
    for symbol in ["shop.v1.Book", "shop.v1.Kind", "shop.v1.KIND_UNSPECIFIED", "shop.v1.shelf"] {
        let reply = ask(Asked::Symbol(symbol.to_owned()));
        assert_eq!(names(&reply), ["shop/v1/book.proto", "common.proto"], "{symbol}");
    }
}

#[test]
fn files_are_the_bytes_they_were_given_as() {
    let reply = ask(Asked::Filename("common.proto".to_owned()));
    assert_eq!(reply.files.unwrap().files, [files().file[0].encode_to_vec()]);
}

#[test]
fn extensions_are_found() {
    let of = || "common.Base".to_owned();
    assert_eq!(
        names(&ask(Asked::Extension(Extension { of: of(), number: 101 }))),
        ["shop/v1/book.proto", "common.proto"]
    );
    let mut numbers = ask(Asked::Numbers(of())).numbers.unwrap();
    numbers.numbers.sort_unstable();
    assert_eq!(numbers, Numbers { base: of(), numbers: vec![101, 102] });
    assert_eq!(ask(Asked::Numbers("shop.v1.Book".to_owned())).numbers.unwrap().numbers, Vec::<i32>::new());
}

#[test]
fn what_is_not_there_is_an_error_and_the_stream_goes_on() {
    assert_eq!(
        failure(Asked::Filename("no.proto".to_owned())),
        (5, "there is no file \"no.proto\"".to_owned())
    );
    assert_eq!(failure(Asked::Symbol("a.B".to_owned())), (5, "no file declares \"a.B\"".to_owned()));
    for number in [1, 103, -1] {
        assert_eq!(failure(Asked::Extension(Extension { of: "common.Base".to_owned(), number })).0, 5);
    }
    assert_eq!(failure(Asked::Numbers("a.B".to_owned())).0, 5);
    let nothing = ask_on(&services(&[]), V1, None);
    assert_eq!(nothing.error.unwrap().code, 3);
}

#[test]
fn http_over_grpc_is_hidden() {
    for symbol in ["narthex.asgi.v1.AsgiService", "narthex.asgi.v1.AsgiService.Handler"] {
        assert_eq!(failure(Asked::Symbol(symbol.to_owned())).0, 5, "{symbol}");
    }
    assert_eq!(failure(Asked::Filename("narthex/asgi/v1/asgi.proto".to_owned())).0, 5);
}

#[test]
fn our_own_services_are_described() {
    for file in own_files().file {
        let name = format!("{}.{}", file.package(), file.service[0].name());
        assert_eq!(names(&ask(Asked::Symbol(name))), [file.name()]);
    }
    assert!(own_files().file.iter().any(|file| REFLECTION_V1.starts_with(file.package())));
    assert!(own_files().file.iter().any(|file| REFLECTION_V1ALPHA.starts_with(file.package())));
}

/// A request's body that a test feeds as it goes.
#[derive(Clone, Default)]
struct Fed(Arc<Mutex<Vec<Bytes>>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0.lock().expect("no panic").pop() {
            Some(data) if data.is_empty() => Poll::Ready(None),
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Poll::Pending,
        }
    }
}

impl Fed {
    fn feed(&self, data: Bytes) {
        self.0.lock().expect("no panic").push(data);
    }
}

#[test]
fn each_question_is_answered_when_it_comes() {
    let fed = Fed::default();
    let mut body = respond(&services(&[]), request(V1, Body::new(fed.clone()))).into_body();
    assert_eq!(next::<Reply>(&mut body), Next::Pending);
    for name in ["common.proto", "shop/v1/book.proto"] {
        let mut question = envelope_of(Some(Asked::Filename(name.to_owned())));
        fed.feed(question.split_to(7));
        assert_eq!(next::<Reply>(&mut body), Next::Pending);
        fed.feed(question);
        let Next::Message(reply) = next::<Reply>(&mut body) else { panic!("it was asked") };
        assert_eq!(names(&reply)[0], name);
        assert_eq!(next::<Reply>(&mut body), Next::Pending);
    }
    fed.feed(Bytes::new());
    assert_eq!(code(&next::<Reply>(&mut body)), "0");
}

#[test]
fn what_cannot_be_read_ends_the_stream_with_its_status() {
    for (data, expect) in [
        (b"\0\0\0\0\x02\x0a\x05".as_slice(), "13"),
        (b"\0\0\0\0\x09\x0a", "13"),
        (b"\x02\0\0\0\0", "13"),
        (b"\0\x7f\0\0\0", "8"),
    ] {
        let mut body = respond(&services(&[]), request(V1, Body::full(data))).into_body();
        assert_eq!(code(&next::<Reply>(&mut body)), expect, "{data:?}");
        assert_eq!(next::<Reply>(&mut body), Next::End);
    }
}

#[test]
fn shutting_down_ends_a_stream_that_waits() {
    let services = services(&[]);
    let mut body = respond(&services, request(V1, Body::new(Fed::default()))).into_body();
    assert_eq!(next::<Reply>(&mut body), Next::Pending);
    services.shutdown();
    assert_eq!(code(&next::<Reply>(&mut body)), "14");
}
