//! `narthex.upstream.Upstreams` as the directory of what is elsewhere.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use narthex_reactor::Reactor;
use narthex_upstream::{Address, AddressError, Directory, Options, Trust, TrustError, Upstream};
use narthex_wire::Selector;
use pyo3::prelude::*;

use crate::config::{Problem, seconds};
use crate::exposure::OURS;
use crate::tls::IdentityFiles;

/// `narthex.upstream.Upstreams`; Python has checked the words.
#[derive(Debug, FromPyObject)]
pub(crate) struct Upstreams {
    /// Pairs of a service (nothing: all that are not hosted here) and an address.
    targets: Vec<(String, String)>,
    tls_ca: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    keep_authority: bool,
    pub(crate) reflection: bool,
    connect_timeout: f64,
    ping_interval: Option<f64>,
}

impl Upstreams {
    /// Whether nothing is elsewhere.
    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Whether services that nobody has named are elsewhere.
    pub(crate) fn has_default(&self) -> bool {
        self.targets.iter().any(|(service, _)| service.is_empty())
    }

    /// Where which services are, and the upstreams, each once; `hosted` services are here.
    pub(crate) fn directory(
        &self,
        reactor: &Reactor,
        hosted: &[String],
        problems: &mut Vec<Problem>,
    ) -> (Directory, Vec<Upstream>) {
        let mut directory = Directory::default();
        let mut made: Vec<Upstream> = Vec::new();
        let mut taken: HashSet<&str> = HashSet::new();
        let addresses = self.addresses(problems);
        let trust = self.trust(addresses.iter().any(|(_, address)| address.is_secure()), problems);
        let trust = match self.identity().read(problems) {
            Some(identity) => trust.showing(identity),
            None => trust,
        };
        for (service, address) in addresses {
            let place = place(service, &address.to_string());
            if let Some(problem) = misplaced(service, &place, hosted, &taken) {
                problems.push(problem);
                continue;
            }
            taken.insert(service);
            let known = made.iter().find(|upstream| *upstream.address() == address).cloned();
            let upstream = known.unwrap_or_else(|| {
                let upstream = Upstream::new(reactor, address, trust.clone(), self.options());
                made.push(upstream.clone());
                upstream
            });
            if service.is_empty() {
                // What Narthex itself answers is nobody else's, also where it is switched off: an upstream's reflection would list
                // what is hidden here, and believe whom we let in for HTTP that comes inside gRPC.
                directory.default_to(upstream, hosted.iter().map(String::as_str).chain(OURS));
            } else {
                directory.name(service, upstream);
            }
        }
        (directory, made)
    }

    fn addresses(&self, problems: &mut Vec<Problem>) -> Vec<(&str, Address)> {
        let mut addresses = Vec::new();
        for (service, text) in &self.targets {
            match text.parse::<Address>() {
                Ok(address) => addresses.push((service.as_str(), address)),
                Err(error) => {
                    let hint = match error {
                        AddressError::More => "leave out what follows the port",
                        _ => "give http://HOST:PORT, https://HOST:PORT or unix:PATH",
                    };
                    problems.push((place(service, text), error.to_string(), hint.to_owned()));
                }
            }
        }
        addresses
    }

    fn options(&self) -> Options {
        Options {
            connect_timeout: seconds(self.connect_timeout),
            ping_interval: self.ping_interval.map(seconds),
            keep_authority: self.keep_authority,
            ..Options::default()
        }
    }

    /// What upstreams are shown that ask for a certificate.
    fn identity(&self) -> IdentityFiles<'_> {
        IdentityFiles {
            options: ["--upstream-tls-cert", "--upstream-tls-key"],
            cert: self.tls_cert.as_deref(),
            key: self.tls_key.as_deref(),
        }
    }

    /// Whose certificates are believed, where anybody shows one.
    fn trust(&self, is_secure: bool, problems: &mut Vec<Problem>) -> Trust {
        let (place, trust) = match &self.tls_ca {
            Some(path) => {
                let place = format!("--upstream-tls-ca {}", path.display());
                match fs::read(path) {
                    Ok(pem) => (place, Trust::from_pem(&pem).map_err(|error| trust_problem(&error))),
                    Err(error) => {
                        let hint = "give the path of a PEM file that this user may read";
                        (place, Err((format!("cannot be read: {error}"), hint)))
                    }
                }
            }
            None if is_secure => {
                ("--upstream https://".to_owned(), Trust::system().map_err(|error| trust_problem(&error)))
            }
            None => return Trust::default(),
        };
        trust.unwrap_or_else(|(what, hint)| {
            problems.push((place, what, hint.to_owned()));
            Trust::default()
        })
    }
}

fn trust_problem(error: &TrustError) -> (String, &'static str) {
    let hint = match error {
        TrustError::System(_) => {
            "install them (ca-certificates), or name the upstream's authority by --upstream-tls-ca FILE"
        }
        _ => "give a PEM file with the certificates of the authorities that sign the upstreams'",
    };
    (error.to_string(), hint)
}

fn place(service: &str, address: &str) -> String {
    if service.is_empty() {
        format!("--upstream {address}")
    } else {
        format!("--upstream {service}={address}")
    }
}

/// What is wrong with this service being there, if anything is.
fn misplaced(service: &str, place: &str, hosted: &[String], taken: &HashSet<&str>) -> Option<Problem> {
    let (what, hint) = if taken.contains(service) {
        ("is the second upstream for the same", "A service is at one address: put a balancer there.")
    } else if hosted.iter().any(|name| name == service) {
        ("names a service that is registered here", "Register it, or say where it is, and not both.")
    } else if !service.is_empty() && !matches!(Selector::parse(service), Some(Selector::Service(_))) {
        ("does not begin with the name of a service", "Write pkg.Service=http://HOST:PORT.")
    } else {
        return None;
    };
    Some((place.to_owned(), what.to_owned(), hint.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(targets: &[(&str, &str)]) -> (Directory, usize, Vec<String>) {
        let upstreams = Upstreams {
            targets: targets
                .iter()
                .map(|(service, url)| ((*service).to_owned(), (*url).to_owned()))
                .collect(),
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            keep_authority: false,
            reflection: true,
            connect_timeout: 1.0,
            ping_interval: None,
        };
        let mut problems = Vec::new();
        let reactor = Reactor::new().unwrap();
        let (directory, made) = upstreams.directory(&reactor, &["own.v1.Own".to_owned()], &mut problems);
        (
            directory,
            made.len(),
            problems.into_iter().map(|(place, what, _)| format!("{place} {what}")).collect(),
        )
    }

    #[test]
    fn services_of_one_address_share_an_upstream() {
        let (directory, made, problems) =
            read(&[("a.A", "http://one"), ("b.B", "http://one"), ("", "unix:/run/rest.sock")]);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(made, 2);
        let at = |path| directory.find(path).map(|upstream| upstream.address().to_string());
        assert_eq!(at("/a.A/M"), at("/b.B/M"));
        assert_eq!(at("/c.C/M").as_deref(), Some("unix:/run/rest.sock"));
        assert_eq!(at("/own.v1.Own/M"), None);
    }

    #[test]
    fn what_narthex_answers_itself_is_never_the_rest() {
        let (directory, _, problems) = read(&[("", "http://rest")]);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(directory.find("/c.C/M").is_some());
        for path in [
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            "/grpc.health.v1.Health/Check",
            "/narthex.asgi.v1.AsgiService/Handler",
        ] {
            assert!(directory.find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn every_mistake_is_a_problem() {
        let (_, _, problems) = read(&[
            ("", "shop:80"),
            ("", "http://one"),
            ("", "http://two"),
            ("own.v1.Own", "http://one"),
            ("not a name", "http://one"),
            ("a.A", "http://one/path"),
        ]);
        assert_eq!(
            problems,
            [
                "--upstream shop:80 is not the address of a server",
                "--upstream a.A=http://one/path is more than the address of a server: gRPC has no paths below which it \
                 could be mounted, and no user names",
                "--upstream http://two is the second upstream for the same",
                "--upstream own.v1.Own=http://one names a service that is registered here",
                "--upstream not a name=http://one does not begin with the name of a service",
            ]
        );
    }
}
