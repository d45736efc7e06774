//! The matrix of a GitHub job: the values of `matrix.…` in each of its runs ("Running variations of jobs in a
//! workflow").

use quill_admin_yaml::{Node, Value};

use super::yaml::{self, get, items, same, text};

/// The largest number of combinations, before some are excluded. GitHub starts 256 runs at most.
const COMBINATIONS: usize = 4096;

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
    yaml::entries(node).iter().filter_map(|(key, value)| Some((text(key)?, value)))
}

/// The runs of a job: all combinations of its matrix's lists but those that `exclude` names, and those that
/// `include` adds.
pub(super) fn runs(job: &Node) -> Vec<Run<'_>> {
    let Some(matrix) = get(job, "strategy").and_then(|strategy| get(strategy, "matrix")) else {
        return unknown();
    };
    let is_list = |node: &Node| matches!(node.value, Value::List(_));
    let lists: Vec<(&str, &Node)> =
        entries(matrix).filter(|(key, _)| *key != "include" && *key != "exclude").collect();
    let (include, exclude) = (get(matrix, "include"), get(matrix, "exclude"));
    let count = lists.iter().fold(1, |count: usize, (_, list)| count.saturating_mul(items(list).len()));
    // A list that an expression makes is known only when it runs.
    if entries(matrix).next().is_none()
        || !lists.iter().map(|(_, list)| *list).chain(include).chain(exclude).all(is_list)
        || count > COMBINATIONS
    {
        return unknown();
    }
    let mut runs: Vec<Run<'_>> = Vec::new();
    if !lists.is_empty() {
        runs.push(Run { line: Some(matrix.place.line), values: Some(Vec::new()) });
    }
    for (key, list) in &lists {
        let mut combined = Vec::new();
        for (run, item) in runs.iter().flat_map(|run| items(list).iter().map(move |item| (run, item))) {
            let mut values: Vec<(&str, &Node)> = run.values.clone().unwrap_or_default();
            values.push((key, item));
            combined.push(Run { line: Some(item.place.line), values: Some(values) });
        }
        runs = combined;
    }
    let exclude = exclude.map(items).unwrap_or_default();
    runs.retain(|run| !exclude.iter().any(|entry| run.has(entry)));
    let own = runs.len();
    for entry in include.map(items).unwrap_or_default() {
        // The entry goes into every combination whose own values it leaves as they are; if there is none, it is a
        // run of its own.
        let fits = |run: &Run<'_>| {
            let values = run.values.iter().flatten().take(lists.len());
            values.into_iter().all(|(key, value)| get(entry, key).is_none_or(|other| same(other, value)))
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
    runs
}

impl Run<'_> {
    /// Whether it has all values of an entry.
    fn has(&self, entry: &Node) -> bool {
        let value = |name: &str| self.values.iter().flatten().find(|(key, _)| *key == name);
        entries(entry).next().is_some()
            && entries(entry).all(|(key, other)| value(key).is_some_and(|(_, value)| same(value, other)))
    }

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

#[cfg(test)]
mod tests {
    use quill_admin_yaml::Format;

    use super::*;

    /// The runs of a matrix, each by what a text becomes in it.
    fn filled(matrix: &str, text: &str) -> Vec<String> {
        const FORMAT: Format = Format { depth: 64, enough: "a workflow has", habit: |_| None };
        let job = yaml::read(&format!("strategy: {{ matrix: {matrix} }}"), &FORMAT).expect("YAML").top;
        runs(&job).iter().map(|run| run.fill(text)).collect()
    }

    #[test]
    fn combinations_that_are_excluded_do_not_run() {
        let text = "${{ matrix.a }}${{ matrix.b }}";
        assert_eq!(filled("{ a: [1, 2], b: [x, y] }", text), ["1x", "1y", "2x", "2y"]);
        assert_eq!(filled("{ a: [1, 2], b: [x, y], exclude: [{ a: 2, b: y }] }", text), ["1x", "1y", "2x"]);
        assert_eq!(filled("{ a: [1, 2], b: [x, y], exclude: [{ a: 2 }] }", text), ["1x", "1y"]);
        assert_eq!(filled("{ a: [1], exclude: [{ a: 1 }] }", text), [""; 0]);
        assert_eq!(filled("{ a: [1], exclude: [{ c: 1 }, {}] }", text), ["1"]);
        // An entry that is included is not excluded.
        assert_eq!(
            filled("{ a: [1, 2], exclude: [{ a: 2 }], include: [{ a: 2, b: z }] }", text),
            ["1", "2z"]
        );
        let entries = "{ a: [{ n: 1 }, { n: 2 }], exclude: [{ a: { n: 2 } }] }";
        assert_eq!(filled(entries, "${{ matrix.a.n }}"), ["1"]);
    }

    #[test]
    fn entries_that_are_included() {
        let text = "${{ matrix.a }}${{ matrix.b }}";
        assert_eq!(filled("{ include: [{ a: 1 }, { b: x }] }", text), ["1", "x"]);
        // A later entry replaces what an earlier one added.
        assert_eq!(filled("{ a: [1, 2], include: [{ b: x }, { a: 2, b: y }] }", text), ["1x", "2y"]);
        assert_eq!(filled("{ a: [1], include: [{ a: 2, b: y }] }", text), ["1", "2y"]);
    }

    #[test]
    fn what_is_known_only_when_it_runs() {
        for matrix in ["\"${{ x }}\"", "{ a: \"${{ x }}\" }", "{ a: [1], exclude: \"${{ x }}\" }", "{}"] {
            assert_eq!(filled(matrix, "${{ matrix.a }}"), ["${{ matrix.a }}"], "{matrix}");
        }
        let many = format!("{{ a: [{0}], b: [{0}], c: [{0}] }}", "1, ".repeat(20));
        assert_eq!(filled(&many, "${{ matrix.a }}"), ["${{ matrix.a }}"]);
    }
}
