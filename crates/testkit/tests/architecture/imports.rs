//! Reads from the sources which file of a crate takes which names from which other file.
//!
//! Names are resolved as the compiler does, as far as needed: an arrow leads to the file that defines the
//! item, through any number of imports and re-exports. A declaration, `mod x;` or `pub use x::Y;`, is no use
//! and makes no arrow; neither does a module that a path only passes through. Items for tests only do not
//! count.
//!
//! Methods are not seen, but their type or trait is named somewhere anyway. Items that a macro makes are not
//! seen either: a name that a module does not seem to have is taken for one that is made in its file.

mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::mem;

use syn::buffer::{Cursor, TokenBuffer};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, ItemMod, ItemUse, Meta, Token, UseTree, Visibility};

/// The arrows: from a file to a file, with the names that the first takes from the second.
pub(crate) type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// Returns the text of a file, by its path; `None` where there is no such file.
pub(crate) type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The arrows of a crate, read from the file of its root on.
pub(crate) fn arrows(root: &str, read: Read<'_>) -> Arrows {
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut reader = Reader { modules: Vec::new(), read, at: 0, in_body: false };
    let text = read(root).unwrap_or_else(|| panic!("there is no file {root}"));
    reader.file(root.to_owned(), &text, folder.to_owned(), None);
    let modules = Modules(reader.modules);
    let mut arrows = Arrows::new();
    for (at, module) in modules.0.iter().enumerate() {
        for target in module.mentions.iter().flat_map(|path| modules.resolve(at, path, &mut Seen::new())) {
            if let Target::Item(owner, name) = target
                && modules.0[owner].file != module.file
            {
                let files = (module.file.clone(), modules.0[owner].file.clone());
                arrows.entry(files).or_default().insert(name);
            }
        }
    }
    arrows
}

/// The largest sets of files in which every file leads to every other one.
pub(crate) fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<&str>> {
    let mut next = BTreeMap::<&str, Vec<&str>>::new();
    for (from, to) in arrows.keys() {
        next.entry(from).or_default().push(to);
    }
    let reached = |start: &str| {
        let mut reached = BTreeSet::new();
        let mut left = next.get(start).cloned().unwrap_or_default();
        while let Some(file) = left.pop() {
            if reached.insert(file) {
                left.extend(next.get(file).into_iter().flatten());
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|file| (*file, reached(file))).collect();
    let both_ways =
        |a: &str, b: &str| reached[a].contains(b) && reached.get(b).is_some_and(|b| b.contains(a));
    let circle = |file: &str| reached[file].iter().copied().filter(|other| both_ways(file, other)).collect();
    reached.keys().filter(|file| both_ways(file, file)).map(|file| circle(file)).collect()
}

/// The arrows within a circle, one on each line.
pub(crate) fn describe(circle: &BTreeSet<&str>, arrows: &Arrows) -> String {
    let mut text = format!("a circle of {} files:\n", circle.len());
    for ((from, to), names) in arrows {
        if circle.contains(from.as_str()) && circle.contains(to.as_str()) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let _ = writeln!(text, "  {from} -> {to}: {}", names.join(", "));
        }
    }
    text
}

/// A path in the source, segment by segment.
type Path = Vec<String>;

struct Module {
    file: String,
    /// The folder of its child modules' files.
    folder: String,
    parent: Option<usize>,
    names: BTreeMap<String, Vec<Definition>>,
    /// Names that functions import for themselves, which no other function sees.
    local: BTreeMap<String, Vec<Definition>>,
    globs: Vec<Path>,
    mentions: BTreeSet<Path>,
}

enum Definition {
    /// An item in the file of this module, which is not always the one that has the name.
    Item(usize),
    Module(usize),
    Import(Path),
}

/// Reads the sources, file by file.
struct Reader<'a> {
    modules: Vec<Module>,
    read: Read<'a>,
    /// The module that is being read.
    at: usize,
    in_body: bool,
}

impl Reader<'_> {
    fn file(&mut self, file: String, text: &str, folder: String, parent: Option<usize>) -> usize {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.module(file, folder, parent, &syntax.items)
    }

    fn module(&mut self, file: String, folder: String, parent: Option<usize>, items: &[Item]) -> usize {
        let module = Module {
            file,
            folder,
            parent,
            names: BTreeMap::new(),
            local: BTreeMap::new(),
            globs: Vec::new(),
            mentions: BTreeSet::new(),
        };
        let id = self.modules.len();
        self.modules.push(module);
        let around = (mem::replace(&mut self.at, id), mem::take(&mut self.in_body));
        for item in items {
            self.visit_item(item);
        }
        (self.at, self.in_body) = around;
        id
    }

    fn define(&mut self, name: String, definition: Definition) {
        let module = &mut self.modules[self.at];
        let names = if self.in_body { &mut module.local } else { &mut module.names };
        names.entry(name).or_default().push(definition);
    }

    fn mention(&mut self, path: Path) {
        self.modules[self.at].mentions.insert(path);
    }

    /// The paths among the tokens of a macro, whatever the macro makes of them.
    fn tokens(&mut self, mut at: Cursor<'_>) {
        let mut after_dot = false;
        while let Some((_, behind)) = at.token_tree() {
            if let Some((inside, _, _, rest)) = at.any_group() {
                self.tokens(inside);
                at = rest;
            } else if let Some((first, rest)) = at.ident() {
                let mut path = vec![text(&first)];
                at = rest;
                while let Some((segment, rest)) = behind_colons(at).and_then(Cursor::ident) {
                    path.push(text(&segment));
                    at = rest;
                }
                // A name after a dot is a field or a method.
                if !after_dot {
                    self.mention(path);
                }
            } else {
                after_dot = at.punct().is_some_and(|(punct, _)| punct.as_char() == '.');
                at = behind;
                continue;
            }
            after_dot = false;
        }
    }
}

fn behind_colons(at: Cursor<'_>) -> Option<Cursor<'_>> {
    let colon = |at: Cursor<'_>| at.punct().is_some_and(|(punct, _)| punct.as_char() == ':');
    let (_, second) = at.punct().filter(|_| colon(at))?;
    let (_, behind) = second.punct().filter(|_| colon(second))?;
    Some(behind)
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name): (&[Attribute], _) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Mod(item) => (&item.attrs, None),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Use(item) => (&item.attrs, None),
            _ => (&[], None),
        };
        if attributes.iter().any(is_for_tests) {
            return;
        }
        if let Some(name) = name
            && !self.in_body
        {
            self.define(text(name), Definition::Item(self.at));
            if attributes.iter().any(|attribute| attribute.path().is_ident("macro_export")) {
                let made = Definition::Item(self.at);
                self.modules[0].names.entry(text(name)).or_default().push(made);
            }
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !item.attrs.iter().any(is_for_tests) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = text(&item.ident);
        let Module { file: around, folder, .. } = &self.modules[self.at];
        let (around, folder) = (around.clone(), format!("{folder}/{name}"));
        let module = if let Some((_, items)) = &item.content {
            self.module(around, folder, Some(self.at), items)
        } else {
            let moved = item.attrs.iter().any(|attribute| attribute.path().is_ident("path"));
            assert!(!moved, "{around}: a module with a path of its own is not understood: {name}");
            let files = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
            let found = files.into_iter().find_map(|file| (self.read)(&file).map(|text| (file, text)));
            let (file, text) = found.unwrap_or_else(|| panic!("{around}: no file of module {name}"));
            self.file(file, &text, folder, Some(self.at))
        };
        self.define(name, Definition::Module(module));
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_some() {
            return;
        }
        let mut imports = Vec::new();
        flatten(&item.tree, &[], &mut imports);
        for (path, name) in imports {
            if matches!(item.vis, Visibility::Inherited) {
                self.mention(path.clone());
            }
            match name {
                Some(name) => self.define(name, Definition::Import(path)),
                None => self.modules[self.at].globs.push(path),
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.mention(path.segments.iter().map(|segment| text(&segment.ident)).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, made: &'ast syn::Macro) {
        visit::visit_macro(self, made);
        self.tokens(TokenBuffer::new2(made.tokens.clone()).begin());
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let around = mem::replace(&mut self.in_body, true);
        visit::visit_block(self, block);
        self.in_body = around;
    }
}

fn text(name: &Ident) -> String {
    name.to_string().trim_start_matches("r#").to_owned()
}

/// The imports of a tree: the path of each and the name that it gives, or `None` for all names there.
fn flatten(tree: &UseTree, before: &[String], imports: &mut Vec<(Path, Option<String>)>) {
    let with = |name: &Ident| match text(name) {
        itself if itself == "self" && !before.is_empty() => before.to_vec(),
        name => [before, &[name]].concat(),
    };
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(&path.ident), imports),
        UseTree::Name(name) => {
            let path = with(&name.ident);
            imports.push((path.clone(), path.last().cloned()));
        }
        UseTree::Rename(rename) => imports.push((with(&rename.ident), Some(text(&rename.rename)))),
        UseTree::Glob(_) => imports.push((before.to_vec(), None)),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, imports)),
    }
}

/// Whether an attribute is `#[cfg(test)]`, or `#[cfg(all(test, …))]`.
fn is_for_tests(attribute: &Attribute) -> bool {
    fn asks_for_tests(condition: &Meta) -> bool {
        match condition {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .is_ok_and(|all| all.iter().any(asks_for_tests)),
            _ => false,
        }
    }
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<Meta>().is_ok_and(|condition| asks_for_tests(&condition))
}

/// The target of a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(usize),
    /// An item of this name in the file of this module.
    Item(usize, String),
}

/// The imports that are being followed; one that leads back to itself ends there.
type Seen = BTreeSet<(usize, String, usize)>;

struct Modules(Vec<Module>);

impl Modules {
    /// All targets that a path may have from a module: one name can be a module and a function. Empty for a
    /// target in another crate.
    fn resolve(&self, from: usize, path: &[String], seen: &mut Seen) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else { return BTreeSet::new() };
        let mut targets = match self.keyword(from, first) {
            Some(module) => BTreeSet::from([Target::Module(module)]),
            None => self.look_up(from, first, true, seen).unwrap_or_default(),
        };
        for segment in rest {
            let modules = targets.iter().filter_map(|target| match target {
                Target::Module(module) => Some(*module),
                Target::Item(..) => None,
            });
            let modules: Vec<usize> = modules.collect();
            // A name after an item is a part of it: a variant, an associated function.
            if !modules.is_empty() {
                targets = modules.iter().flat_map(|module| self.member(*module, segment, seen)).collect();
            }
        }
        targets
    }

    fn member(&self, module: usize, name: &str, seen: &mut Seen) -> BTreeSet<Target> {
        if let Some(module) = self.keyword(module, name) {
            return BTreeSet::from([Target::Module(module)]);
        }
        let made_here = || BTreeSet::from([Target::Item(module, name.to_owned())]);
        self.look_up(module, name, false, seen).unwrap_or_else(made_here)
    }

    fn keyword(&self, from: usize, name: &str) -> Option<usize> {
        match name {
            // The root is read first.
            "crate" => Some(0),
            "self" => Some(from),
            "super" => self.0[from].parent,
            _ => None,
        }
    }

    /// The meaning of a name in a module: `None` where it is unknown, empty where it is of another crate.
    fn look_up(&self, module: usize, name: &str, inside: bool, seen: &mut Seen) -> Option<BTreeSet<Target>> {
        let Module { names, local, globs, .. } = &self.0[module];
        let local = local.get(name).filter(|_| inside);
        let mut found = None;
        for (number, definition) in names.get(name).into_iter().chain(local).flatten().enumerate() {
            let targets = match definition {
                Definition::Item(owner) => BTreeSet::from([Target::Item(*owner, name.to_owned())]),
                Definition::Module(module) => BTreeSet::from([Target::Module(*module)]),
                Definition::Import(path) => {
                    let step = (module, name.to_owned(), number);
                    if !seen.insert(step.clone()) {
                        continue;
                    }
                    let targets = self.resolve(module, path, seen);
                    seen.remove(&step);
                    targets
                }
            };
            found.get_or_insert_with(BTreeSet::new).extend(targets);
        }
        if found.is_some() {
            return found;
        }
        for (number, path) in globs.iter().enumerate() {
            // The number is beyond those of definitions.
            let step = (module, name.to_owned(), usize::MAX - number);
            if !seen.insert(step.clone()) {
                continue;
            }
            for target in self.resolve(module, path, seen) {
                if let Target::Module(source) = target
                    && let Some(targets) = self.look_up(source, name, false, seen)
                {
                    found.get_or_insert_with(BTreeSet::new).extend(targets);
                }
            }
            seen.remove(&step);
        }
        found
    }
}
