//! Panics end what panicked and nothing else: the thread that drives has others to look after.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls foreign code; a panic in it is logged as a bug, in which `what` says what had to be given up.
pub(crate) fn contain(what: &'static str, call: impl FnOnce()) {
    // Whatever state the panic left behind is dropped with what panicked.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        let message = panic
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("(the panic carried no text)");
        tracing::error!(panic = message, "bug: {what}");
    }
}
