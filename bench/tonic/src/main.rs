//! The calculator of `bench/proto` on tonic: `tonic-calculator PORT` by gRPC alone, `tonic-calculator PORT json` with its JSON API
//! in front. One thread serves, since the benchmark is about one core.

use std::env;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use calculator_server::{Calculator, CalculatorServer};
use narthex_transcode::{Options, Pool, RouteTable, TranscodeLayer};
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

tonic::include_proto!("arithmetic.v1");

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/calculator.binpb"));

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = env::args().skip(1);
    let port = arguments.next().ok_or("the port is missing")?.parse::<u16>()?;
    let incoming = TcpIncoming::from(TcpListener::bind(("127.0.0.1", port)).await?).with_nodelay(Some(true));
    let calculator = CalculatorServer::new(Sums);
    if arguments.next().as_deref() == Some("json") {
        let pool = Pool::from_file_descriptor_set(DESCRIPTORS)?;
        let routes = Arc::new(RouteTable::build(&pool, &["arithmetic.v1.Calculator".into()])?);
        let json = TranscodeLayer::new(routes, Options::default()).with_bodies(tonic::body::Body::new);
        let server = Server::builder().accept_http1(true).layer(json).add_service(calculator);
        server.serve_with_incoming(incoming).await?;
    } else {
        Server::builder().add_service(calculator).serve_with_incoming(incoming).await?;
    }
    Ok(())
}

struct Sums;

/// Of which a row of a table has 22.
const ROW: &str = "All work and no play makes Jack a dull boy. ";

const fn sum(request: AddRequest) -> AddResponse {
    AddResponse { sum: request.a.wrapping_add(request.b) }
}

#[tonic::async_trait]
impl Calculator for Sums {
    async fn add(&self, request: Request<AddRequest>) -> Result<Response<AddResponse>, Status> {
        Ok(Response::new(sum(request.into_inner())))
    }

    type RepeatStream = Pin<Box<dyn Stream<Item = Result<AddResponse, Status>> + Send>>;

    async fn repeat(&self, request: Request<RepeatRequest>) -> Result<Response<Self::RepeatStream>, Status> {
        let RepeatRequest { add, times } = request.into_inner();
        let answer = sum(add.unwrap_or_default());
        Ok(Response::new(Box::pin(tokio_stream::iter((0..times).map(move |_| Ok(answer))))))
    }

    type AddEachStream = Pin<Box<dyn Stream<Item = Result<AddResponse, Status>> + Send>>;

    async fn add_each(
        &self,
        requests: Request<Streaming<AddRequest>>,
    ) -> Result<Response<Self::AddEachStream>, Status> {
        Ok(Response::new(Box::pin(requests.into_inner().map(|request| request.map(sum)))))
    }

    type TabulateStream = Pin<Box<dyn Stream<Item = Result<Row, Status>> + Send>>;

    async fn tabulate(
        &self,
        request: Request<TabulateRequest>,
    ) -> Result<Response<Self::TabulateStream>, Status> {
        let row = |number: i32| Row { number: number.into(), text: ROW.repeat(22) };
        let rows = (1..=request.into_inner().rows).map(move |number| Ok(row(number)));
        Ok(Response::new(Box::pin(tokio_stream::iter(rows))))
    }

    async fn mirror(&self, request: Request<Chunk>) -> Result<Response<Chunk>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}
