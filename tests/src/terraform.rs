//! Evaluates the Terraform files below `infra/` as Terraform would, as far as the tests need.
//!
//! The job's settings are not repeated here: they are the result of the evaluation.
//!
//! To let the files use another function of Terraform: `functions`. To read another resource: a method of [`Made`].

use std::fs;
use std::path::{Path, PathBuf};

use hcl::eval::{Context, Evaluate as _, FuncArgs, FuncDef, ParamType};
use hcl::{Block, Body, Map, Value};
use quill_admin_testkit::docker::root;
use serde_json::json;

/// The properties of a database that only Google Cloud knows.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its private address.
    pub host: &'static str,
    /// The kind of its authority, as the API names it.
    pub ca_mode: &'static str,
    /// The name that its certificate is for.
    pub dns_name: Option<&'static str>,
    /// The authority that the instance itself reports.
    pub ca: &'static str,
    /// The authorities that it lists.
    pub listed: Vec<&'static str>,
}

impl Instance {
    /// The two data sources of the root module, as the provider fills them.
    fn data(&self) -> Value {
        let cert = |pem: &&str| object([("cert", (*pem).into())]);
        let certs: Vec<Value> = self.listed.iter().map(cert).collect();
        let ip = object([("server_ca_mode", self.ca_mode.into())]);
        let instance = object([
            ("private_ip_address", self.host.into()),
            ("dns_name", self.dns_name.map_or(Value::Null, Value::from)),
            ("server_ca_cert", vec![cert(&self.ca)].into()),
            ("settings", vec![object([("ip_configuration", vec![ip].into())])].into()),
        ]);
        let own = self.ca_mode == "GOOGLE_MANAGED_INTERNAL_CA";
        let lists = if own { vec![object([("certs", certs.into())])] } else { Vec::new() };
        object([
            ("google_sql_database_instance", object([("auth", instance)])),
            ("google_sql_ca_certs", object([("auth", lists.into())])),
        ])
    }

    /// The instance and the list of its authorities, in the API's JSON.
    #[must_use]
    pub fn api(&self) -> (serde_json::Value, serde_json::Value) {
        let mut instance = quill_admin_testkit::healthy::instance();
        instance["ipAddresses"][0]["ipAddress"] = json!(self.host);
        instance["serverCaCert"]["cert"] = json!(self.ca);
        instance["settings"]["ipConfiguration"]["serverCaMode"] = json!(self.ca_mode);
        if let Some(name) = self.dns_name {
            instance["dnsName"] = json!(name);
        }
        let certs: Vec<_> = self.listed.iter().map(|pem| json!({"cert": pem})).collect();
        (instance, json!({"certs": certs}))
    }
}

/// The resources that Terraform would make for one environment.
pub struct Made {
    main: Body,
    context: Context<'static>,
    /// Name of the Cloud SQL instance whose address it looks up.
    pub instance: String,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").finish_non_exhaustive()
    }
}

impl Made {
    /// Evaluates the root and its module with the `environments.yaml` of a folder and the actions of these
    /// sources. The emulator has to be given the same `database`.
    #[must_use]
    pub fn of(folder: &Path, environment: &str, database: &Instance) -> Self {
        let infra = folder.join("infra");
        // The folder exists so that "infra/.." leads somewhere.
        fs::create_dir_all(&infra).expect("make a folder");
        fs::create_dir_all(folder.join("application")).expect("make a folder");
        let actions = "application/actions.yaml";
        fs::copy(root().join(actions), folder.join(actions)).expect("copy a file");
        let (module, mut variables, instance) = call(&infra, environment, database);
        for variable in read(&module, "variables.tf").blocks() {
            let name = variable.labels()[0].as_str();
            match value(variable, "default", &functions(&infra)) {
                Some(default) => variables.entry(name.to_owned()).or_insert(default),
                None => variables.get_mut(name).unwrap_or_else(|| panic!("the root does not set {name}")),
            };
        }
        let mut context = functions(&infra);
        context.declare_var("var", Value::Object(variables));
        let main = read(&module, "main.tf");
        let account = find(&main, "resource", &["google_service_account", "job"]);
        let email = format!(
            "{}@{}.iam.gserviceaccount.com",
            text(account, "account_id", &context),
            text(account, "project", &context)
        );
        let locals = find(&main, "locals", &[]).body().attributes();
        let locals = locals.map(|one| {
            let value = one.expr().evaluate(&context);
            (one.key().to_owned(), value.unwrap_or_else(|error| panic!("local.{}: {error}", one.key())))
        });
        let locals = locals.collect();
        context.declare_var("local", Value::Object(locals));
        context.declare_var("google_service_account", object([("job", object([("email", email.into())]))]));
        Self { main, context, instance }
    }

    fn resource(&self, kind: &str, name: &str) -> &Block {
        find(&self.main, "resource", &[kind, name])
    }

    /// The job's full name.
    #[must_use]
    pub fn name(&self) -> String {
        let job = self.resource("google_cloud_run_v2_job", "admin");
        let [project, location, name] =
            ["project", "location", "name"].map(|key| text(job, key, &self.context));
        format!("projects/{project}/locations/{location}/jobs/{name}")
    }

    /// The fields of the job that Terraform does not change after it was made.
    #[must_use]
    pub fn ignored(&self) -> String {
        let job = self.resource("google_cloud_run_v2_job", "admin");
        let lifecycle = inner(job, &["lifecycle"]);
        let attribute = lifecycle.body().attributes().find(|one| one.key() == "ignore_changes");
        attribute.expect("it ignores changes").expr().to_string()
    }

    /// The job, in the API's JSON.
    #[must_use]
    pub fn job(&self) -> serde_json::Value {
        let execution = inner(self.resource("google_cloud_run_v2_job", "admin"), &["template"]);
        let task = inner(execution, &["template"]);
        let container = inner(task, &["containers"]);
        let vpc = inner(task, &["vpc_access"]);
        let get = |block: &Block, key: &str| {
            let value = value(block, key, &self.context).unwrap_or_else(|| panic!("there is no {key}"));
            serde_json::to_value(value).expect("JSON")
        };
        // Other fields would be left out by the conversion below.
        assert_keys(execution, &["task_count", "template"]);
        assert_keys(task, &["service_account", "max_retries", "timeout", "vpc_access", "containers"]);
        assert_keys(container, &["image", "command", "env", "dynamic"]);
        assert_keys(vpc, &["connector", "egress"]);
        // A variable that is there for each entry of a list, which has one or none.
        let is_made = |block: &&Block| {
            block.identifier() != "dynamic"
                || get(block, "for_each").as_array().is_some_and(|entries| !entries.is_empty())
        };
        let variables = container.body().blocks().filter(is_made).map(|variable| {
            if variable.identifier() == "dynamic" {
                let entry = get(variable, "for_each")[0].clone();
                let content = inner(variable, &["content"]);
                let version = get(inner(content, &["value_source", "secret_key_ref"]), "version");
                let secret = json!({"secret": entry, "version": version});
                return json!({"name": get(content, "name"), "valueSource": {"secretKeyRef": secret}});
            }
            if variable.body().blocks().next().is_none() {
                return json!({"name": get(variable, "name"), "value": get(variable, "value")});
            }
            let secret = inner(variable, &["value_source", "secret_key_ref"]);
            let secret = json!({"secret": get(secret, "secret"), "version": get(secret, "version")});
            json!({"name": get(variable, "name"), "valueSource": {"secretKeyRef": secret}})
        });
        json!({"template": {"taskCount": get(execution, "task_count"), "template": {
            "serviceAccount": get(task, "service_account"),
            "maxRetries": get(task, "max_retries"),
            "timeout": get(task, "timeout"),
            "vpcAccess": {"connector": get(vpc, "connector"), "egress": get(vpc, "egress")},
            "containers": [{
                "image": get(container, "image"),
                "command": get(container, "command"),
                "env": variables.collect::<Vec<_>>(),
            }],
        }}})
    }

    /// The roles that the job's account is given: kind of resource, resource, role.
    #[must_use]
    pub fn given_to_the_account(&self) -> Vec<[String; 3]> {
        let about_it = |block: &&Block| {
            let mut members =
                block.body().attributes().filter(|one| ["member", "members"].contains(&one.key()));
            members.any(|one| one.expr().to_string().contains("google_service_account"))
        };
        let is_made = |block: &&Block| {
            value(block, "count", &self.context).is_none_or(|count| count.as_u64() != Some(0))
        };
        let given = self.main.blocks().filter(about_it).filter(is_made).map(|block| {
            let about = ["secret_id", "project"].into_iter().find_map(|key| value(block, key, &self.context));
            let about = about.and_then(|about| about.as_str().map(str::to_owned)).unwrap_or_default();
            [block.labels()[0].as_str().to_owned(), about, text(block, "role", &self.context)]
        });
        given.collect()
    }

    /// The permissions of the role for running tasks, sorted.
    #[must_use]
    pub fn permissions(&self) -> Vec<String> {
        let role = self.resource("google_project_iam_custom_role", "runner");
        let permissions = value(role, "permissions", &self.context).expect("permissions");
        let mut permissions: Vec<String> = permissions
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        permissions.sort();
        permissions
    }
}

fn assert_keys(block: &Block, known: &[&str]) {
    let attributes = block.body().attributes().map(hcl::Attribute::key);
    let unknown =
        attributes.chain(block.body().blocks().map(Block::identifier)).find(|key| !known.contains(key));
    assert_eq!(unknown, None, "{} has more than this test looks at", block.identifier());
}

/// The module's path, the arguments that the root gives it for an environment, and the database's instance.
fn call(infra: &Path, environment: &str, database: &Instance) -> (PathBuf, Map<String, Value>, String) {
    let main = read(&root().join("infra"), "main.tf");
    let mut context = functions(infra);
    let variables = [("environment", environment.into()), ("runners", vec!["admins@example.org"].into())];
    context.declare_var("var", object(variables));
    context.declare_var("data", database.data());
    // The order is that of the file, in which each one refers to those before it.
    let mut locals = Map::new();
    let blocks = main.blocks().filter(|block| block.identifier() == "locals");
    for attribute in blocks.flat_map(|block| block.body().attributes()) {
        let value = attribute.expr().evaluate(&context);
        let value = value.unwrap_or_else(|error| panic!("local.{}: {error}", attribute.key()));
        locals.insert(attribute.key().to_owned(), value);
        context.declare_var("local", Value::Object(locals.clone()));
    }
    let instance = text(find(&main, "data", &["google_sql_database_instance", "auth"]), "name", &context);

    let module = find(&main, "module", &["quill_admin"]);
    let keys = module.body().attributes().map(|attribute| attribute.key().to_owned());
    let mut given: Map<String, Value> =
        keys.map(|key| (key.clone(), value(module, &key, &context).expect("it is there"))).collect();
    let source = given.shift_remove("source").expect("a module has a source");
    (root().join("infra").join(source.as_str().expect("a path")), given, instance)
}

fn read(folder: &Path, file: &str) -> Body {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hcl::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The only block with this identifier and these labels.
fn find<'a>(body: &'a Body, identifier: &str, labels: &[&str]) -> &'a Block {
    let mut found = body.blocks().filter(|block| {
        block.identifier() == identifier
            && block.labels().iter().map(hcl::BlockLabel::as_str).eq(labels.iter().copied())
    });
    let first = found.next().unwrap_or_else(|| panic!("there is no block {identifier} {labels:?}"));
    assert!(found.next().is_none(), "there are several blocks {identifier} {labels:?}");
    first
}

/// The block at the end of a path of blocks without labels.
fn inner<'a>(block: &'a Block, path: &[&str]) -> &'a Block {
    path.iter().fold(block, |block, identifier| find(block.body(), identifier, &[]))
}

fn value(block: &Block, key: &str, context: &Context<'_>) -> Option<Value> {
    let attribute = block.body().attributes().find(|attribute| attribute.key() == key)?;
    let value = attribute.expr().evaluate(context);
    Some(value.unwrap_or_else(|error| panic!("{} {key}: {error}", block.identifier())))
}

fn text(block: &Block, key: &str, context: &Context<'_>) -> String {
    let value = value(block, key, context).unwrap_or_else(|| panic!("{} has no {key}", block.identifier()));
    value.as_str().unwrap_or_else(|| panic!("{key} is no text: {value}")).to_owned()
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Terraform's functions that the files use; calling another one fails with its name. `root` is the folder
/// that the root module takes for its own.
#[expect(clippy::too_many_lines, reason = "a list")]
fn functions(root: &Path) -> Context<'static> {
    fn texts(args: FuncArgs) -> Vec<String> {
        args.into_values().iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
    fn objects(args: FuncArgs) -> Vec<Map<String, Value>> {
        args.into_values().into_iter().filter_map(|arg| arg.as_object().cloned()).collect()
    }
    let mut context = Context::new();
    let strings = |count| vec![ParamType::String; count];
    context.declare_var("path", object([("module", root.display().to_string().into())]));
    context.declare_func(
        "file",
        FuncDef::new(
            |args| fs::read_to_string(&texts(args)[0]).map(Value::from).map_err(|error| error.to_string()),
            strings(1),
        ),
    );
    context.declare_func(
        "yamldecode",
        FuncDef::new(
            |args| serde_saphyr::from_str(&texts(args)[0]).map_err(|error| error.to_string()),
            strings(1),
        ),
    );
    context.declare_func(
        "replace",
        FuncDef::new(
            |args| {
                let texts = texts(args);
                // A text between slashes would be a regular expression.
                assert!(!texts[1].starts_with('/'));
                Ok(texts[0].replace(&texts[1], &texts[2]).into())
            },
            strings(3),
        ),
    );
    context.declare_func("upper", FuncDef::new(|args| Ok(texts(args)[0].to_uppercase().into()), strings(1)));
    context.declare_func(
        "split",
        FuncDef::new(
            |args| {
                let texts = texts(args);
                Ok(texts[1].split(&texts[0]).collect::<Vec<_>>().into())
            },
            strings(2),
        ),
    );
    let list = || vec![ParamType::Array(Box::new(ParamType::Any))];
    context.declare_func(
        "trimsuffix",
        FuncDef::new(
            |args| {
                let texts = texts(args);
                Ok(texts[0].strip_suffix(&texts[1]).unwrap_or(&texts[0]).into())
            },
            strings(2),
        ),
    );
    context.declare_func("trimspace", FuncDef::new(|args| Ok(texts(args)[0].trim().into()), strings(1)));
    context.declare_func(
        "length",
        FuncDef::new(|args| Ok(args[0].as_array().map_or(0, Vec::len).into()), list()),
    );
    context.declare_func(
        "sort",
        FuncDef::new(
            |args| {
                let mut texts: Vec<_> =
                    args[0].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                texts.sort_unstable();
                Ok(texts.into())
            },
            list(),
        ),
    );
    context.declare_func(
        "distinct",
        FuncDef::new(
            |args| {
                let mut seen: Vec<Value> = Vec::new();
                for value in args[0].as_array().into_iter().flatten() {
                    if !seen.contains(value) {
                        seen.push(value.clone());
                    }
                }
                Ok(seen.into())
            },
            list(),
        ),
    );
    context.declare_func(
        "flatten",
        FuncDef::new(
            |args| {
                fn flat(value: &Value) -> Vec<Value> {
                    match value {
                        Value::Array(values) => values.iter().flat_map(flat).collect(),
                        other => vec![other.clone()],
                    }
                }
                Ok(flat(&args[0]).into())
            },
            list(),
        ),
    );
    context.declare_func(
        "setsubtract",
        FuncDef::new(
            |args| {
                let all = |at: usize| args[at].as_array().cloned().unwrap_or_default();
                let (from, less) = (all(0), all(1));
                Ok(from.into_iter().filter(|value| !less.contains(value)).collect::<Vec<_>>().into())
            },
            [list(), list()].concat(),
        ),
    );
    context.declare_func(
        "concat",
        FuncDef::new(
            |args| {
                let all = args.iter().filter_map(Value::as_array).flatten();
                Ok(all.cloned().collect::<Vec<_>>().into())
            },
            [list(), list()].concat(),
        ),
    );
    // The module's own tests compare Terraform's bytes, with texts that have every escaped character.
    context.declare_func(
        "jsonencode",
        FuncDef::new(
            |args| serde_json::to_string(&args[0]).map(Value::from).map_err(|error| error.to_string()),
            [ParamType::Any],
        ),
    );
    context.declare_func(
        "merge",
        FuncDef::builder()
            .variadic_param(ParamType::object_of(ParamType::Any))
            .build(|args| Ok(Value::Object(objects(args).into_iter().flatten().collect()))),
    );
    context.declare_func(
        "lookup",
        FuncDef::new(
            |args| {
                let args = args.into_values();
                let key = args[1].as_str().unwrap_or_default();
                Ok(args[0].as_object().and_then(|map| map.get(key)).unwrap_or(&args[2]).clone())
            },
            [ParamType::object_of(ParamType::Any), ParamType::String, ParamType::Any],
        ),
    );
    context
}
