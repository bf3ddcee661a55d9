//! What Connect has to know of methods: unary calls are written otherwise than streams.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// What calls of a method look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One message each way.
    Unary {
        /// It has no side effects, so it may be a GET.
        safe: bool,
    },
    /// Any number of messages at least one way.
    Stream,
}

/// The methods that are public to Connect, by path (`/pkg.Service/Method`). Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Methods(Arc<FxHashMap<Box<str>, Shape>>);

impl Methods {
    pub(crate) fn shape(&self, path: &str) -> Option<Shape> {
        self.0.get(path).copied()
    }
}

impl<T: Into<Box<str>>> FromIterator<(T, Shape)> for Methods {
    fn from_iter<I: IntoIterator<Item = (T, Shape)>>(methods: I) -> Self {
        Self(Arc::new(methods.into_iter().map(|(path, shape)| (path.into(), shape)).collect()))
    }
}
