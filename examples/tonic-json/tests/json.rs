//! What a client of the JSON API sees, and that a client of gRPC sees what it always did.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic_json::library_client::LibraryClient;
use tonic_json::{GetBookRequest, serve};

async fn start() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener));
    address
}

/// The status line's code, the content type and the body of the answer to one request over HTTP/1.1.
async fn ask(
    server: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> (u16, String, String) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    (head[9..12].parse().unwrap(), kind.to_owned(), body.to_owned())
}

const JSON: &str = "content-type: application/json\r\n";

async fn create(server: SocketAddr, title: &str) {
    let book = format!(r#"{{"title": "{title}", "pageCount": 412}}"#);
    let (status, _, body) = ask(server, "POST", "/v1/shelves/7/books", JSON, &book).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_book_is_created_and_found() {
    let server = start().await;
    create(server, "Dune").await;
    let (status, kind, body) = ask(server, "GET", "/v1/shelves/7/books/dune", "", "").await;
    assert_eq!((status, &*kind), (200, "application/json"));
    assert_eq!(body, r#"{"name":"shelves/7/books/dune","title":"Dune","pageCount":412}"#);
}

#[tokio::test]
async fn an_error_is_a_status_in_json() {
    let server = start().await;
    let (status, kind, body) = ask(server, "GET", "/v1/shelves/7/books/none", "", "").await;
    assert_eq!((status, &*kind), (404, "application/json"));
    assert_eq!(body, r#"{"code":5,"message":"there is no shelves/7/books/none"}"#);
    let (status, _, body) = ask(server, "POST", "/v1/shelves/7/books", JSON, r#"{"titel": "Dune"}"#).await;
    assert_eq!(status, 400);
    assert!(body.contains("titel"), "{body}");
}

#[tokio::test]
async fn a_stream_is_server_sent_events_to_who_asks_for_them() {
    let server = start().await;
    for title in ["Dune", "Emma", "Ulysses"] {
        create(server, title).await;
    }
    let (status, kind, body) =
        ask(server, "GET", "/v1/shelves/7/books?limit=2", "accept: text/event-stream\r\n", "").await;
    assert_eq!((status, &*kind), (200, "text/event-stream"));
    assert_eq!(body.matches("data: ").count(), 2, "{body}");
    assert!(
        body.contains(r#"data: {"name":"shelves/7/books/emma","title":"Emma","pageCount":412}"#),
        "{body}"
    );
}

#[tokio::test]
async fn grpc_passes_untouched() {
    let server = start().await;
    create(server, "Dune").await;
    let mut client = LibraryClient::connect(format!("http://{server}")).await.unwrap();
    let book =
        client.get_book(GetBookRequest { name: "shelves/7/books/dune".into() }).await.unwrap().into_inner();
    assert_eq!((&*book.title, book.page_count), ("Dune", 412));
    let missing = client.get_book(GetBookRequest::default()).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);
}
