//! Everything that the documentation names exists: links, files, commands, options, recipes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use quill_admin_testkit::docker::{root, run};
use quill_admin_testkit::home::Home;
use regex::Regex;

/// Every page that git knows, by its path from the root.
fn pages() -> Vec<PathBuf> {
    let list = run(Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(root()));
    let pages: Vec<PathBuf> =
        list.lines().map(PathBuf::from).filter(|page| root().join(page).is_file()).collect();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The parts of a page that are checked.
#[derive(Default)]
struct Page {
    links: Vec<String>,
    /// Code within text.
    words: Vec<String>,
    /// Command lines of blocks.
    lines: Vec<String>,
    /// The anchors of its headings.
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = read(path);
        let mut page = Self::default();
        let mut shell = false;
        let mut heading: Option<String> = None;
        let attribute = Regex::new(r#"(?:src|srcset|href)="([^"]*)""#).expect("valid");
        for event in Parser::new(&text) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    page.links.extend(attribute.captures_iter(&html).map(|found| found[1].to_owned()));
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => shell = &*language == "sh",
                Event::End(TagEnd::CodeBlock) => shell = false,
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    page.anchors.extend(heading.take().map(|text| anchor(&text)));
                }
                Event::Text(text) if shell => {
                    page.lines.extend(text.replace("\\\n", " ").lines().map(str::to_owned));
                }
                Event::Text(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Code(code) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&code);
                    }
                    page.words.push(code.into_string());
                }
                _ => {}
            }
        }
        page
    }
}

/// The anchor of a heading, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c)).collect()
}

/// A relative path from a page, with `..` resolved.
fn resolve(page: &Path, link: &str) -> PathBuf {
    let mut path = page.parent().map(Path::to_path_buf).unwrap_or_default();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {link} leaves the repository", page.display()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    for page in pages() {
        for link in Page::read(&page).links {
            if link.starts_with("https://") {
                continue;
            }
            assert!(!link.contains("://"), "{}: {link}", page.display());
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { resolve(&page, file) };
            assert!(root().join(&target).exists(), "{}: there is no {}", page.display(), target.display());
            // A file that is not among the book's pages is not in the book.
            assert!(
                !page.starts_with("docs") || target.starts_with("docs"),
                "{}: {link} leads out of the book",
                page.display()
            );
            if !anchor.is_empty() {
                let anchors = Page::read(&target).anchors;
                assert!(anchors.contains(anchor), "{}: {link}: there are {anchors:?}", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn every_file_that_is_named_is_there() {
    let list = run(Command::new("git").args(["ls-files"]).current_dir(root()));
    let folders: BTreeSet<&str> = list.lines().filter_map(|file| file.split_inclusive('/').next()).collect();
    let folders: Vec<&str> = folders.into_iter().filter(|folder| folder.ends_with('/')).collect();
    let placeholder = Regex::new(r"[{}*…<>\s]").expect("valid");
    let mut checked = 0;
    for page in pages() {
        for word in Page::read(&page).words {
            let is_path = folders.iter().any(|folder| word.starts_with(*folder));
            // A media type is not a path, though there is a folder of that name.
            if is_path
                && !word.starts_with("application/json")
                && !word.starts_with("application/grpc")
                && !placeholder.is_match(&word)
            {
                assert!(root().join(&word).exists(), "{}: there is no {word}", page.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 3, "{checked}");
}

/// The help texts of commands, each requested once.
struct Helps(BTreeMap<String, String>);

impl Helps {
    fn of(&mut self, words: &[&str]) -> &str {
        self.0.entry(words.join(" ")).or_insert_with(|| {
            let home = Home::new();
            let help = home.quill_admin(words.iter().copied()).arg("--help").output();
            help.expect_code(0);
            help.stdout
        })
    }

    /// Whether there is a command of these words.
    fn has(&mut self, words: &[&str]) -> bool {
        let known = self.0.contains_key(&words.join(" "));
        known || Home::new().quill_admin(words.iter().copied()).arg("--help").output().code() == 0
    }

    /// Whether `help` explains a command or a topic of this name.
    fn explains(&mut self, name: &str) -> bool {
        let explained = |name: &str| Home::new().quill_admin(["help", name]).output().code() == 0;
        self.0.contains_key(name) || explained(name)
    }
}

/// Whether a word stands for others.
fn is_placeholder(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether a word is the name of a command, or an option with one letter or with a word.
fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// The reason why a command line of `quill-admin` would be refused, if it would.
fn fault(helps: &mut Helps, words: &[String]) -> Option<String> {
    let mut command: Vec<&str> = Vec::new();
    // In `help NAME` a command or a topic follows.
    if let [help, name, ..] = words
        && help == "help"
    {
        let known = is_placeholder(name) || helps.explains(name);
        return (!known).then(|| format!("help explains no {name}"));
    }
    let mut rest = words.iter().map(String::as_str).peekable();
    // The documentation should not write `quill-admin --env staging add-role`.
    while let Some(word) = rest.peek().filter(|word| is_name(word) && !word.starts_with('-')) {
        let longer = [&command[..], &[word]].concat();
        let is_first = command.is_empty();
        if !is_first && !helps.of(&command).contains("\nCommands:\n") {
            break;
        }
        if !helps.has(&longer) {
            return Some(format!("there is no command {word}"));
        }
        command.push(word);
        rest.next();
    }
    // The help of the whole names no options: a topic does.
    let help = if command.is_empty() {
        Home::new().quill_admin(["help", "options"]).output().stdout + " --version"
    } else {
        helps.of(&command).to_owned()
    };
    for word in rest {
        let option = word.split('=').next().unwrap_or_default();
        let long = option.strip_prefix("--").is_some_and(is_name);
        let short = option.len() == 2 && option.starts_with('-') && is_name(&option[1..]);
        if !long && !short {
            continue;
        }
        let named = Regex::new(&format!(r"(^|[\s,`]){}([\s,=`]|$)", regex::escape(option))).expect("valid");
        // These options are in no help text, to keep it narrow.
        if !named.is_match(&help) && !["--access-token-file", "--trust-host"].contains(&option) {
            return Some(format!("{} has no option {option}", command.join(" ")));
        }
    }
    None
}

#[test]
fn every_command_can_be_typed() {
    let recipes = recipes();
    let mut helps = Helps(BTreeMap::new());
    let mut checked = 0;
    for page in pages() {
        let Page { lines, words, .. } = Page::read(&page);
        for line in lines.iter().chain(&words) {
            for part in line.split(['|', ';', '&', '>']) {
                let Some(words) = shell_words::split(part).ok().filter(|words| !words.is_empty()) else {
                    continue;
                };
                let words: Vec<String> =
                    words.into_iter().skip_while(|word| word.contains('=') || word == "$").collect();
                let text: Vec<&str> = words.iter().map(String::as_str).collect();
                let told = match text[..] {
                    ["quill-admin", ..] => fault(&mut helps, &words[1..]),
                    ["cargo", "run", "--release", "--", ..] => fault(&mut helps, &words[4..]),
                    ["just", recipe, ..] if !recipes.contains_key(recipe) => {
                        Some(format!("there is no recipe {recipe}"))
                    }
                    ["cargo", "xtask", verb, ..] if !["test", "bench", "docs"].contains(&verb) => {
                        Some(format!("there is no verb {verb}"))
                    }
                    ["just" | "cargo", ..] => None,
                    _ => continue,
                };
                assert_eq!(told, None, "{}: {line}", page.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "{checked}");
}

/// The commands of the recipes and aliases of the justfile.
fn recipes() -> BTreeMap<String, String> {
    let text = read(Path::new("justfile"));
    let mut recipes = BTreeMap::new();
    let mut name = None;
    for line in text.lines() {
        if let Some((alias, recipe)) = line.strip_prefix("alias ").and_then(|rest| rest.split_once(" := ")) {
            recipes.insert(alias.to_owned(), recipe.to_owned());
        } else if let Some((head, _)) = line
            .split_once(':')
            .filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.contains(":="))
        {
            name = head.split(' ').next().map(str::to_owned);
        } else if let (Some(name), Some((_, command))) = (&name, line.split_once("exec {{ quill_admin }} ")) {
            recipes.insert(name.clone(), command.to_owned());
        }
    }
    recipes
}

#[test]
fn the_justfile_has_the_guides_names_and_runs_these_commands() {
    let recipes = recipes();
    let mut helps = Helps(BTreeMap::new());
    for (alias, recipe, command) in [
        ("ba", "build-admin", "build"),
        ("cs", "create-superadmin", "create-superadmin"),
        ("up", "update-permissions-remote", "update-permissions"),
        ("ar", "add-role-remote", "add-role"),
        ("mr", "migrate-remote", "run-migrations"),
    ] {
        assert_eq!(recipes.get(alias).map(String::as_str), Some(recipe));
        let runs = recipes.get(recipe).unwrap_or_else(|| panic!("there is no recipe {recipe}"));
        assert_eq!(runs, &format!("{command} --env \"$environment\" \"$@\""));
        let words: Vec<String> = [command, "--env"].map(str::to_owned).to_vec();
        assert_eq!(fault(&mut helps, &words), None);
    }
    assert_eq!(recipes.len(), 10, "{recipes:?}");
}

#[test]
fn the_book_has_every_page_and_no_other() {
    let listed: BTreeSet<PathBuf> = Page::read(Path::new("docs/SUMMARY.md"))
        .links
        .iter()
        .map(|link| resolve(Path::new("docs/SUMMARY.md"), link))
        .collect();
    let pages: BTreeSet<PathBuf> = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs") && !page.ends_with("SUMMARY.md"))
        .collect();
    assert_eq!(listed, pages);
    let book = read(Path::new("docs/book.toml"));
    assert!(book.contains("src = \".\""), "the pages are beside it");
}

/// A tag of somebody else's repository can be moved to other code; a commit cannot.
#[test]
fn the_actions_of_workflows_are_pinned_by_commit() {
    let uses = Regex::new(r"(?m)^\s*-?\s*uses:\s*(\S+)(.*)$").expect("valid");
    let pinned = Regex::new(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$").expect("valid");
    let folder = root().join(".github/workflows");
    let mut found = 0;
    for file in fs::read_dir(&folder).expect("the workflows") {
        let path = file.expect("an entry").path();
        for one in uses.captures_iter(&read(&path)) {
            found += 1;
            assert!(pinned.is_match(&one[1]), "{}: {} is not pinned by commit", path.display(), &one[1]);
            assert!(one[2].trim().starts_with("# v"), "{}: {} says no version", path.display(), &one[1]);
        }
    }
    assert!(found > 10, "{found}");
}

mod formula {
    use super::*;

    const SCRIPT: &str = "packaging/formula";
    const TARGETS: [&str; 4] = [
        "aarch64-apple-darwin",
        "aarch64-unknown-linux-gnu",
        "x86_64-apple-darwin",
        "x86_64-unknown-linux-gnu",
    ];

    fn checksums(targets: &[&str]) -> String {
        let line =
            |(at, target): (usize, &&str)| format!("{:064x}  quill-admin-1.2.3-{target}.tar.gz\n", at + 1);
        targets.iter().enumerate().map(line).collect()
    }

    #[test]
    fn it_names_each_archive_with_its_checksum() {
        let home = Home::new();
        home.write("SHA256SUMS", &checksums(&TARGETS));
        let made =
            home.run(root().join(SCRIPT)).args(["quill-medical/quill-admin", "1.2.3", "SHA256SUMS"]).output();
        made.expect_code(0);
        assert!(!made.stdout.contains('@'), "{}", made.stdout);
        for (at, target) in TARGETS.iter().enumerate() {
            let url = format!(
                "https://github.com/quill-medical/quill-admin/releases/download/v1.2.3/quill-admin-1.2.3-{target}.tar.gz"
            );
            let both = format!("url \"{url}\"\n      sha256 \"{:064x}\"", at + 1);
            assert!(made.stdout.contains(&both), "{both}\n{}", made.stdout);
        }
    }

    /// Whoever has installed the program without a clone is told what to type first, and that works.
    #[test]
    fn the_formula_and_the_archive_name_the_first_command() {
        const FIRST: &str = "quill-admin create-superadmin --env local\n";
        let (formula, archive) =
            (read(Path::new("packaging/quill-admin.rb.in")), read(Path::new("packaging/README.md")));
        let (_, caveats) = formula.split_once("def caveats").expect("caveats");
        for (told, whose) in [(caveats, "formula"), (&archive, "archive")] {
            let (first, init) = (told.find(FIRST), told.find("quill-admin init\n"));
            assert!(first.is_some() && first < init, "{whose}: {told}");
        }
        let workflow = read(Path::new(".github/workflows/release.yml"));
        let readme = r#"cp "packaging/README${{ matrix.without && '-without-local' }}.md" "$name/README.md""#;
        assert!(workflow.contains(readme), "{workflow}");
    }

    /// The platforms whose program has no environment `local`, and what their archive says of it.
    #[test]
    fn an_archive_without_local_says_so() {
        let workflow = read(Path::new(".github/workflows/release.yml"));
        let (without, with): (Vec<_>, Vec<_>) = workflow
            .lines()
            .filter(|line| line.contains("target: "))
            .partition(|line| line.contains("--no-default-features"));
        assert_eq!((without.len(), with.len()), (2, 3));
        assert!(without.iter().all(|line| line.contains("without: local")), "{without:?}");
        assert!(with.iter().all(|line| !line.contains("without")), "{with:?}");
        let archive = read(Path::new("packaging/README-without-local.md"));
        assert!(archive.contains("**The environment `local` is not in this program**"), "{archive}");
        assert!(!archive.contains("--env local"), "{archive}");
    }

    #[test]
    fn it_says_what_is_wrong_with_what_it_is_given() {
        let home = Home::new();
        home.write("SHA256SUMS", &checksums(&TARGETS[..3]));
        home.write("short", "abc  quill-admin-1.2.3-aarch64-apple-darwin.tar.gz\n");
        for (args, told) in [
            (&[][..], "usage: packaging/formula OWNER/REPOSITORY VERSION SHA256SUMS"),
            (&["quill-admin", "1.2.3", "SHA256SUMS"], "\"quill-admin\" is not OWNER/REPOSITORY"),
            (&["a/b", "v1.2.3", "SHA256SUMS"], "\"v1.2.3\" is not a version such as 0.1.0"),
            (&["a/b", "1.2.3", "nowhere"], "there is no file nowhere"),
            (
                &["a/b", "1.2.3", "SHA256SUMS"],
                "SHA256SUMS has no checksum of quill-admin-1.2.3-x86_64-unknown-linux-gnu.tar.gz",
            ),
            (
                &["a/b", "1.2.3", "short"],
                "short has no checksum of quill-admin-1.2.3-aarch64-apple-darwin.tar.gz",
            ),
        ] {
            let refused = home.run(root().join(SCRIPT)).args(args.iter().copied()).output();
            refused.expect_code(2);
            assert_eq!(
                (refused.stdout.as_str(), refused.stderr),
                ("", format!("packaging/formula: {told}\n"))
            );
        }
    }

    #[test]
    fn the_release_is_made_for_the_same_platforms() {
        let workflow = read(Path::new(".github/workflows/release.yml"));
        let built: BTreeSet<&str> =
            workflow.split("target: ").skip(1).filter_map(|rest| rest.split(',').next()).collect();
        // Homebrew is not for Windows.
        let all: BTreeSet<&str> = TARGETS.into_iter().chain(["x86_64-pc-windows-msvc"]).collect();
        assert_eq!(built, all);
    }
}

/// Files whose texts are pages in Markdown, where code stands in backquotes, or read other people's backquotes.
const IN_MARKDOWN: [&str; 9] = [
    "cli/src/commands/reference",
    "cli/src/help/mod.rs",
    "cli/src/help/topics.rs",
    "cli/src/report/doctor.rs",
    "cli/src/report/page.rs",
    "cloud/src/google/sign_in/recipe.rs",
    "doctor/src/repository",
    "image/src/recipe.rs",
    "operations/src/config/reference.rs",
];

/// Advice ends with what is to be typed, behind a colon. A command that a message only names stands in double
/// quotes, as every value does, and in no backquotes.
#[test]
fn messages_have_one_style_of_naming_commands() {
    let mut files = 0;
    for part in ["cli", "cloud", "doctor", "image", "local", "operations"] {
        let mut open = vec![root().join("crates").join(part).join("src")];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(
                    fs::read_dir(&path).expect("readable").map(|entry| entry.expect("an entry").path()),
                );
                continue;
            }
            let shown = path.display().to_string();
            if path.extension().is_none_or(|kind| kind != "rs")
                || IN_MARKDOWN.iter().any(|other| shown.contains(other))
            {
                continue;
            }
            files += 1;
            let text = fs::read_to_string(&path).expect("text");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
                assert!(!(line.contains('`') && line.contains('"')), "{shown}: {line}");
            }
        }
    }
    assert!(files > 100, "{files}");
}
