//! Which methods are public on a protocol.
//!
//! It is *not* who may call them: what is not exposed does not exist there, for anybody.

use std::fmt;
use std::sync::Arc;

/// The methods that one protocol shows: all, or those that a list of selectors names. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposed(Option<Arc<[Selector]>>);

/// One method, all of a service, or all services of a package and of those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// `*`.
    All,
    /// `shop.v1.*`, kept as `/shop.v1.`.
    Package(Box<str>),
    /// `shop.v1.ShopService`, kept as `/shop.v1.ShopService/`.
    Service(Box<str>),
    /// `shop.v1.ShopService/GetBook`, kept as `/shop.v1.ShopService/GetBook`.
    Method(Box<str>),
}

impl Exposed {
    /// Whether the method at this path (`/pkg.Service/Method`) is public here.
    pub fn allows(&self, path: &str) -> bool {
        self.0.as_ref().is_none_or(|selectors| selectors.iter().any(|selector| selector.matches(path)))
    }

    /// Whether nothing is hidden.
    pub fn is_all(&self) -> bool {
        self.0.as_ref().is_none_or(|selectors| selectors.contains(&Selector::All))
    }
}

/// Only what one of them names.
impl FromIterator<Selector> for Exposed {
    fn from_iter<I: IntoIterator<Item = Selector>>(selectors: I) -> Self {
        Self(Some(selectors.into_iter().collect()))
    }
}

impl Selector {
    /// Reads a selector; `None` if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |name: &str| {
            let starts_well = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let is_word = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            name.split('.').all(|part| starts_well(part) && is_word(part))
        };
        if text == "*" {
            return Some(Self::All);
        }
        if let Some(package) = text.strip_suffix(".*") {
            return is_name(package).then(|| Self::Package(format!("/{package}.").into()));
        }
        match text.split_once('/') {
            None => is_name(text).then(|| Self::Service(format!("/{text}/").into())),
            Some((service, method)) => (is_name(service) && is_name(method) && !method.contains('.'))
                .then(|| Self::Method(format!("/{text}").into())),
        }
    }

    /// Whether it names the method at this path.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Package(start) | Self::Service(start) => path.starts_with(&**start),
            Self::Method(whole) => path == &**whole,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Package(start) => write!(f, "{}*", start.trim_start_matches('/')),
            Self::Service(path) | Self::Method(path) => f.write_str(path.trim_matches('/')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_methods() {
        for (selector, path, expect) in [
            ("*", "/shop.v1.Shop/Get", true),
            ("shop.v1.*", "/shop.v1.Shop/Get", true),
            ("shop.*", "/shop.v1.Shop/Get", true),
            ("shop.*", "/shops.v1.Shop/Get", false),
            ("shop.v1.Shop", "/shop.v1.Shop/Get", true),
            ("shop.v1.Shop", "/shop.v1.Shopping/Get", false),
            ("shop.v1.Shop/Get", "/shop.v1.Shop/Get", true),
            ("shop.v1.Shop/Get", "/shop.v1.Shop/GetAll", false),
            ("Shop", "/Shop/Get", true),
        ] {
            let parsed = Selector::parse(selector).unwrap();
            assert_eq!(parsed.matches(path), expect, "{selector} {path}");
            assert_eq!(parsed.to_string(), selector);
            assert_eq!(Exposed::from_iter([parsed]).allows(path), expect);
        }
    }

    #[test]
    fn what_is_no_selector() {
        for text in [
            "",
            ".",
            "*.Shop",
            "shop.v1.",
            "/shop.v1.Shop/Get",
            "shop.v1.Shop/",
            "a/b/c",
            "a/b.c",
            "1a",
            "a b",
            "shop.**",
        ] {
            assert_eq!(Selector::parse(text), None, "{text}");
        }
    }

    #[test]
    fn all_unless_told_otherwise() {
        assert!(Exposed::default().allows("/any/thing") && Exposed::default().is_all());
        let nothing = Exposed::from_iter([]);
        assert!(!nothing.allows("/any/thing") && !nothing.is_all());
        assert!(Exposed::from_iter([Selector::All]).is_all());
    }
}
