//! Terminal recordings: the output of commands in a terminal, as text and as pictures for the documentation.
//!
//! A page of the documentation names a transcript between two comments, `<!-- transcript: NAME -->` and `<!--
//! end -->`; pictures are `docs/pictures/NAME-light.svg` and `-dark.svg`. Tests compare them with the present
//! output, and write them if [`WRITE`] says so: `cargo xtask docs`.
//!
//! To add a transcript or a picture: a test in `tests/tests/guide.rs` that records it, and the comments in the page.
//! To hide another value that differs from run to run: `redact`.

use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anstyle::RgbColor;
use anstyle_svg::{Term, VGA};
use quill_admin_testkit::docker::root;
use quill_admin_testkit::home::Run;
use quill_admin_testkit::terminal::Terminal;
use regex::Regex;
use vt100::Parser;

/// The variable that, set to `write`, makes tests write pages and pictures instead of comparing them.
pub const WRITE: &str = "QUILL_ADMIN_DOCS";

/// Number of rows of the terminal: more than a command prints, so that none scrolls away.
const ROWS: NonZeroU16 = NonZeroU16::new(400).expect("a number of rows");
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).expect("a number of columns");

/// Number of columns of a picture. The book shows it 750 pixels wide; with more columns the characters would be
/// smaller than 13 pixels there.
const PICTURE_COLUMNS: usize = 92;
/// Width of that many characters, in pixels: a character of 14 pixels is 8.4 pixels wide. Every picture has this
/// width, so that the characters of all have one size.
const PICTURE_WIDTH: usize = 773;

/// The style of a character, as the parameters of a terminal's escape sequence.
type Look = String;
/// A line, as characters with their styles.
type Line = Vec<(char, Look)>;

/// A terminal recording.
#[derive(Default)]
pub struct Recording {
    lines: Vec<Line>,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

impl Recording {
    /// An empty recording.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a command, as it is typed, and its output while `act` types.
    ///
    /// `run` is given the command's words without the program's name.
    #[must_use]
    pub fn command(
        mut self,
        command: &str,
        code: i32,
        run: impl FnOnce(&[&str]) -> Run,
        act: impl FnOnce(&mut Terminal),
    ) -> Self {
        let words = shell_words::split(command).expect("a command line");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(words.first(), Some(&"quill-admin"), "{command}");
        let mut terminal = run(&words[1..]).terminal();
        act(&mut terminal);
        let ended = terminal.wait();
        assert_eq!(ended.code(), code, "{command}\n{}", ended.text());
        if !self.lines.is_empty() {
            self.lines.push(Line::new());
        }
        self.lines.push(format!("$ {command}").chars().map(|c| (c, "1".to_owned())).collect());
        let mut lines = screen(&ended.transcript);
        // Remainders of a spinner are removed: how far it got differs from run to run.
        lines.retain(|line| !line.iter().any(|(character, _)| ('\u{2800}'..='\u{28ff}').contains(character)));
        // A prompt that was answered before it was drawn completely leaves a remainder.
        let answered = |pair: &[Line]| plain(&pair[0]).starts_with("? ") && plain(&pair[1]).starts_with("✔ ");
        while let Some(left) = lines.windows(2).position(answered) {
            lines.remove(left);
        }
        // The log is shown as it comes, which is not always in order.
        let is_log = |line: &Line| plain(line).starts_with("  │ ");
        for log in lines.chunk_by_mut(|one, next| is_log(one) && is_log(next)) {
            log.sort_by_key(|line| !plain(line).starts_with("  │ connecting "));
        }
        self.lines.extend(with_whole_values(lines).iter().map(redact));
        self
    }

    /// The recording as plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| plain(line).trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }

    fn svg(&self, term: Term) -> String {
        let mut ansi = String::new();
        for line in self.lines.iter().flat_map(wrapped) {
            let mut now = "";
            for (character, look) in &line {
                if look != now {
                    let _ = write!(ansi, "\x1b[0;{look}m");
                    now = look;
                }
                ansi.push(*character);
            }
            ansi.push_str("\x1b[0m\n");
        }
        // Dimmed text is too pale on light ground otherwise.
        term.render_svg(&ansi).replace(".dimmed { opacity: 0.4; }", ".dimmed { opacity: 0.65; }")
    }

    /// Checks that every page that names this transcript has it, word by word.
    pub fn transcript(&self, name: &str) {
        let mark = format!("<!-- transcript: {name} -->\n");
        let block = format!("{mark}```text\n{}```\n", self.text());
        let mut found = false;
        for page in pages() {
            update(&page, |text| {
                let Some((before, rest)) = text.split_once(&mark) else { return text.to_owned() };
                found = true;
                let (_, after) =
                    rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{mark} has no end"));
                format!("{before}{block}<!-- end -->{after}")
            });
        }
        assert!(found, "no page has the transcript {name}");
    }

    /// Checks that the two pictures show the recording.
    pub fn picture(&self, name: &str) {
        // The palettes of terminals are made for black; these are red, green, yellow, cyan and grey that can be read
        // on either ground.
        for (theme, text, ground, colours) in [
            (
                "light",
                0x1f_23_28,
                0xf6_f8_fa,
                [(1, 0xcf_22_2e), (2, 0x1a_7f_37), (3, 0x9a_67_00), (6, 0x1b_7c_83), (8, 0x59_63_6e)],
            ),
            (
                "dark",
                0xe6_ed_f3,
                0x0d_11_17,
                [(1, 0xff_7b_72), (2, 0x3f_b9_50), (3, 0xd2_99_22), (6, 0x39_c5_cf), (8, 0x8b_94_9e)],
            ),
        ] {
            let mut palette = VGA;
            for (number, colour) in colours {
                palette.0[number] = rgb(colour);
            }
            let term = Term::new().min_width_px(PICTURE_WIDTH).palette(palette);
            let term = term.fg_color(rgb(text).into()).bg_color(rgb(ground).into());
            let svg = self.svg(term);
            update(&root().join(format!("docs/pictures/{name}-{theme}.svg")), |_| svg.clone());
        }
    }
}

/// The pages that may have transcripts.
#[must_use]
pub fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let folder = fs::read_dir(root().join("docs")).expect("docs");
    pages.extend(
        folder
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|it| it == "md")),
    );
    pages.sort();
    pages
}

/// Compares a file with the wanted content, or writes it.
fn update(path: &Path, wanted: impl FnOnce(&str) -> String) {
    // Recordings are tests, which run at the same time, and several are on one page.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let is = fs::read_to_string(path).unwrap_or_default();
    let wanted = wanted(&is);
    if is == wanted {
        return;
    }
    if std::env::var(WRITE).is_ok_and(|value| value == "write") {
        fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
        fs::write(path, wanted).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let differs = wanted.lines().zip(is.lines()).find(|(wanted, is)| wanted != is);
    panic!("{} is stale; write it with: cargo xtask docs\nfirst difference: {differs:#?}", path.display());
}

/// The final content of the screen; lines that were wrapped at its edge are joined.
fn screen(transcript: &str) -> Vec<Line> {
    let mut parser = Parser::new(ROWS, COLUMNS, 0);
    parser.process(transcript.as_bytes());
    let screen = parser.screen();
    let last = screen.cell(ROWS.get() - 1, 0);
    assert!(last.is_some_and(|cell| !cell.has_contents()), "it is longer than the screen");
    let mut lines = Vec::new();
    let mut line = Line::new();
    for row in 0..ROWS.get() {
        for column in 0..COLUMNS.get() {
            let Some(cell) = screen.cell(row, column) else { continue };
            if cell.is_wide_continuation() {
                continue;
            }
            let look = look(cell);
            let contents = cell.contents();
            let contents = if contents.is_empty() { " " } else { contents };
            line.extend(contents.chars().map(|character| (character, look.clone())));
        }
        if !screen.row_wrapped(row) {
            while line.last().is_some_and(|(character, _)| *character == ' ') {
                line.pop();
            }
            lines.push(std::mem::take(&mut line));
        }
    }
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

/// Joins values that the program has broken for the terminal's width. A part of one could not be redacted, and the
/// values of these tests are longer than those of readers.
fn with_whole_values(lines: Vec<Line>) -> Vec<Line> {
    const BEFORE: usize = 19;
    let blank = |line: &Line| line.iter().take_while(|(character, _)| *character == ' ').count();
    let mut whole: Vec<Line> = Vec::new();
    for line in lines {
        match whole.last_mut() {
            Some(field) if blank(&line) == BEFORE && [2, BEFORE].contains(&blank(field)) => {
                field.extend_from_slice(&line[BEFORE - 1..]);
            }
            _ => whole.push(line),
        }
    }
    whole
}

fn look(cell: &vt100::Cell) -> Look {
    let mut look = Vec::new();
    if cell.bold() {
        look.push("1".to_owned());
    }
    if cell.dim() {
        look.push("2".to_owned());
    }
    if cell.underline() {
        look.push("4".to_owned());
    }
    match cell.fgcolor() {
        vt100::Color::Default => {}
        vt100::Color::Idx(number) => look.push(format!("38;5;{number}")),
        vt100::Color::Rgb(red, green, blue) => look.push(format!("38;2;{red};{green};{blue}")),
    }
    look.join(";")
}

/// A colour, of a number with two hexadecimal digits each for red, green and blue.
fn rgb(colour: u32) -> RgbColor {
    let [_, red, green, blue] = colour.to_be_bytes();
    RgbColor(red, green, blue)
}

/// Breaks a line that is too long for a picture, at a space if there is one. What goes on below is indented further
/// than the line.
fn wrapped(line: &Line) -> Vec<Line> {
    let indent = line.iter().take_while(|(character, _)| *character == ' ').count() + 4;
    let mut rest = line.clone();
    let mut lines = Vec::new();
    while rest.len() > PICTURE_COLUMNS {
        let space = rest[..=PICTURE_COLUMNS].iter().rposition(|(character, _)| *character == ' ');
        let end = space.filter(|space| *space > indent).unwrap_or(PICTURE_COLUMNS);
        let mut next = vec![(' ', Look::new()); indent];
        next.extend(rest.split_off(end).into_iter().skip_while(|(character, _)| *character == ' '));
        lines.push(std::mem::replace(&mut rest, next));
    }
    lines.push(rest);
    lines
}

fn plain(line: &Line) -> String {
    line.iter().map(|(character, _)| character).collect()
}

/// Replaces text that differs from run to run, or belongs to the machine on which the tests run, by examples
/// for readers.
fn redact(line: &Line) -> Line {
    [
        (r"(quill-tasks-[a-z]+)-[a-z0-9]{5}\b", "$1-x7k2p"),
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
            "019ab2c4-5d6e-7f80-91a2-b3c4d5e6f708",
        ),
        // On Cloud Run these take longer than here.
        (r"\d+\.\d s\b", "11.8 s"),
        (r"(in local \()11\.8 s", "${1}1.4 s"),
        (r"(^✔ built.* \()11\.8 s", "${1}96.2 s"),
        (r"(own image again \()11\.8 s", "${1}38.5 s"),
        (r"(healthy \()11\.8 s", "${1}4.6 s"),
        (r"\d+\.\d\d kB\b", "4.27 kB"),
        (r"\d+\.\d\d MB\b", "38.41 MB"),
        // The server's version on this machine is replaced; the embedded one is the same everywhere.
        (r"((server|connected:) +)PostgreSQL \d+\.\d+( \([^)]*\))?(, TLS|$)", "${1}PostgreSQL 15.14$4"),
        (r"\w+ of Docker Engine \S+", "BuildKit of Docker Engine 28.3.2"),
        (r"Docker Engine \S+, [^,]+, ", "Docker Engine 28.3.2, BuildKit, "),
        (r"\d+\.\d\d GB free", "61.30 GB free"),
        (r"sha256:[0-9a-f]{12}\b", "sha256:4b825dc642cb"),
        // The database and the registry stand in for Google's.
        (r"(127\.0\.0\.1|localhost):\d+/quill_[0-9a-f]{32} as \w+", "10.20.0.3:5432/quill_core as quill"),
        (r"(target )127\.0\.0\.1:\d+/", "${1}10.20.0.3:5432/"),
        (r"(AUTH_DB_HOST:) 127\.0\.0\.1", "$1 10.20.0.3"),
        (r"\b10\.0\.0\.3\b", "10.20.0.3"),
        (r"as quill_[0-9a-f]{32}", "as quill"),
        (r"quill_[0-9a-f]{32}", "quill_core"),
        (r"\(TLS: require\)", "(TLS: verify-ca)"),
        (r"127\.0\.0\.1:\d+/quill-medical", "europe-west2-docker.pkg.dev/quill-medical"),
        (r"example\.invalid/none:1", "rust:1.95.0-slim-bookworm"),
        (r"(127\.0\.0\.1|localhost):\d+", "$1:41873"),
        (r"(sha256:|source-)([0-9a-f]{64}|[0-9a-f]{32})\b", "${1}4b825dc642cb6eb9a060e54bf8d69288"),
        (r"^(  plan )[0-9a-f]{64}$", "${1}9f2c4e6a8b0d1f3355779911bbddff00224466881a3c5e7f90b2d4f6183a5c7e"),
        (r"(source {10,}|latest, )[0-9a-f]{12}", "${1}3f2c78be9d10"),
        (r"\b0123456789ab\b", "3f2c78be9d10"),
        // The backend's image is another one than the tasks'.
        (r"(backend@sha256:)4b825dc642cb", "${1}c19d07e5a3f2"),
        (r"^(  revision +quill-backend-staging)-\d{5}-[a-z0-9]{3}", "$1-00043-m2c"),
        (r"-00001-abc\b", "-00041-h4t"),
        (r"-00002-abc\b", "-00042-wq8"),
        // The emulator asks for no sign-in.
        (r"emulator@localhost \(tester\)", "steve@example.org (steve)"),
        (r"not asked for: everything is on this machine", "steve@example.org by gcloud auth login"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d", "2026-08-14 09:30"),
        (r"((^  source .* of|, built) )2026-08-14 09:30", "${1}2026-08-03 16:05"),
        // Since the lock was made, see the recording of the doctor.
        (r"(^ +since )2026-08-14 09:30", "${1}2026-08-14 07:12"),
        (r"1786691529000000", "1786691529483160"),
        (r"\b\d\d:\d\d:\d\d(\.\d+)?", "09:30:00"),
        (r"/\S+/quill-admin-home-\w+/work", "~/quill-admin"),
        (r"/\S+/quill-admin-home-\w+", "~"),
    ]
    .iter()
    .fold(line.clone(), |line, (pattern, replacement)| {
        replace(&line, &Regex::new(pattern).expect("a valid pattern"), replacement)
    })
}

/// Replaces matches of a pattern; the replacement has the style of the first replaced character.
fn replace(line: &Line, pattern: &Regex, replacement: &str) -> Line {
    let text = plain(line);
    let position = |byte: usize| text[..byte].chars().count();
    let mut replaced = Line::new();
    let mut done = 0;
    for captures in pattern.captures_iter(&text) {
        let found = captures.get(0).expect("the whole match");
        let (from, to) = (position(found.start()), position(found.end()));
        let mut new = String::new();
        captures.expand(replacement, &mut new);
        replaced.extend_from_slice(&line[done..from]);
        replaced.extend(new.chars().map(|character| (character, line[from].1.clone())));
        done = to;
    }
    replaced.extend_from_slice(&line[done..]);
    replaced
}
