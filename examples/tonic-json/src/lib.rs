//! A tonic server that answers JSON too, by the HTTP rules in its .proto.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use narthex_transcode::{Options, Pool, RouteTable, TranscodeLayer};
use tokio::net::TcpListener;
use tokio_stream::Iter;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use library_server::{Library, LibraryServer};

tonic::include_proto!("library.v1");

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/library.binpb"));

/// Serves the library by gRPC and by JSON.
///
/// # Errors
///
/// What is wrong with the HTTP rules, or what the listener says.
pub async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error + Send + Sync>> {
    let routes =
        RouteTable::build(&Pool::from_file_descriptor_set(DESCRIPTORS)?, &["library.v1.Library".into()])?;
    let json = TranscodeLayer::new(Arc::new(routes), Options::default()).with_bodies(tonic::body::Body::new);
    Server::builder()
        .accept_http1(true) // As most clients of a JSON API speak it.
        .layer(json)
        .add_service(LibraryServer::new(Shelves::default()))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?;
    Ok(())
}

/// The books by their names.
#[derive(Debug, Default)]
struct Shelves(Mutex<BTreeMap<String, Book>>);

#[tonic::async_trait]
impl Library for Shelves {
    async fn get_book(&self, request: Request<GetBookRequest>) -> Result<Response<Book>, Status> {
        let name = request.into_inner().name;
        let books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let book = books.get(&name).ok_or_else(|| Status::not_found(format!("there is no {name}")))?;
        Ok(Response::new(book.clone()))
    }

    async fn create_book(&self, request: Request<CreateBookRequest>) -> Result<Response<Book>, Status> {
        let CreateBookRequest { parent, book } = request.into_inner();
        let mut book = book.ok_or_else(|| Status::invalid_argument("a book is needed"))?;
        book.name = format!("{parent}/books/{}", book.title.to_lowercase().replace(' ', "-"));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(book.name.clone(), book.clone());
        Ok(Response::new(book))
    }

    type ListBooksStream = Iter<std::vec::IntoIter<Result<Book, Status>>>;

    async fn list_books(
        &self,
        request: Request<ListBooksRequest>,
    ) -> Result<Response<Self::ListBooksStream>, Status> {
        let ListBooksRequest { parent, limit } = request.into_inner();
        let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or_default() };
        let books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = books.values().filter(|book| book.name.starts_with(&format!("{parent}/"))).take(limit);
        Ok(Response::new(tokio_stream::iter(found.cloned().map(Ok).collect::<Vec<_>>())))
    }
}
