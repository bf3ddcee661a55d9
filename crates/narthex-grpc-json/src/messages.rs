//! Which messages a method takes and gives.

use std::fmt;
use std::sync::Arc;

use narthex_protojson::{Message, Method};
use rustc_hash::FxHashMap;

/// The request and response messages of each method that has a descriptor, by path. Cheap to clone.
#[derive(Clone, Default)]
pub struct Messages(Arc<FxHashMap<String, Types>>);

#[derive(Clone)]
pub(crate) struct Types {
    pub(crate) request: Message,
    pub(crate) response: Message,
}

impl Messages {
    pub(crate) fn of(&self, path: &str) -> Option<&Types> {
        self.0.get(path)
    }
}

impl FromIterator<Method> for Messages {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        let types = |method: &Method| Types { request: method.input(), response: method.output() };
        Self(Arc::new(methods.into_iter().map(|method| (method.path(), types(&method))).collect()))
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messages({} methods)", self.0.len())
    }
}
