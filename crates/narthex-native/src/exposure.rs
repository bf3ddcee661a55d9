//! What is public on which protocol: `--expose`, checked against what is registered.
//!
//! The services that Narthex itself answers are not concerned: they have options of their own.

use narthex_wire::{Exposed, Selector};

use crate::config::Problem;

/// The methods that each protocol shows.
#[derive(Default)]
pub(crate) struct Exposure {
    pub(crate) grpc: Exposed,
    pub(crate) grpc_web: Exposed,
    pub(crate) connect: Exposed,
    pub(crate) json: Exposed,
}

/// What may be shown or hidden.
pub(crate) struct Registered<'a> {
    /// The methods that are known.
    pub(crate) paths: &'a [&'a str],
    /// The services, which may have methods that nobody can list.
    pub(crate) services: &'a [String],
    /// An upstream may have services that nobody has heard of yet.
    pub(crate) and_unknown: bool,
}

/// What Narthex answers itself, as selectors.
pub(crate) const OURS: [&str; 4] = [
    narthex_services::HEALTH,
    narthex_services::REFLECTION_V1,
    narthex_services::REFLECTION_V1ALPHA,
    narthex_http_over_grpc::SERVICE,
];

impl Exposure {
    /// Reads the selectors of each protocol, which must name something that is registered.
    pub(crate) fn read(
        given: &[(String, Vec<String>)],
        registered: &Registered<'_>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut exposure = Self::default();
        for (protocol, selectors) in given {
            let exposed = match protocol.as_str() {
                "grpc" => &mut exposure.grpc,
                "grpc-web" => &mut exposure.grpc_web,
                "connect" => &mut exposure.connect,
                "json" => &mut exposure.json,
                _ => {
                    let what = "is none of the protocols".to_owned();
                    let hint = "Choose grpc, grpc-web, connect or json.".to_owned();
                    problems.push((format!("--expose {protocol}"), what, hint));
                    continue;
                }
            };
            let mut chosen: Vec<Selector> = OURS.iter().filter_map(|name| Selector::parse(name)).collect();
            for text in selectors {
                let (what, hint) = match Selector::parse(text) {
                    Some(selector) if names_something(&selector, registered) => {
                        chosen.push(selector);
                        continue;
                    }
                    Some(_) => ("names nothing that is registered", listed(registered.services)),
                    None => (
                        "is not a selector",
                        "Write pkg.Service, pkg.Service/Method, pkg.*, or *.".to_owned(),
                    ),
                };
                problems.push((format!("--expose {protocol}={text}"), what.to_owned(), hint));
            }
            *exposed = chosen.into_iter().collect();
        }
        exposure
    }

    /// Whether any protocol shows the method at this path.
    pub(crate) fn shows(&self, path: &str) -> bool {
        [&self.grpc, &self.grpc_web, &self.connect, &self.json].iter().any(|exposed| exposed.allows(path))
    }

    /// Whether any protocol shows a method of this service, whose listed methods are among `paths`.
    pub(crate) fn shows_service(&self, service: &str, paths: &[&str]) -> bool {
        let own = format!("/{service}/");
        let mut listed = paths.iter().filter(|path| path.starts_with(&own)).peekable();
        // Of a service whose methods nobody can list, what matters is whether it is named.
        if listed.peek().is_none() { self.shows(&own) } else { listed.any(|path| self.shows(path)) }
    }
}

fn names_something(selector: &Selector, registered: &Registered<'_>) -> bool {
    let Registered { paths, services, and_unknown } = *registered;
    let is_of = |service: &String| match selector {
        Selector::Method(path) => {
            // One that its service does not list, as far as can be known.
            let own = format!("/{service}/");
            path.starts_with(&own) && !paths.iter().any(|path| path.starts_with(&own))
        }
        other => other.matches(&format!("/{service}/")),
    };
    and_unknown
        || *selector == Selector::All
        || paths.iter().any(|path| selector.matches(path))
        || services.iter().any(is_of)
}

fn listed(services: &[String]) -> String {
    if services.is_empty() {
        return "No service is registered: is --grpc missing?".to_owned();
    }
    format!("Registered are: {}.", services.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 2] = ["/shop.v1.Shop/Get", "/shop.v1.Shop/Set"];

    fn read(given: &[(&str, &[&str])]) -> (Exposure, Vec<Problem>) {
        let given: Vec<_> = given
            .iter()
            .map(|(protocol, selectors)| {
                ((*protocol).to_owned(), selectors.iter().map(|&text| text.to_owned()).collect())
            })
            .collect();
        let services = ["shop.v1.Shop".to_owned(), "dynamic.Service".to_owned()];
        let mut problems = Vec::new();
        let registered = Registered { paths: &PATHS, services: &services, and_unknown: false };
        (Exposure::read(&given, &registered, &mut problems), problems)
    }

    #[test]
    fn each_protocol_has_its_list_and_all_without_one() {
        let (exposure, problems) =
            read(&[("grpc", &["shop.v1.Shop/Get"]), ("connect", &[]), ("json", &["dynamic.Service"])]);
        assert!(problems.is_empty(), "{problems:?}");
        let shown = |path| {
            [&exposure.grpc, &exposure.grpc_web, &exposure.connect, &exposure.json]
                .map(|exposed| exposed.allows(path))
        };
        assert_eq!(shown("/shop.v1.Shop/Get"), [true, true, false, false]);
        assert_eq!(shown("/shop.v1.Shop/Set"), [false, true, false, false]);
        assert_eq!(shown("/dynamic.Service/Any"), [false, true, false, true]);
        assert_eq!(shown("/grpc.health.v1.Health/Check"), [true; 4]);
    }

    #[test]
    fn what_nobody_shows_is_not_there() {
        let only: Vec<_> = ["grpc", "grpc-web", "connect", "json"]
            .map(|protocol| (protocol, &["shop.v1.Shop/Get"][..]))
            .into();
        let (exposure, problems) = read(&only);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(exposure.shows("/shop.v1.Shop/Get") && !exposure.shows("/shop.v1.Shop/Set"));
        assert!(
            exposure.shows_service("shop.v1.Shop", &PATHS)
                && !exposure.shows_service("dynamic.Service", &PATHS)
        );
    }

    #[test]
    fn every_mistake_is_a_problem() {
        let (_, problems) = read(&[("grpc", &["shop.v1.Shop/Gett", "a b", "shop.*"]), ("smtp", &["*"])]);
        let places: Vec<&str> = problems.iter().map(|problem| problem.0.as_str()).collect();
        assert_eq!(places, ["--expose grpc=shop.v1.Shop/Gett", "--expose grpc=a b", "--expose smtp"]);
        assert!(problems[0].2.contains("shop.v1.Shop, dynamic.Service"));
    }
}
