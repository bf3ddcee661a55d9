//! Rust and asyncio on one thread.
//!
//! An asyncio event loop owns the thread and watches one descriptor, the reactor's. When that is readable the loop calls
//! the [pump](Runtime), which lets Rust's tasks run until none is runnable, hands Python what has become ready for it
//! (starting coroutines, resuming waiters), lets Rust write what that produced, and returns to the loop. While Python is
//! busy for longer than a tick, the standby thread takes the reactor over, so that whatever needs no Python goes on.
//!
//! The crate knows nothing of HTTP, ASGI or gRPC: it offers a way to call Python ([`Job`], [`Runtime::call`]), a way for
//! Python to wait for Rust ([`Wait`], [`awaitable`]), and threads for synchronous Python code
//! ([`Runtime::submit`]).
//! It is not a general bridge between Rust futures and asyncio: no future of one side is ever polled by the other.

mod anext;
mod attach;
mod awaitable;
mod block;
mod bytes;
mod context;
mod error;
mod fork;
mod inbox;
mod lanes;
mod parked;
mod pump;
mod runtime;
mod standby;
mod task;
mod waiting;

pub use self::anext::anext;
pub use self::attach::attach;
pub use self::awaitable::{Recurring, Wait, Waiter, awaitable, ready_none, thrown};
pub use self::block::block_until;
pub use self::bytes::{joined, share, to_bytes, to_py};
pub use self::context::in_context;
pub use self::error::{exception_text, log_exception};
pub use self::inbox::Job;
pub use self::lanes::{LanesFull, run_in};
pub use self::runtime::{Role, Runtime, RuntimeOptions};
pub use self::task::{Outcome, TaskHandle};
pub use self::waiting::{Receivers, Waiting};
