//! `cargo run`, and then:
//!
//! ```console
//! $ curl localhost:50051/v1/shelves/7/books -H content-type:application/json -d '{"title": "Dune", "pageCount": 412}'
//! $ curl localhost:50051/v1/shelves/7/books/dune
//! $ curl localhost:50051/v1/shelves/7/books?limit=3 -H accept:text/event-stream
//! ```

use std::error::Error;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind(("127.0.0.1", 50051)).await?;
    println!("gRPC and JSON on http://{}", listener.local_addr()?);
    tonic_json::serve(listener).await
}
