//! A host's addresses, asked of the system anew for each attempt to connect: a name may move.
//!
//! The system's resolver blocks, and is the only one that knows all that names are looked up in here. So it gets a thread while
//! it works, of which there is one at a time: who asks while it hangs waits for the same answer.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;

use futures_channel::oneshot::{self, Receiver};
use futures_util::FutureExt as _;
use futures_util::future::Shared;
use parking_lot::Mutex;

/// What a look-up comes to, for all who wait for it.
type Found = Result<Vec<SocketAddr>, Arc<io::Error>>;

type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Looks up one host.
pub(crate) struct Resolver {
    lookup: Lookup,
    /// The look-up that is under way. It ends here before anybody hears of it, so that its answer is never used later.
    current: Arc<Mutex<Option<Shared<Receiver<Found>>>>>,
}

impl Resolver {
    /// One that asks the system.
    pub(crate) fn new() -> Self {
        Self::with(|host, port| (host, port).to_socket_addrs().map(Vec::from_iter))
    }

    fn with(lookup: Lookup) -> Self {
        Self { lookup, current: Arc::default() }
    }

    /// The host's addresses.
    ///
    /// # Cancel safety
    ///
    /// The look-up goes on without whoever has asked for it: the system's cannot be stopped.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Found {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let current = {
            let mut current = self.current.lock();
            match &*current {
                Some(current) => current.clone(),
                None => current.insert(self.begin(host, port).map_err(Arc::new)?).clone(),
            }
        };
        current.await.unwrap_or_else(|_| Err(Arc::new(io::Error::other("the resolver gave up"))))
    }

    fn begin(&self, host: &str, port: u16) -> io::Result<Shared<Receiver<Found>>> {
        let (found, is_found) = oneshot::channel();
        let (host, lookup, current) = (host.to_owned(), self.lookup, Arc::clone(&self.current));
        thread::Builder::new().name("narthex-resolve".to_owned()).spawn(move || {
            let ended = Ended(current);
            let addresses = lookup(&host, port).map_err(Arc::new);
            drop(ended);
            // Nobody may wait any longer.
            let _ = found.send(addresses);
        })?;
        Ok(is_found.shared())
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// The look-up is over when this is dropped, also if it panics.
struct Ended(Arc<Mutex<Option<Shared<Receiver<Found>>>>>);

impl Drop for Ended {
    fn drop(&mut self) {
        let current = self.0.lock().take();
        drop(current);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use narthex_reactor::Reactor;

    use super::*;

    fn ask(resolver: Resolver) -> (Resolver, Found) {
        let reactor = Reactor::new().unwrap();
        let task = reactor.spawn(async move {
            let found = resolver.resolve("any.test", 80).await;
            (resolver, found)
        });
        reactor.driver().run_until_asked(|| task.is_finished());
        task.now_or_never().expect("it is finished")
    }

    #[test]
    fn an_address_needs_no_look_up() {
        let resolver = Resolver::with(|_, _| panic!("nothing to look up"));
        let found = resolver.resolve("::1", 80).now_or_never().expect("nothing to wait for");
        assert_eq!(found.unwrap(), ["[::1]:80".parse().unwrap()]);
    }

    #[test]
    fn who_asks_while_the_resolver_hangs_waits_for_the_same_answer() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static GO_ON: Mutex<Option<mpsc::Receiver<()>>> = Mutex::new(None);
        let (go_on, told) = mpsc::channel();
        *GO_ON.lock() = Some(told);
        let mut resolver = Resolver::with(|_, port| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            GO_ON.lock().as_ref().unwrap().recv().unwrap();
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        });
        // Attempts that are given up while it hangs.
        for _ in 0..10 {
            assert!(resolver.resolve("any.test", 80).now_or_never().is_none());
        }
        for times in 1..=2 {
            go_on.send(()).unwrap();
            let (again, found) = ask(resolver);
            assert_eq!(found.unwrap(), ["127.0.0.1:80".parse().unwrap()]);
            assert_eq!(ASKED.load(Ordering::Relaxed), times, "an answer is used once");
            resolver = again;
        }
    }

    #[test]
    fn a_resolver_that_panics_is_an_error_and_asked_again() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let resolver = Resolver::with(|_, _| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            panic!("a test's")
        });
        let (resolver, first) = ask(resolver);
        let (_, second) = ask(resolver);
        assert!(first.is_err() && second.is_err());
        assert_eq!(ASKED.load(Ordering::Relaxed), 2);
    }
}
