//! Generates the files beside this one from `definitions/`: the test compares them, or writes them with
//! `INSTA_UPDATE=always`.
//!
//! To emulate an API whose file is not read yet: its line in `FILES`, and its files in `definitions/`. To change the
//! form of `google.schema`: `describe` here, and the reader in `schema.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet, MessageOptions};
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ReflectMessage, Value,
};

use crate::api;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The files whose methods and messages are emulated; what they import comes with them.
const FILES: &[&str] = &[
    "google/api/serviceusage/v1/serviceusage.proto",
    "google/cloud/resourcemanager/v3/projects.proto",
    "google/cloud/run/v2/execution.proto",
    "google/cloud/run/v2/job.proto",
    "google/cloud/run/v2/revision.proto",
    "google/cloud/run/v2/service.proto",
    "google/cloud/run/v2/task.proto",
    "google/cloud/secretmanager/v1/service.proto",
    "google/cloud/sql/v1/cloud_sql_instances.proto",
    "google/devtools/artifactregistry/v1/service.proto",
    "google/iam/credentials/v1/iamcredentials.proto",
    "google/logging/v2/logging.proto",
    "google/logging/v2/logging_config.proto",
    "google/longrunning/operations.proto",
];

const HEAD: &str = "\
# Generated from the files in ../../definitions; README.md there says how.
#
#   google.package.Message   a message
#     field: type            name in JSON, and type; `[T]` repeated, `map<T>` a map
#     field: type?           with presence: a zero that was set is shown
#     field: type out        output only: ignored in requests
#   enum google.package.E    an enum; `NAME = number` below
#
# `opaque` is any JSON value, kept as it is; `any` carries the name of its message in `@type`.
";

fn pool() -> DescriptorPool {
    let mut compiler = protox::Compiler::new([Path::new(CRATE).join("definitions")]).expect("a folder");
    compiler.open_files(FILES).expect("definitions that can be compiled");
    compiler.descriptor_pool()
}

/// All methods of the definitions, by full name.
fn defined(pool: &DescriptorPool) -> BTreeMap<String, MethodDescriptor> {
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.map(|method| (method.full_name().to_owned(), method)).collect()
}

#[test]
fn everything_generated_is_what_the_definitions_say() {
    let pool = pool();
    let mut made = BTreeMap::from([("google.schema".to_owned(), schema(&pool))]);
    made.extend(messages(&pool));
    let folder = Path::new(CRATE).join("src/protocol");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        for (name, text) in &made {
            std::fs::write(folder.join(name), text).expect("written");
        }
        return;
    }
    for (name, text) in &made {
        let there = std::fs::read_to_string(folder.join(name)).expect("a generated file");
        assert!(
            there == *text,
            "{name} is stale; write it with: INSTA_UPDATE=always cargo test --release -p cloud-emulator --lib"
        );
    }
}

/// The text of `google.schema`.
fn schema(pool: &DescriptorPool) -> String {
    let defined = defined(pool);
    let mut reachable = Reachable::default();
    for method in api::rows().filter(|row| row.is_emulated).filter_map(|row| defined.get(row.name)) {
        reachable.message(&method.input());
        reachable.message(&method.output());
    }
    let mut text = HEAD.to_owned();
    for message in reachable.messages.values() {
        let _ = writeln!(text, "\n{}", message.full_name());
        for field in message.fields() {
            let _ = writeln!(text, "  {}", describe(&field));
        }
    }
    for enumeration in reachable.enums.values() {
        let _ = writeln!(text, "\nenum {}", enumeration.full_name());
        for value in enumeration.values() {
            let _ = writeln!(text, "  {} = {}", value.name(), value.number());
        }
    }
    text
}

/// The messages and enums that others lead to.
#[derive(Default)]
struct Reachable {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
}

impl Reachable {
    fn message(&mut self, message: &MessageDescriptor) {
        if well_known(message).is_some() {
            return;
        }
        if message.is_map_entry() {
            return self.kind(&message.map_entry_value_field().kind());
        }
        if self.messages.insert(message.full_name().to_owned(), message.clone()).is_none() {
            message.fields().for_each(|field| self.kind(&field.kind()));
        }
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Message(message) => self.message(message),
            Kind::Enum(enumeration) => {
                self.enums.insert(enumeration.full_name().to_owned(), enumeration.clone());
            }
            _ => {}
        }
    }
}

/// The JSON type of a message that has a JSON form of its own.
fn well_known(message: &MessageDescriptor) -> Option<&'static str> {
    Some(match message.full_name() {
        "google.protobuf.Timestamp" => "timestamp",
        "google.protobuf.Duration" => "duration",
        "google.protobuf.Any" => "any",
        "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue" => "opaque",
        "google.protobuf.FieldMask" | "google.protobuf.StringValue" => "string",
        "google.protobuf.BoolValue" => "bool",
        "google.protobuf.Int32Value" => "int32",
        "google.protobuf.Int64Value" => "int64",
        "google.protobuf.DoubleValue" => "double",
        _ => return None,
    })
}

fn describe(field: &FieldDescriptor) -> String {
    let one = |kind: &Kind| match kind {
        Kind::String | Kind::Bytes => "string".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "int32".to_owned(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "int64".to_owned(),
        Kind::Double | Kind::Float => "double".to_owned(),
        Kind::Enum(enumeration) => format!("enum {}", enumeration.full_name()),
        Kind::Message(message) => {
            well_known(message).map_or_else(|| message.full_name().to_owned(), str::to_owned)
        }
        other => panic!("{} is of a kind that nothing reads yet: {other:?}", field.full_name()),
    };
    let kind = match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            format!("map<{}>", one(&entry.map_entry_value_field().kind()))
        }
        kind if field.cardinality() == Cardinality::Repeated => format!("[{}]", one(&kind)),
        // Messages always have presence, and are never zero; a wrapper is a scalar that has it.
        Kind::Message(message) => {
            let wrapper = message.full_name().ends_with("Value") && one(&field.kind()) != "opaque";
            format!("{}{}", one(&field.kind()), if wrapper { "?" } else { "" })
        }
        kind => format!("{}{}", one(&kind), if field.supports_presence() { "?" } else { "" }),
    };
    let out = if is_output_only(field) { " out" } else { "" };
    format!("{}: {kind}{out}", field.json_name())
}

/// Whether a field is annotated with `google.api.field_behavior` as `OUTPUT_ONLY`, which is 3.
fn is_output_only(field: &FieldDescriptor) -> bool {
    let behaviour = extension(&field.options(), "google.api.field_behavior");
    let behaviour = behaviour.as_ref().and_then(|value| value.as_list());
    behaviour.is_some_and(|all| all.iter().any(|one| one.as_enum_number() == Some(3)))
}

fn extension(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

/// Verb and path of a method's HTTP forms, from its `google.api.http`.
fn http_forms(method: &MethodDescriptor) -> Vec<String> {
    let mut forms = Vec::new();
    if let Some(Value::Message(rule)) = extension(&method.options(), "google.api.http") {
        add_forms(&rule, &mut forms);
    }
    forms
}

fn add_forms(rule: &DynamicMessage, forms: &mut Vec<String>) {
    let get = |name: &str| rule.get_field_by_name(name).expect("a field of HttpRule").into_owned();
    let text = |name: &str| get(name).as_str().unwrap_or_default().to_owned();
    for verb in ["get", "put", "post", "delete", "patch"] {
        let path = text(verb);
        if !path.is_empty() {
            forms.push(format!("{} {}", verb.to_uppercase(), template(&path)));
        }
    }
    for more in get("additional_bindings").as_list().into_iter().flatten().filter_map(Value::as_message) {
        add_forms(more, forms);
    }
}

/// A path without the names of its variables: `/v2/{name=projects/*/jobs/*}:run` is `/v2/projects/*/jobs/*:run`.
fn template(path: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some((before, (variable, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        let parts = variable.split_once('=').map_or("*", |(_, parts)| parts);
        text.push_str(before);
        text.push_str(parts);
        rest = after;
    }
    text + rest
}

/// The gRPC messages, as `prost-build` writes them: a file for each package, and one that includes those.
fn messages(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let mut reachable = Reachable::default();
    for name in ["google.logging.v2.TailLogEntriesRequest", "google.logging.v2.TailLogEntriesResponse"] {
        reachable.message(&pool.get_message_by_name(name).expect("a defined message"));
    }
    let wanted: BTreeSet<&str> =
        reachable.messages.keys().chain(reachable.enums.keys()).map(String::as_str).collect();
    let file =
        pool.files().filter_map(|file| cut_down(file.file_descriptor_proto().clone(), &wanted)).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    prost_build::Config::new()
        .out_dir(folder.path())
        .include_file("google.rs")
        .compile_fds(FileDescriptorSet { file })
        .expect("messages that can be written");
    let files =
        std::fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("a file").path());
    files.map(|path| (name_of(&path), std::fs::read_to_string(path).expect("text"))).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a file").to_string_lossy().into_owned()
}

/// A file with the wanted messages and enums alone, without comments; none where it has none of them.
fn cut_down(mut file: FileDescriptorProto, wanted: &BTreeSet<&str>) -> Option<FileDescriptorProto> {
    let package = file.package().to_owned();
    if package == "google.protobuf" {
        // The crate `prost-types` has these; what refers to them is looked up here.
        return Some(file);
    }
    file.service.clear();
    file.extension.clear();
    file.source_code_info = None;
    keep(&mut file.message_type, &package, wanted);
    file.enum_type.retain(|one| wanted.contains(format!("{package}.{}", one.name()).as_str()));
    (!file.message_type.is_empty() || !file.enum_type.is_empty()).then_some(file)
}

fn keep(messages: &mut Vec<DescriptorProto>, parent: &str, wanted: &BTreeSet<&str>) {
    messages.retain(|message| wanted.contains(format!("{parent}.{}", message.name()).as_str()));
    for message in messages {
        let name = format!("{parent}.{}", message.name());
        message.enum_type.retain(|one| wanted.contains(format!("{name}.{}", one.name()).as_str()));
        // The entries of maps are nobody's message: each belongs to the field of its own message.
        let (entries, mut nested): (Vec<_>, Vec<_>) = std::mem::take(&mut message.nested_type)
            .into_iter()
            .partition(|one| one.options.as_ref().is_some_and(MessageOptions::map_entry));
        keep(&mut nested, &name, wanted);
        message.nested_type = entries.into_iter().chain(nested).collect();
    }
}

/// Rows of the tables whose methods are in the definitions have one of the paths that stand there, or the one of
/// gRPC.
#[test]
fn every_row_has_a_path_of_its_method() {
    let defined = defined(&pool());
    for row in api::rows() {
        // `google.longrunning` leaves the paths to the services that have operations.
        let Some(method) = defined.get(row.name).filter(|_| !row.name.starts_with("google.longrunning."))
        else {
            continue;
        };
        let mut forms = http_forms(method);
        forms.push(format!("POST /{}/{}", method.parent_service().full_name(), method.name()));
        let own = format!("{} {}", row.verb, row.path);
        // A row may emulate less than the definition allows: services of projects, and not of folders.
        let is_of = |form: &String| {
            form.split('/').count() == own.split('/').count()
                && form.split('/').zip(own.split('/')).all(|(one, other)| one == "*" || one == other)
        };
        assert!(forms.iter().any(is_of), "{} has {own}, and is defined with {forms:?}", row.name);
    }
}

/// APIs that no protocol buffers define: Cloud Storage's JSON, and those of OAuth.
#[test]
fn the_methods_without_a_definition_are_known() {
    let defined = defined(&pool());
    let emulated = api::rows().filter(|row| row.is_emulated).map(|row| row.name);
    let without: Vec<&str> = emulated.filter(|name| !defined.contains_key(*name)).collect();
    assert_eq!(
        without,
        [
            "storage.objects.get",
            "storage.objects.delete",
            "storage.buckets.testIamPermissions",
            "oauth2.googleapis.com/token",
            "google.identity.sts.v1.SecurityTokenService.ExchangeToken",
            "openidconnect.googleapis.com/v1/userinfo",
        ]
    );
}
