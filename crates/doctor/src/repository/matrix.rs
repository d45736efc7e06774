//! The matrix of a GitHub job: the values of `matrix.…` in each of its runs ("Running variations of jobs in a
//! workflow").

use quill_admin_yaml::{Node, Value};

use super::yaml::{get, items, text};

/// The number of runs of a job at most, which is more than anybody has; further ones are ignored.
const RUNS: usize = 256;

/// One run of a job.
#[derive(Debug, Clone, Default)]
pub(super) struct Run<'a> {
    /// The line of its entry in the file.
    pub(super) line: Option<u64>,
    /// The values of the matrix; `None` where they are known only when the job runs.
    values: Option<Vec<(&'a str, &'a Node)>>,
}

/// A single run with unknown values.
fn unknown<'a>() -> Vec<Run<'a>> {
    vec![Run::default()]
}

fn entries(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().filter_map(|(key, value)| Some((text(key)?, value)))
}

/// The runs of a job: all combinations of its matrix's lists, and those that `include` adds.
pub(super) fn runs(job: &Node) -> Vec<Run<'_>> {
    let Some(matrix) = get(job, "strategy").and_then(|strategy| get(strategy, "matrix")) else {
        return unknown();
    };
    let is_list = |node: &Node| matches!(node.value, Value::List(_));
    let lists: Vec<(&str, &Node)> =
        entries(matrix).filter(|(key, _)| *key != "include" && *key != "exclude").collect();
    let include = get(matrix, "include");
    // A list that an expression makes is known only when it runs.
    if entries(matrix).next().is_none()
        || lists.iter().any(|(_, list)| !is_list(list))
        || include.is_some_and(|include| !is_list(include))
    {
        return unknown();
    }
    let mut runs: Vec<Run<'_>> = Vec::new();
    if !lists.is_empty() {
        runs.push(Run { line: Some(matrix.place.line), values: Some(Vec::new()) });
    }
    for (key, list) in lists {
        let mut combined = Vec::new();
        for (run, item) in
            runs.iter().flat_map(|run| items(list).iter().map(move |item| (run, item))).take(RUNS)
        {
            let mut values: Vec<(&str, &Node)> = run.values.clone().unwrap_or_default();
            values.push((key, item));
            combined.push(Run { line: Some(item.place.line), values: Some(values) });
        }
        runs = combined;
    }
    let own = runs.len();
    for entry in include.map(items).unwrap_or_default() {
        // The entry goes into every combination that it does not contradict; if there is none, it is a run of
        // its own.
        let fits = |run: &Run<'_>| {
            let mut values = run.values.iter().flatten();
            values.all(|(key, value)| {
                get(entry, key).is_none_or(|other| text(other).is_some() && text(other) == text(value))
            })
        };
        let mut used = false;
        for run in runs[..own].iter_mut().filter(|run| fits(run)) {
            used = true;
            run.values.get_or_insert_default().extend(entries(entry));
        }
        if !used {
            runs.push(Run { line: Some(entry.place.line), values: Some(entries(entry).collect()) });
        }
    }
    if runs.is_empty() { unknown() } else { runs }
}

impl Run<'_> {
    /// The text with every `${{ matrix.… }}` replaced by its value; other expressions stay.
    pub(super) fn fill(&self, text: &str) -> String {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${{") {
            let Some((expression, after)) = after.split_once("}}") else { break };
            filled.push_str(before);
            match self.value(expression.trim()) {
                Some(value) => filled.push_str(&value),
                None => filled = format!("{filled}${{{{{expression}}}}}"),
            }
            rest = after;
        }
        filled + rest
    }

    /// The value of `matrix.a.b`, or of `matrix.a || 'b'`. A key that a run does not have is empty.
    fn value(&self, expression: &str) -> Option<String> {
        let values = self.values.as_ref()?;
        if let Some((first, second)) = expression.split_once("||") {
            let first = self.value(first.trim())?;
            return if first.is_empty() { self.value(second.trim()) } else { Some(first) };
        }
        if let Some(literal) = expression.strip_prefix('\'') {
            return Some(literal.strip_suffix('\'')?.to_owned());
        }
        let mut path = expression.strip_prefix("matrix.")?.split('.');
        let first = path.next()?;
        if !expression.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return None;
        }
        // Later entries are those of `include`.
        let found = values.iter().rev().find(|(key, _)| *key == first).map(|(_, value)| *value);
        let found = found.and_then(|found| path.try_fold(found, get));
        Some(found.and_then(text).unwrap_or_default().to_owned())
    }
}
