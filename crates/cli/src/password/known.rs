//! Finds the parts of a password that count for nothing, because anyone who knows the application and the
//! user guesses them first: their words, joined or split, written with digits and signs for letters,
//! backwards, with years.
//!
//! To let another sign stand for a letter: `read_as`. The words themselves come from `PasswordRules` in
//! `password.rs`.

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Well-known words, in the forms in which they are looked for in a password.
pub(super) struct Known {
    /// The words in lower case, without accents, with letters for digits; each once.
    words: Vec<Vec<char>>,
}

/// The length from which a word counts anywhere. Shorter words are part of many other words: they count only
/// alone, or beside another word that counts.
const ANYWHERE: usize = 4;

/// The most digits in a row that people add to such a word: a year, a counter, a birthday.
const ADDED: usize = 6;

impl Known {
    /// Takes the words from texts such as `steve.jones@example.org`: each part is a word.
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words: Vec<Vec<char>> = Vec::new();
        for text in texts {
            for part in text.split(|c: char| !c.is_alphanumeric()) {
                let part: Vec<char> = part.chars().filter_map(fold).collect();
                let letters = part.split(|c| c.is_numeric());
                let digits = part.split(|c| !c.is_numeric());
                for word in std::iter::once(&part[..]).chain(letters).chain(digits) {
                    let plain: Vec<char> =
                        word.iter().map(|c| read_as(*c).first().copied().unwrap_or(*c)).collect();
                    for word in [word.to_vec(), plain] {
                        let backwards = word.iter().rev().copied().collect();
                        words.extend([word, backwards]);
                    }
                }
            }
        }
        words.retain(|word| word.len() > 1);
        words.sort_unstable();
        words.dedup();
        Self { words }
    }

    /// The words, for an estimate that tries them first.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.words.iter().map(|word| word.iter().collect())
    }

    /// The rest of a password without these words, without years, and without the signs that join them. The
    /// words are chosen so that as little as possible is left.
    pub(super) fn without(&self, password: &str) -> Zeroizing<String> {
        let mut text = Zeroizing::new(Vec::with_capacity(password.len()));
        text.extend(password.chars());
        let mut worthless = self.covered(&text);
        // Signs between words, or around them, join them, and so do the few digits that people add.
        let kinds: [fn(char) -> bool; 2] = [|c| !c.is_alphanumeric(), |c| !c.is_alphabetic()];
        for added in kinds {
            let mut at = 0;
            while at < text.len() {
                let length = text[at..].iter().take_while(|c| added(**c)).count();
                let (start, end) = (at, at + length);
                let digits = text[start..end].iter().filter(|c| c.is_alphanumeric()).count();
                // Digits that stand for a letter of a word are covered themselves.
                let joins = (start > 0 && worthless[start - 1])
                    || worthless.get(end).copied().unwrap_or(false)
                    || worthless[start..end].contains(&true);
                worthless[start..end].iter_mut().for_each(|it| *it |= joins && digits <= ADDED);
                at = end + 1;
            }
        }
        let mut left = Zeroizing::new(String::with_capacity(password.len()));
        left.extend(text.iter().zip(worthless).filter(|(_, worthless)| !worthless).map(|(c, _)| *c));
        left
    }

    /// The characters that belong to words or years, chosen so that as many as possible do.
    fn covered(&self, text: &[char]) -> Vec<bool> {
        let length = text.len();
        // For each place, counted from the end: the fewest characters that stay, and the piece to begin with.
        let mut best = vec![[Way::default(); STATES.len()]; length + 1];
        for at in (0..length).rev() {
            let pieces = self.pieces(text, at);
            for state in STATES {
                let mut way = if state == State::Joined {
                    Way::IMPOSSIBLE
                } else {
                    let rest = best[at + 1][State::Free as usize].stays;
                    Way { stays: rest + usize::from(text[at].is_alphanumeric()), piece: None }
                };
                for (end, word) in &pieces {
                    let begins = *word >= ANYWHERE || state != State::Free || is_edge(text, at);
                    let next =
                        if *word >= ANYWHERE || is_edge(text, *end) { State::Covered } else { State::Joined };
                    let stays = best[*end][next as usize].stays;
                    if begins && stays < way.stays {
                        way = Way { stays, piece: Some((*end, next)) };
                    }
                }
                best[at][state as usize] = way;
            }
        }
        let mut covered = vec![false; length];
        let (mut at, mut state) = (0, State::Free);
        while at < length {
            if let Some((end, next)) = best[at][state as usize].piece {
                covered[at..end].fill(true);
                (at, state) = (end, next);
            } else {
                (at, state) = (at + 1, State::Free);
            }
        }
        covered
    }

    /// The words and years that begin at a place, each with its end and its length.
    fn pieces(&self, text: &[char], at: usize) -> Vec<(usize, usize)> {
        let mut pieces = Vec::new();
        for word in &self.words {
            pieces.extend(ends(text, at, word).into_iter().map(|end| (end, word.len())));
        }
        // A year may have signs between its digits.
        let digits = text.iter().enumerate().skip(at).filter(|(_, c)| c.is_alphanumeric()).take(4);
        let (places, year): (Vec<usize>, Vec<char>) = digits.unzip();
        if let (Some(first), Some(last)) = (places.first(), places.get(3))
            && *first == at
            && matches!(year[..2], ['1', '9'] | ['2', '0'])
            && year.iter().all(char::is_ascii_digit)
        {
            pieces.push((last + 1, ANYWHERE));
        }
        pieces
    }
}

/// The way in which the text before a place was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was read as a character that stays.
    Free,
    /// It was read as a word that counts for nothing.
    Covered,
    /// It was read as a short word, which counts only if another follows at once.
    Joined,
}

const STATES: [State; 3] = [State::Free, State::Covered, State::Joined];

#[derive(Debug, Clone, Copy, Default)]
struct Way {
    stays: usize,
    piece: Option<(usize, State)>,
}

impl Way {
    /// A number of characters that no text has.
    const IMPOSSIBLE: Self = Self { stays: usize::MAX / 2, piece: None };
}

/// Whether a word may begin or end here: at an end of the text, at a sign, or between letters and digits.
fn is_edge(text: &[char], at: usize) -> bool {
    let kind = |c: &char| (c.is_alphabetic(), c.is_numeric());
    match (at.checked_sub(1).and_then(|before| text.get(before)), text.get(at)) {
        (Some(before), Some(after)) => kind(before) != kind(after) || !before.is_alphanumeric(),
        _ => true,
    }
}

/// The places where a word can end that begins here, with any signs between its letters.
fn ends(text: &[char], at: usize, word: &[char]) -> Vec<usize> {
    let mut places = vec![at];
    for (index, letter) in word.iter().enumerate() {
        let mut next = Vec::new();
        for place in places {
            for (here, c) in text.iter().enumerate().skip(place) {
                if fold(*c) == Some(*letter) || read_as(*c).contains(letter) {
                    next.push(here + 1);
                }
                if index == 0 || c.is_alphanumeric() {
                    break;
                }
            }
        }
        next.dedup();
        if next.is_empty() {
            return next;
        }
        places = next;
    }
    places
}

/// A letter without case and accents; `None` for an accent by itself.
fn fold(c: char) -> Option<char> {
    let base = std::iter::once(c).nfkd().next()?;
    if unicode_normalization::char::is_combining_mark(base) {
        return None;
    }
    base.to_lowercase().next()
}

/// The letters that a digit or sign can stand for.
fn read_as(c: char) -> &'static [char] {
    match c {
        '0' => &['o'],
        '1' | '!' | '|' => &['i', 'l'],
        '2' => &['z'],
        '3' | '€' => &['e'],
        '4' | '@' => &['a'],
        '5' | '$' | '§' => &['s'],
        '6' => &['g', 'b'],
        '7' => &['t', 'l'],
        '8' => &['b'],
        '9' => &['g'],
        '+' => &['t'],
        '(' | '<' | '{' | '[' => &['c'],
        '£' => &['l'],
        '#' => &['h'],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(password: &str) -> String {
        Known::new(["quill", "medical", "steve.jones@example.org", "qa", "eve", "müller77"])
            .without(password)
            .to_string()
    }

    #[test]
    fn known_words_count_for_nothing_however_they_are_written() {
        for known in [
            "quillmedical2026",
            "quill medical steve.jones",
            "Qu1llM3d1c@l!",
            "q.u.i.l.l-m e d i c a l",
            "lacidem_lliuq",
            "$t3v3J0n35+quill",
            "2026quill2025medical1999",
            "steve@example.org",
            "sevetquill",
            "qaquillqa",
            "Müller77quill",
            "MULLER",
            "¡quill!#?",
        ] {
            let left = left(known);
            // "sevet" is not one of the person's words.
            assert!(left.is_empty() || (known.starts_with("sevet") && left == "sevet"), "{known}: {left}");
        }
    }

    #[test]
    fn what_is_not_theirs_stays() {
        for good in ["correct horse battery staple", "believe eleven seven", "aqaba", "x7$k!p#9", "3018 1899"]
        {
            assert_eq!(left(good), good);
        }
        assert_eq!(left("correct-quill-horse 2026"), "correcthorse");
        assert_eq!(left("quillotine"), "otine");
        assert_eq!(left("eve believes"), "believes");
    }
}
