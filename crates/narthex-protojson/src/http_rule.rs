//! google.api.http as plain Rust, read straight from the bytes of the descriptor set.
//!
//! The extension (72295728 on `MethodOptions`) is decoded here with types of our own instead of through the pool:
//! a set need not contain google/api/annotations.proto, and may contain it under another file name.

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HttpRule {
    /// The HTTP method and the path template.
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pub pattern: Option<Pattern>,
    /// The request field that is the HTTP body, `*` for the whole message, empty for none.
    #[prost(string, tag = "7")]
    pub body: String,
    /// The response field that is the HTTP body, empty for the whole message.
    #[prost(string, tag = "12")]
    pub response_body: String,
    /// More bindings of the same method; these have none themselves.
    #[prost(message, repeated, tag = "11")]
    pub additional_bindings: Vec<HttpRule>,
}

/// The HTTP method of a rule with its path template.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Pattern {
    /// GET.
    #[prost(string, tag = "2")]
    Get(String),
    /// PUT.
    #[prost(string, tag = "3")]
    Put(String),
    /// POST.
    #[prost(string, tag = "4")]
    Post(String),
    /// DELETE.
    #[prost(string, tag = "5")]
    Delete(String),
    /// PATCH.
    #[prost(string, tag = "6")]
    Patch(String),
    /// Any other method, or `*` for all.
    #[prost(message, tag = "8")]
    Custom(Custom),
}

/// `google.api.CustomHttpPattern`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Custom {
    /// The HTTP method, or `*`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// The path template.
    #[prost(string, tag = "2")]
    pub path: String,
}

impl Pattern {
    /// The HTTP method, `*` for all of them.
    pub fn method(&self) -> &str {
        match self {
            Self::Get(_) => "GET",
            Self::Put(_) => "PUT",
            Self::Post(_) => "POST",
            Self::Delete(_) => "DELETE",
            Self::Patch(_) => "PATCH",
            Self::Custom(custom) => &custom.kind,
        }
    }

    /// The path template.
    pub fn template(&self) -> &str {
        match self {
            Self::Get(path) | Self::Put(path) | Self::Post(path) | Self::Delete(path) | Self::Patch(path) => {
                path
            }
            Self::Custom(custom) => &custom.path,
        }
    }
}

/// What of `google.protobuf.MethodOptions` is of interest.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MethodOptions {
    #[prost(message, optional, tag = "72295728")]
    pub(crate) http: Option<HttpRule>,
}
