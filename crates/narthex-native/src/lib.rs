//! The extension module `narthex._native`: configuration in, the stack assembled, a server out.
//!
//! No logic of its own: `stack.rs` is the page to read first, since it says which layers a request passes, in which order.

#[expect(unsafe_code, reason = "allocators are unsafe by nature")]
mod allocator;
mod blueprint;
mod config;
mod current;
mod described;
mod discovery;
mod elsewhere;
mod exposure;
mod logging;
mod openapi;
mod schema;
mod server;
mod shutdown;
mod signals;
mod sockets;
mod stack;
mod tls;
mod transcoding;
mod upstreams;

use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

/// The whole boundary between Python and Rust; python/narthex/_native.pyi is its other description.
///
/// `gil_used`: a free-threaded interpreter takes the GIL back when it imports this. Lanes, pump and servicers' state were never
/// proven without it.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("ClientDisconnected", module.py().get_type::<narthex_asgi::ClientDisconnected>())?;
    module.add("BindError", module.py().get_type::<sockets::BindError>())?;
    module.add_class::<server::Server>()?;
    module.add_class::<sockets::Sockets>()?;
    module.add_class::<tls::Tls>()?;
    module.add_function(wrap_pyfunction!(allocator::keep_freed_memory, module)?)?;
    module.add_function(wrap_pyfunction!(logging::init_logging, module)?)?;
    module.add_function(wrap_pyfunction!(stack::builtin_descriptors, module)?)?;
    module.add_function(wrap_pyfunction!(schema::routes, module)?)?;
    module.add_function(wrap_pyfunction!(openapi::openapi, module)?)?;
    module.add_function(wrap_pyfunction!(elsewhere::elsewhere, module)?)?;
    Ok(())
}
