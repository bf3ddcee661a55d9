//! The descriptor pool: built once from a descriptor set, then read only.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use prost_reflect::DescriptorPool;

use crate::builtin;
use crate::editions::{self, BeyondProto2};
use crate::error::{PoolError, PoolProblem};
use crate::files::{File, split};
use crate::handle::{Message, Service};
use crate::http_rule::HttpRule;
use crate::table::Tables;

/// All descriptors a server knows; cheap to clone.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    descriptors: DescriptorPool,
    tables: Arc<Tables>,
    files: HashMap<String, File>,
    rules: HashMap<String, Arc<HttpRule>>,
}

impl Pool {
    /// Builds a pool from the bytes of a `google.protobuf.FileDescriptorSet`.
    ///
    /// The files may be in any order. The well-known types, google.api's annotations and google.rpc's error types are
    /// always there; where the set has a file of the same name, or the same type in another file, the set's own is used.
    ///
    /// # Errors
    ///
    /// If the bytes are no descriptor set, an import is missing, or a file contradicts itself or another:
    /// all such problems, each with the file it is in.
    pub fn from_file_descriptor_set(bytes: &[u8]) -> Result<Self, PoolError> {
        let own = split(bytes)?;
        let builtin = split(builtin::BUILTIN_DESCRIPTOR_SET)?;
        let mut build = Build::new(own, builtin)?;
        build.add_own();
        if build.problems.is_empty() { Ok(build.finish()) } else { Err(PoolError::new(build.problems)) }
    }

    /// The message type of this full name (`shop.v1.Book`).
    pub fn message(&self, full_name: &str) -> Option<Message> {
        let tables = &self.inner.tables;
        tables.find(full_name).map(|id| Message::new(Arc::clone(tables), id))
    }

    /// A message type that is named by something in this pool, so it is in it.
    pub(crate) fn declared(&self, full_name: &str) -> Message {
        self.message(full_name).expect("the types a method names are in its pool")
    }

    /// The service of this full name (`shop.v1.ShopService`).
    pub fn service(&self, full_name: &str) -> Option<Service> {
        let service = self.inner.descriptors.get_service_by_name(full_name)?;
        Some(Service { service, pool: self.clone() })
    }

    /// All services, in no particular order.
    pub fn services(&self) -> impl Iterator<Item = Service> + '_ {
        self.inner.descriptors.services().map(|service| Service { service, pool: self.clone() })
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&File> {
        self.inner.files.get(name)
    }

    /// All files, in no particular order.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.inner.files.values()
    }

    /// The file that declares a message, field, oneof, enum, enum value, extension, service or method.
    pub fn file_by_symbol(&self, full_name: &str) -> Option<&File> {
        let found = self.file_of_declaration(full_name).or_else(|| {
            // Members: enum values are named beside their enum, all else inside its parent.
            let (parent, member) = full_name.rsplit_once('.')?;
            self.file_of_member(parent, member)
        })?;
        self.file(&found)
    }

    /// The file that declares the extension of `message` with this number.
    pub fn file_by_extension(&self, message: &str, number: u32) -> Option<&File> {
        let message = self.inner.descriptors.get_message_by_name(message)?;
        self.file(message.get_extension(number)?.parent_file().name())
    }

    /// The numbers of all extensions of `message`; `None` if there is no such message.
    pub fn extension_numbers(&self, message: &str) -> Option<Vec<u32>> {
        let message = self.inner.descriptors.get_message_by_name(message)?;
        Some(message.extensions().map(|extension| extension.number()).collect())
    }

    pub(crate) fn http_rule(&self, method: &str) -> Option<&Arc<HttpRule>> {
        self.inner.rules.get(method)
    }

    fn file_of_declaration(&self, name: &str) -> Option<String> {
        let pool = &self.inner.descriptors;
        let file = None
            .or_else(|| pool.get_message_by_name(name).map(|found| found.parent_file()))
            .or_else(|| pool.get_enum_by_name(name).map(|found| found.parent_file()))
            .or_else(|| pool.get_service_by_name(name).map(|found| found.parent_file()))
            .or_else(|| pool.get_extension_by_name(name).map(|found| found.parent_file()))?;
        Some(file.name().to_owned())
    }

    fn file_of_member(&self, parent: &str, member: &str) -> Option<String> {
        let pool = &self.inner.descriptors;
        if let Some(service) = pool.get_service_by_name(parent) {
            let declares = service.methods().any(|method| method.name() == member);
            return declares.then(|| service.parent_file().name().to_owned());
        }
        if let Some(message) = pool.get_message_by_name(parent)
            && (message.get_field_by_name(member).is_some()
                || message.oneofs().any(|oneof| oneof.name() == member))
        {
            return Some(message.parent_file().name().to_owned());
        }
        let beside = |scope: &str| scope.rsplit_once('.').map_or("", |(scope, _)| scope) == parent;
        pool.all_enums()
            .find(|found| beside(found.full_name()) && found.get_value_by_name(member).is_some())
            .map(|found| found.parent_file().name().to_owned())
    }
}

/// Only the number of files: prost-reflect's own form of a recursive message type never ends.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} files)", self.inner.files.len())
    }
}

/// A pool in the making: files are added after what they import, so that each problem is found in its own file.
struct Build {
    descriptors: DescriptorPool,
    beyond: BeyondProto2,
    own: HashMap<String, File>,
    builtin: HashMap<String, File>,
    state: HashMap<String, State>,
    problems: Vec<PoolProblem>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Adding,
    Added,
    Failed,
}

impl Build {
    fn new(own: Vec<File>, builtin: Vec<File>) -> Result<Self, PoolError> {
        let mut problems = Vec::new();
        let mut by_name: HashMap<String, File> = HashMap::new();
        for file in own {
            match by_name.get(file.name()) {
                Some(same) if *same != file => problems.push(problem(
                    file.name(),
                    "the descriptor set has two different files of this name; give each its own",
                )),
                Some(_) => {}
                None => drop(by_name.insert(file.name().to_owned(), file)),
            }
        }
        if !problems.is_empty() {
            return Err(PoolError::new(problems));
        }
        Ok(Self {
            descriptors: DescriptorPool::new(),
            beyond: BeyondProto2::default(),
            own: by_name,
            builtin: builtin.into_iter().map(|file| (file.name().to_owned(), file)).collect(),
            state: HashMap::new(),
            problems,
        })
    }

    fn add_own(&mut self) {
        let mut names: Vec<String> = self.own.keys().cloned().collect();
        names.sort_unstable();
        for name in names {
            self.add(&name);
        }
    }

    /// Adds a file after its imports; false if it or one of them has a problem.
    fn add(&mut self, name: &str) -> bool {
        match self.state.get(name) {
            Some(State::Added) => return true,
            Some(State::Failed) => return false,
            Some(State::Adding) => {
                self.problems.push(problem(name, "it imports itself, directly or through others"));
                return false;
            }
            None => {}
        }
        let Some(file) = self.own.get(name).or_else(|| self.builtin.get(name)).cloned() else { return false };
        self.state.insert(name.to_owned(), State::Adding);
        let (has_imports, has_rules) = (self.add_imports(&file), self.has_rules(&file));
        let added = has_imports && has_rules && self.add_alone(&file);
        self.state.insert(name.to_owned(), if added { State::Added } else { State::Failed });
        added
    }

    fn add_imports(&mut self, file: &File) -> bool {
        let mut all = true;
        for import in file.dependencies() {
            if !self.own.contains_key(import) && !self.builtin.contains_key(import) {
                let message = format!(
                    "it imports \"{import}\", which is not in the descriptor set; write the set with its imports (protoc --include_imports)"
                );
                self.problems.push(problem(file.name(), &message));
                all = false;
            } else if !self.add(import) {
                all = false;
            }
        }
        all
    }

    /// Whether all annotations can be read.
    fn has_rules(&mut self, file: &File) -> bool {
        let before = self.problems.len();
        for (method, rule) in file.rules() {
            if let Err(error) = rule {
                let message = format!("the google.api.http annotation of {method} is malformed: {error}");
                self.problems.push(problem(file.name(), &message));
            }
        }
        self.problems.len() == before
    }

    fn add_alone(&mut self, file: &File) -> bool {
        let added = editions::to_syntax(file.bytes(), &mut self.beyond).and_then(|bytes| {
            self.descriptors.decode_file_descriptor_proto(bytes).map_err(|error| error.to_string())
        });
        if let Err(message) = &added {
            self.problems.push(problem(file.name(), message));
        }
        added.is_ok()
    }

    /// Adds the built-in files nobody imported, leaving out those whose types the set declares elsewhere.
    fn finish(mut self) -> Pool {
        let mut names: Vec<String> = self.builtin.keys().cloned().collect();
        names.sort_unstable();
        for name in names {
            self.add(&name);
        }
        let added = |name: &String| self.state.get(name) == Some(&State::Added);
        let mut files = self.builtin;
        files.extend(self.own);
        files.retain(|name, _| added(name));
        let rules = files.values().flat_map(File::rules);
        let rules = rules.filter_map(|(method, rule)| Some((method.clone(), rule.clone().ok()?))).collect();
        let tables = Arc::new(Tables::new(&self.descriptors, &self.beyond));
        Pool { inner: Arc::new(Inner { descriptors: self.descriptors, tables, files, rules }) }
    }
}

fn problem(file: &str, message: &str) -> PoolProblem {
    PoolProblem { file: file.to_owned(), message: message.to_owned() }
}
