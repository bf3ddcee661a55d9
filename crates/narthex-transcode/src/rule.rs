//! An `HttpRule` of a method to its checked bindings.

use http::Method as HttpMethod;
use narthex_protojson::{Field, HttpRule, Kind, Message, Method};

use crate::bind::plain_message;
use crate::error::SchemaProblem;
use crate::field_path;
use crate::template::{Dialect, Segment, Template};

/// One HTTP method with a template, checked against the method it is bound to.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) place: String,
    /// `*` for all.
    pub(crate) http_method: String,
    pub(crate) template: Template,
    pub(crate) captures: Vec<Capture>,
    pub(crate) body: RequestBody,
    pub(crate) response: ResponseBody,
}

/// A variable of a template with the field it sets.
#[derive(Debug, Clone)]
pub struct Capture {
    /// As the template spells it.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) start: Edge,
    pub(crate) end: Edge,
    /// It may span several segments: some escapes stay as they are.
    pub(crate) multi: bool,
}

impl Capture {
    /// The fields that lead to what it sets, which is the last one.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }
}

/// A place between the segments of a path. What comes after a `**` is known only from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// After so many segments.
    Start(usize),
    /// Before so many segments.
    End(usize),
}

/// What the HTTP body is to the request message.
#[derive(Debug, Clone)]
pub enum RequestBody {
    /// There is none; one that comes is not read.
    None,
    /// The message as JSON.
    Whole(Message),
    /// One field as JSON.
    Field(BodyField),
    /// The message is a google.api.HttpBody: the bytes as they are.
    Raw,
    /// The field is a google.api.HttpBody.
    RawField(BodyField),
}

impl RequestBody {
    /// The message whose fields a form sets, if a body of that kind is taken.
    pub fn form(&self) -> Option<Message> {
        match self {
            Self::None | Self::Raw | Self::RawField(_) => None,
            Self::Whole(message) => message.well_known().is_none().then(|| message.clone()),
            Self::Field(BodyField { field, .. }) => plain_message(field),
        }
    }
}

/// The field that a body is.
#[derive(Debug, Clone)]
pub struct BodyField {
    /// The messages that lead to it; none, but where rules are read as Envoy reads them.
    pub parents: Vec<Field>,
    /// The field itself.
    pub field: Field,
}

/// What of the response message the HTTP body is.
#[derive(Debug, Clone)]
pub enum ResponseBody {
    /// The message as JSON.
    Whole(Message),
    /// One field as JSON.
    Field(Field),
    /// The message is a google.api.HttpBody: its bytes as they are.
    Raw,
    /// The field is a google.api.HttpBody.
    RawField(Field),
}

impl ResponseBody {
    /// Whether it is the data of an HttpBody instead of JSON.
    pub(crate) const fn is_raw(&self) -> bool {
        matches!(self, Self::Raw | Self::RawField(_))
    }
}

/// All bindings of a rule; what is wrong goes into `problems`.
pub(crate) fn bindings(
    method: &Method,
    rule: &HttpRule,
    dialect: Dialect,
    problems: &mut Vec<SchemaProblem>,
) -> Vec<Binding> {
    let mut all = Vec::with_capacity(1 + rule.additional_bindings.len());
    let rules = std::iter::once(rule).chain(&rule.additional_bindings);
    for (index, rule) in rules.enumerate() {
        let place = if index == 0 {
            method.full_name().to_owned()
        } else {
            format!("{}, binding {}", method.full_name(), index + 1)
        };
        if index > 0 && !rule.additional_bindings.is_empty() {
            problems.push(problem(
                &place,
                "an additional binding has additional_bindings of its own",
                "list them all in the method's first rule",
            ));
        }
        all.extend(binding(method, rule, dialect, place, problems));
    }
    all
}

fn binding(
    method: &Method,
    rule: &HttpRule,
    dialect: Dialect,
    place: String,
    problems: &mut Vec<SchemaProblem>,
) -> Option<Binding> {
    let before = problems.len();
    let Some(pattern) = &rule.pattern else {
        problems.push(problem(
            &place,
            "the rule has no HTTP method and path",
            "give it get, post, put, patch, delete or custom",
        ));
        return None;
    };
    let http_method = pattern.method().to_owned();
    if http_method != "*" && HttpMethod::from_bytes(http_method.as_bytes()).is_err() {
        let message = format!("{http_method:?} is no HTTP method");
        problems.push(problem(&place, &message, "custom.kind is a method such as HEAD, or * for all"));
    }
    let input = method.input();
    let template = Template::parse(pattern.template(), dialect);
    let captures = match &template {
        Ok(template) => captures(template, &input, &place, problems),
        Err(error) => {
            let message = format!("the template {:?} does not parse: {error}", pattern.template());
            problems.push(problem(
                &place,
                &message,
                "google/api/http.proto has the syntax, for example /v1/{name=books/*}",
            ));
            Vec::new()
        }
    };
    let body = request_body(&input, &rule.body, dialect, &place, problems);
    let response = response_body(&method.output(), &rule.response_body, &place, problems);
    let (Ok(template), Some(body), Some(response)) = (template, body, response) else { return None };
    (problems.len() == before).then_some(Binding { place, http_method, template, captures, body, response })
}

fn captures(
    template: &Template,
    input: &Message,
    place: &str,
    problems: &mut Vec<SchemaProblem>,
) -> Vec<Capture> {
    let mut captures = Vec::with_capacity(template.variables.len());
    for variable in &template.variables {
        let name = variable.field_path.join(".");
        let fields = match field_path::resolve(input, variable.field_path.iter().map(String::as_str)) {
            Ok(fields) => fields,
            Err(error) => {
                let message = format!("the path variable {{{name}}} names no field: {error}");
                problems.push(problem(
                    place,
                    &message,
                    "a variable is the name of a field of the request message",
                ));
                continue;
            }
        };
        if let Some(last) = fields.last() {
            if last.is_list() || last.is_map() {
                let message = format!("the path variable {{{name}}} is repeated");
                problems.push(problem(place, &message, "bind a field that holds one value"));
            } else if !last.has_text_form() {
                let message = format!("the path variable {{{name}}} is a message");
                problems.push(problem(place, &message, "bind one of its fields, as in {book.id}"));
            }
        }
        captures.push(Capture {
            name,
            fields,
            start: edge(template, variable.start),
            end: edge(template, variable.end),
            multi: template.is_multi(variable),
        });
    }
    captures
}

fn edge(template: &Template, at: usize) -> Edge {
    let rest = template.segments.iter().position(|segment| *segment == Segment::Rest);
    if rest.is_some_and(|rest| rest < at) { Edge::End(template.segments.len() - at) } else { Edge::Start(at) }
}

fn request_body(
    input: &Message,
    body: &str,
    dialect: Dialect,
    place: &str,
    problems: &mut Vec<SchemaProblem>,
) -> Option<RequestBody> {
    match body {
        "" => Some(RequestBody::None),
        "*" if input.is_http_body() => Some(RequestBody::Raw),
        "*" => Some(RequestBody::Whole(input.clone())),
        name => {
            let body = match dialect {
                Dialect::Envoy => dotted(input, name),
                Dialect::Specification => None,
            };
            let body = match body {
                Some(body) => body,
                None => {
                    BodyField { parents: Vec::new(), field: top_level(input, name, "body", place, problems)? }
                }
            };
            let is_raw = is_http_body(&body.field);
            Some(if is_raw { RequestBody::RawField(body) } else { RequestBody::Field(body) })
        }
    }
}

fn response_body(
    output: &Message,
    body: &str,
    place: &str,
    problems: &mut Vec<SchemaProblem>,
) -> Option<ResponseBody> {
    match body {
        "" if output.is_http_body() => Some(ResponseBody::Raw),
        "" => Some(ResponseBody::Whole(output.clone())),
        name => {
            let field = top_level(output, name, "response_body", place, problems)?;
            Some(if is_http_body(&field) {
                ResponseBody::RawField(field)
            } else {
                ResponseBody::Field(field)
            })
        }
    }
}

/// A body by the path to its field, through singular messages.
fn dotted(input: &Message, path: &str) -> Option<BodyField> {
    let mut parents = field_path::resolve(input, path.split('.')).ok()?;
    let field = parents.pop()?;
    Some(BodyField { parents, field })
}

fn is_http_body(field: &Field) -> bool {
    let singular = !field.is_list() && !field.is_map();
    singular && matches!(field.kind(), Kind::Message(message) if message.is_http_body())
}

/// http.proto: the field a body names "must be present at the top-level" of the message.
fn top_level(
    message: &Message,
    name: &str,
    what: &str,
    place: &str,
    problems: &mut Vec<SchemaProblem>,
) -> Option<Field> {
    let field = message.field(name);
    if field.is_none() {
        let text = format!("{what} {name:?} names no field of {}", message.full_name());
        let hint = if name.contains('.') {
            "it has to be one field at the top level of the message"
        } else {
            "name a field at the top level of the message, or for body write \"*\""
        };
        problems.push(problem(place, &text, hint));
    }
    field
}

pub(crate) fn problem(place: &str, message: &str, hint: &str) -> SchemaProblem {
    SchemaProblem { place: place.to_owned(), message: message.to_owned(), hint: hint.to_owned() }
}
