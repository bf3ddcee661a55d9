//! The Tower layer, and which services are elsewhere.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tower_layer::Layer;

use crate::service::{Upstream, Upstreams};

/// Which upstream has which service.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    named: HashMap<Box<str>, Upstream>,
    others: Option<Others>,
}

/// Where everything goes that is not named.
#[derive(Clone, Debug)]
struct Others {
    upstream: Upstream,
    hosted: HashSet<Box<str>>,
}

impl Directory {
    /// Calls to `service` (`shop.v1.ShopService`) go to `upstream`.
    pub fn name(&mut self, service: &str, upstream: Upstream) {
        self.named.insert(service.into(), upstream);
    }

    /// Calls to all services that have no name here go to `upstream`, but for those that are `hosted` in this process.
    pub fn default_to<'a>(&mut self, upstream: Upstream, hosted: impl IntoIterator<Item = &'a str>) {
        self.others = Some(Others { upstream, hosted: hosted.into_iter().map(Box::from).collect() });
    }

    /// The services that have a name here, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(|name| &**name)
    }

    /// Whether nothing is elsewhere.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others.is_none()
    }

    /// Whether there is an upstream for what has no name.
    pub fn has_default(&self) -> bool {
        self.others.is_some()
    }

    /// Somebody asks for what nobody has heard of: any of the upstreams may have it by now.
    pub fn doubt(&self) {
        let others = self.others.iter().map(|others| &others.upstream);
        others.chain(self.named.values()).for_each(Upstream::doubt);
    }

    /// Where the method at this path (`/pkg.Service/Method`) is; `None` if it is here, or nowhere.
    pub fn find(&self, path: &str) -> Option<&Upstream> {
        let (service, _) = path.strip_prefix('/')?.split_once('/')?;
        self.named.get(service).or_else(|| {
            let others = self.others.as_ref()?;
            (!others.hosted.contains(service)).then_some(&others.upstream)
        })
    }
}

/// Sends calls to services that are elsewhere to their upstream, and all others to the service behind.
#[derive(Clone, Debug)]
pub struct UpstreamsLayer {
    directory: Arc<Directory>,
}

impl UpstreamsLayer {
    /// A layer of this directory.
    pub fn new(directory: Arc<Directory>) -> Self {
        Self { directory }
    }
}

impl<S> Layer<S> for UpstreamsLayer {
    type Service = Upstreams<S>;

    fn layer(&self, inner: S) -> Upstreams<S> {
        Upstreams { inner, directory: Arc::clone(&self.directory) }
    }
}

#[cfg(test)]
mod tests {
    use narthex_reactor::Reactor;

    use super::*;
    use crate::options::Options;
    use crate::trust::Trust;

    #[test]
    fn a_call_finds_its_upstream() {
        let reactor = Reactor::new().unwrap();
        let at = |address: &str| {
            Upstream::new(&reactor, address.parse().unwrap(), Trust::default(), Options::default())
        };
        let mut directory = Directory::default();
        let check = |directory: &Directory, path: &str, expect: Option<&str>| {
            let found = directory.find(path).map(|upstream| upstream.address().to_string());
            assert_eq!(found.as_deref(), expect, "{path}");
        };
        assert!(directory.is_empty());
        directory.name("shop.v1.Shop", at("http://shop"));
        check(&directory, "/shop.v1.Shop/Get", Some("http://shop"));
        check(&directory, "/shop.v1.Shopping/Get", None);
        check(&directory, "/shop.v1.Shop", None);
        directory.default_to(at("http://rest"), ["own.v1.Own"]);
        check(&directory, "/shop.v1.Shop/Get", Some("http://shop"));
        check(&directory, "/shop.v1.Shopping/Get", Some("http://rest"));
        check(&directory, "/own.v1.Own/Get", None);
        check(&directory, "*", None);
    }
}
