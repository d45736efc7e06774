//! Completions, manual pages and the version, for shells and packagers.

use std::fs;
use std::process::Command;

use quill_admin_e2e::Finished as _;
use quill_admin_testkit::docker::{root, run};
use quill_admin_testkit::home::Home;
use quill_admin_testkit::{bin, skip};

/// The completions of the last word.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let asked = home
        .quill_admin(["--", "quill-admin"])
        .args(words.iter().copied())
        .env("QUILL_ADMIN_COMPLETE", "fish")
        .output()
        .exits(0);
    assert_eq!(asked.stderr, "");
    asked.stdout.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn environments_of_the_file_are_completed() {
    let home = Home::with_environments();
    assert_eq!(offered(&home, &["show-user", "--env", ""]), ["staging", "teaching", "prod", "local"]);
    assert_eq!(offered(&home, &["show-user", "-e", "t"]), ["teaching"]);
    assert_eq!(offered(&home, &["-e", "pr"]), ["prod"]);
    // Another file is used, in whatever way it is named.
    home.write(
        "other.yaml",
        "{ defaults: { region: europe-west2 }, environments: { mars: { project: quill-mars } } }",
    );
    assert_eq!(offered(&home, &["--config", "other.yaml", "cs", "-e", ""]), ["mars"]);
    assert_eq!(offered(&home, &["--config=other.yaml", "cs", "-e", ""]), ["mars"]);
    // A file that cannot be read gives no completions, and no message in the middle of a line.
    home.write("environments.yaml", "environments: [");
    assert_eq!(offered(&home, &["show-user", "--env", ""]), [""; 0]);
}

#[test]
fn commands_roles_levels_and_shells_are_completed() {
    let home = Home::with_environments();
    assert_eq!(offered(&home, &["create"]), ["create-superadmin", "create-user"]);
    assert_eq!(
        offered(&home, &["ar", "--role", "Clinical"]),
        ["Clinical Administrator", "Clinical Support Staff"]
    );
    assert_eq!(offered(&home, &["remove-role", "-r", "Patient"]), ["Patient", "Patient Advocate"]);
    assert_eq!(offered(&home, &["up", "-p", ""]), ["patient", "single-user", "staff", "admin", "superadmin"]);
    assert_eq!(offered(&home, &["completions", "b"]), ["bash"]);
    // The first word after a task is an environment; `help` has commands and topics.
    assert_eq!(offered(&home, &["add-role", "te"]), ["teaching"]);
    assert_eq!(offered(&home, &["doctor", "pr"]), ["prod"]);
    assert_eq!(offered(&home, &["help", "perm"]), ["permissions"]);
    assert_eq!(offered(&home, &["help", "update"]), ["update-permissions"]);
    // Nobody is offered an option that means nothing to the command.
    assert!(!offered(&home, &["login", "--"]).contains(&"--runner".to_owned()));
}

/// Checks a completion in a terminal, as people use it. The completed line is shown by putting `echo` in
/// front of it, with a word that looks different when it is printed.
fn completes(home: &Home, shell: &[&str], prepare: &str, typed: &str, line: &str) {
    let programs = bin::quill_admin().parent().expect("a folder").display().to_string();
    let path = format!("{programs}:/usr/local/bin:/usr/bin:/bin");
    let mut terminal =
        home.run(shell[0]).args(shell[1..].iter().copied()).env("PATH", path.as_str()).terminal();
    terminal.type_line(prepare).expect("prepared");
    terminal.type_text(typed).type_text("\t\x01echo i''s ").enter().expect(&format!("is {line}"));
}

/// Whether a shell is installed.
fn is_installed(shell: &str) -> bool {
    Command::new(shell).arg("-c").arg("true").status().is_ok_and(|status| status.success())
}

const TEACHING: [&str; 2] = ["quill-admin add-role --env te", "quill-admin add-role --env teaching"];
/// A role is one word, even if part of it has been typed.
const ESCAPED: [&str; 2] =
    ["quill-admin add-role -r Clinical\\ A", "quill-admin add-role -r Clinical Administrator"];
const QUOTED: [&str; 2] =
    ["quill-admin add-role -r 'Clinical S", "quill-admin add-role -r Clinical Support Staff"];

#[test]
fn bash_completes() {
    let home = Home::with_environments();
    for [typed, line] in [TEACHING, ESCAPED] {
        let prepare = "PS1='% '; source <(quill-admin completions bash); echo pre'pared'";
        completes(&home, &["bash", "--norc", "-i"], prepare, typed, line);
    }
}

#[test]
fn zsh_completes() {
    if !is_installed("zsh") {
        skip!("zsh", "it is not installed");
    }
    let home = Home::with_environments();
    let script = home.quill_admin(["completions", "zsh"]).output().exits(0).stdout;
    home.write("functions/_quill-admin", &script);
    let start = "PROMPT='% '; autoload -U compinit";
    for prepare in [
        format!("{start}; compinit -D; source <(quill-admin completions zsh); echo pre'pared'"),
        // The script is installed like a package's: it is read when Tab is pressed for the first time.
        format!("{start}; fpath=($PWD/functions $fpath); compinit -D -u; echo pre'pared'"),
    ] {
        for [typed, line] in [TEACHING, ESCAPED, QUOTED] {
            completes(&home, &["zsh", "-f", "-i"], &prepare, typed, line);
        }
    }
}

#[test]
fn fish_completes() {
    if !is_installed("fish") {
        skip!("fish", "it is not installed");
    }
    let home = Home::with_environments();
    for [typed, line] in [TEACHING, ESCAPED, QUOTED] {
        let prepare = "quill-admin completions fish | source; echo pre'pared'";
        completes(&home, &["fish", "--no-config", "-i"], prepare, typed, line);
    }
}

#[test]
fn every_shell_has_a_script_and_no_other() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "nushell"] {
        let script = home.quill_admin(["completions", shell]).output().exits(0).stdout;
        assert!(script.contains("quill-admin"), "{shell}: {script}");
        let json = home.quill_admin(["completions", shell, "--json"]).output().exits(0).json();
        assert_eq!(json["script"], script.as_str());
    }
    let refused = home.quill_admin(["completions", "tcsh"]).output().exits(2);
    assert!(
        refused.stderr.contains("invalid value 'tcsh'")
            && refused.stderr.contains("bash, zsh, fish, powershell, nushell"),
        "{refused}"
    );
    // A shell without a script of its own.
    let unknown =
        home.quill_admin(["--", "quill-admin", ""]).env("QUILL_ADMIN_COMPLETE", "tcsh").output().exits(2);
    assert_eq!((unknown.stdout, unknown.stderr), (String::new(), String::new()));
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let wrote = home.quill_admin(["man", "share/man1"]).output().exits(0);
    let folder = home.work().join("share/man1");
    let mut pages: Vec<String> = fs::read_dir(&folder)
        .expect("the pages")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    pages.sort();
    assert_eq!(wrote.stdout, format!("wrote {} pages to {}\n", pages.len(), folder.display()));
    for page in ["quill-admin.1", "quill-admin-create-superadmin.1", "quill-admin-local-reset.1"] {
        assert!(pages.iter().any(|one| one == page), "{pages:?}");
    }
    assert!(!pages.iter().any(|page| page.contains("reference")), "{pages:?}");
    let text = fs::read_to_string(folder.join("quill-admin-add-role.1")).expect("a page");
    for part in [".TH quill-admin-add-role 1", "quill-admin 0.", ".SH OPTIONS", "Clinical Support Staff"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }

    for page in &pages {
        let text = fs::read_to_string(folder.join(page)).expect("a page");
        for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"] {
            assert!(
                text.contains(&format!(".SH \"{section}\"")) || text.contains(&format!(".SH {section}\n")),
                "{page}: {text}"
            );
        }
    }
    // Each page lists the exit codes of its own command.
    for (page, has, lacks) in [
        ("quill-admin-add-role.1", &["10", "27", "28"][..], &["29", "32"][..]),
        ("quill-admin-actions-check.1", &["2", "15", "34"], &["10", "21", "27"]),
        ("quill-admin-actions.1", &["21"], &["10", "34"]),
        ("quill-admin-completions.1", &["0", "2", "33", "130"], &["20", "34"]),
        ("quill-admin-local-reset.1", &["34"], &["21"]),
    ] {
        let text = fs::read_to_string(folder.join(page)).expect("a page");
        let lists = |code: &&&str| text.contains(&format!(".TP\n\\fB{code}\\fR\n"));
        assert!(
            has.iter().all(|code| lists(&code)) && !lacks.iter().any(|code| lists(&code)),
            "{page}: {text}"
        );
    }
    let text = fs::read_to_string(folder.join("quill-admin.1")).expect("a page");
    for part in ["QUILL_ADMIN_NO_INPUT", "environments.yaml", "quill\\-admin\\-local\\fR(1)", "row locked"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let text = fs::read_to_string(folder.join("quill-admin-local-reset.1")).expect("a page");
    assert!(text.contains("quill\\-admin\\-local\\fR(1)"), "{text}");

    home.write("file", "");
    let refused = home.quill_admin(["man", "file"]).output().exits(2);
    assert!(refused.stderr.starts_with("error: failed to write to "), "{refused}");
    let refused = home.quill_admin(["man"]).output().exits(2);
    assert!(refused.stderr.contains("<FOLDER>"), "{refused}");
}

#[test]
fn the_version_names_the_revision_and_the_contract() {
    let told = Home::new().quill_admin(["--version"]).output().exits(0).stdout;
    let git = |args: &[&str]| run(Command::new("git").args(args).current_dir(root())).trim().to_owned();
    let revision = git(&["rev-parse", "--short=12", "HEAD"]);
    let version = env!("CARGO_PKG_VERSION");
    let clean = format!("quill-admin {version} ({revision}, contract 4)\n");
    let dirty = format!("quill-admin {version} ({revision}-dirty, contract 4)\n");
    assert!(told == clean || told == dirty, "{told}");
    // The command says the same, and more to programs.
    assert_eq!(Home::new().quill_admin(["version"]).output().exits(0).stdout, told);
    let document = Home::new().quill_admin(["version", "--json"]).output().exits(0).json();
    assert_eq!(document["version"], version, "{document}");
    assert_eq!(document["contract"], serde_json::json!({"oldest": 1, "newest": 4}), "{document}");
    let commit = document["commit"].as_str().expect("git knows it");
    assert!(told.contains(&format!("({commit}, ")), "{told} {document}");
}
