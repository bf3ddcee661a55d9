//! One call, from its request to the head of its answer.
//!
//! Whatever is dropped on the way resets the stream: that is how an upstream hears that its caller has left, or that the
//! call's deadline has passed.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use http::{Request, Response, request};
use narthex_wire::{Body, Origin, Status};

use crate::answer;
use crate::connection::Slot;
use crate::failure;
use crate::head;
use crate::pool::Pool;
use crate::upload::Upload;

/// How often a call is sent that the upstream has not looked at: a connection that ends and one that has just begun may both
/// refuse it.
const ATTEMPTS: usize = 3;

/// Forwards a call and gives its answer.
pub(crate) async fn call(pool: Arc<Pool>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    send(&pool, &head, Upload::of(body)).await.unwrap_or_else(Status::into_response)
}

async fn send(pool: &Arc<Pool>, head: &request::Parts, mut upload: Upload) -> Result<Response<Body>, Status> {
    if let (Upload::Stream(_), Some(origin)) = (&upload, head.extensions.get::<Origin>()) {
        // Only the upstream knows whether its client should have sent something by now.
        origin.upload.let_pause();
    }
    let reactor = &pool.dialer().reactor;
    let mut attempts = 0;
    loop {
        let (slot, mut response, sender) = open(pool, head, upload.is_empty()).await?;
        let mut uploading = upload.start(sender, reactor);
        let answered = poll_fn(|cx| match uploading.poll_failed(cx) {
            Poll::Ready(status) => Poll::Ready(Err(status)),
            Poll::Pending => Pin::new(&mut response).poll(cx).map(Ok),
        });
        attempts += 1;
        match answered.await? {
            Ok(response) => {
                if slot.prove() {
                    pool.prove();
                }
                return Ok(answer::forward(response, uploading, slot, pool));
            }
            Err(error) if upload.is_there() && attempts < ATTEMPTS && failure::is_unprocessed(&error) => {}
            Err(error) => return Err(failure::status(pool.address(), &error)),
        }
    }
}

/// A stream on a connection that takes one.
async fn open(
    pool: &Arc<Pool>,
    head: &request::Parts,
    is_whole: bool,
) -> Result<(Slot, ResponseFuture, SendStream<Bytes>), Status> {
    loop {
        let slot = pool.slot().await?;
        let head = head::outgoing(head, pool.address(), pool.dialer().options.keep_authority)?;
        match slot.open(head, is_whole) {
            // The pool knows now that this connection has ended, and gives another.
            None => {}
            Some(Ok((response, sender))) => return Ok((slot, response, sender)),
            Some(Err(error)) => return Err(failure::status(pool.address(), &error)),
        }
    }
}
