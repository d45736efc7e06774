//! The lines the executor prints, and the only code that prints them.
//!
//! To add a kind of line: a method of [`Output`], its keys as a struct that is serialised, and its reader in the
//! crate `contract`.

use std::io::Write;

use quill_admin_contract::invisible::shown;
use quill_admin_contract::{
    ExitCode, LogFormat, Outcome, ProofKey, RecordKey, RequestId, ResultLine, Row, RunContext, Saving,
    Signed, UndoNote, Variables,
};
use serde::Serialize;
use serde_json::Value;

/// Writes lines, each flushed at once: Cloud Run may end the process at any time.
///
/// It does not matter to the task whether anybody still reads them: the task is done or not all the same, and
/// the exit code says which.
pub(crate) struct Output<'a> {
    to: &'a mut (dyn Write + Send),
    format: LogFormat,
    /// Whether the result is JSON, which the CLI finds in Cloud Logging, even if the other lines are text.
    json_result: bool,
    context: RunContext,
    /// The contract version to answer in.
    contract: u32,
    /// The key that the result is proven with.
    key: Option<ProofKey>,
    /// Signs the result.
    signer: Option<Signer>,
}

/// Cloud Logging's severities of a line.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Severity {
    Info,
    Warning,
    Error,
}

/// One line of JSON. Cloud Logging takes `severity` and `message` out of it by name.
#[derive(Serialize)]
struct Line<'a, T> {
    severity: Severity,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quill_admin: Option<T>,
}

/// The result as it is printed. Its keys are for filters; the CLI relies on the text and its proofs.
#[derive(Serialize)]
struct Record {
    #[serde(flatten)]
    line: Value,
    #[serde(flatten)]
    proven: Option<Proven>,
}

/// The whole result as one text, which is proven: Cloud Logging parses and reorders everything else.
#[derive(Serialize)]
struct Proven {
    result: String,
    /// The proof by the key of the request, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
    /// The signature by the record key, where the job has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

/// The result of a row that was only read: no record.
#[derive(Serialize)]
struct RowRead {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    row_number: Option<u64>,
    result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

/// The word that a row is about to be saved.
#[derive(Serialize)]
struct SavingMark {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    saving: Value,
}

/// The record key of a job, and the run that signatures are for.
struct Signer {
    key: RecordKey,
    job: String,
    execution: String,
}

impl Signer {
    fn new(vars: &Variables) -> Option<Self> {
        let (job, execution) = vars.run()?;
        Some(Self { key: vars.record_key()?, job: job.to_owned(), execution: execution.to_owned() })
    }

    fn sign(&self, result: &str) -> String {
        let Self { key, job, execution } = self;
        key.sign(&Signed { job, execution, result })
    }
}

/// The part of `quill_admin` that lines other than the result have.
#[derive(Serialize)]
struct Mark<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
    /// The code of the warning that this line tells, which the result repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    /// The row of a list, with its proof; the message has it in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Value>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(vars: &Variables, context: RunContext, to: &'a mut (dyn Write + Send)) -> Self {
        let format = LogFormat::from_env(vars);
        let json_result = format == LogFormat::Json || vars.in_cloud_run();
        Self {
            to,
            format,
            json_result,
            context,
            contract: vars.contract(),
            key: vars.proof_key(),
            signer: Signer::new(vars),
        }
    }

    pub(crate) fn info(&mut self, message: &str) {
        self.line(Severity::Info, message);
    }

    /// Prints a warning that is not part of the result.
    pub(crate) fn warn(&mut self, message: &str) {
        self.line(Severity::Warning, message);
    }

    /// Prints a row of the list of this digest, for readers of the result. Its message is the row in words,
    /// for people who run the job by hand.
    pub(crate) fn row(&mut self, row: &Row, list: &str) {
        if !self.json_result {
            return self.info(&row.sentence());
        }
        let written = row.to_json(list, self.key.as_ref().filter(|_| self.contract >= 2));
        let mark = Mark { request_id: self.context.request_id, warning: None, row: Some(written) };
        self.json(&Line { severity: Severity::Info, message: &row.sentence(), quill_admin: Some(mark) });
    }

    /// Prints the last lines: the warnings, then the result.
    pub(crate) fn result(&mut self, code: ExitCode, outcome: Outcome, undo: Option<UndoNote>, message: &str) {
        for warning in outcome.warnings() {
            self.marked(Severity::Warning, &warning.message, Some(&warning.code));
        }
        let severity = if code == ExitCode::Success { Severity::Info } else { Severity::Error };
        if self.json_result {
            let result = ResultLine::new(&self.context, self.contract, code, outcome).with_undo(undo);
            let record = self.record(&result);
            self.json(&Line { severity, message, quill_admin: Some(record) });
        } else {
            self.line(severity, message);
        }
    }

    /// Prints the result of a row of a bulk run, and returns the text of it. A result that is not `recorded` stands
    /// in the log alone, proven but without what makes a line a record: what a task has read is not kept for years.
    pub(crate) fn row_result(
        &mut self,
        context: &RunContext,
        code: ExitCode,
        outcome: Outcome,
        undo: Option<UndoNote>,
        message: &str,
        recorded: bool,
    ) -> String {
        let message = format!("row {}: {message}", context.row_number.unwrap_or_default());
        let severity = if code == ExitCode::Success { Severity::Info } else { Severity::Error };
        let result = ResultLine::new(context, self.contract, code, outcome).with_undo(undo);
        let text = result.to_json().to_string();
        if !self.json_result {
            self.line(severity, &message);
        } else if recorded {
            let record = self.record(&result);
            self.json(&Line { severity, message: &message, quill_admin: Some(record) });
        } else {
            let mark = RowRead {
                request_id: self.context.request_id,
                row_number: context.row_number,
                proof: self.key.as_ref().map(|key| key.prove(&text)),
                result: text.clone(),
            };
            self.json(&Line { severity, message: &message, quill_admin: Some(mark) });
        }
        text
    }

    /// Says in which transaction a row is about to be saved.
    pub(crate) fn saving(&mut self, saving: &Saving) {
        if self.json_result {
            let mark =
                SavingMark { request_id: self.context.request_id, saving: saving.to_json(self.key.as_ref()) };
            let message = format!("saving row {}", saving.row);
            self.json(&Line { severity: Severity::Info, message: &message, quill_admin: Some(mark) });
        }
    }

    pub(crate) fn context(&self) -> &RunContext {
        &self.context
    }

    /// The result with its proofs. Version 1 has none.
    fn record(&self, line: &ResultLine) -> Record {
        let written = line.to_json();
        let any = line.contract >= 2 && (self.key.is_some() || self.signer.is_some());
        let proven = any.then(|| {
            let result = written.to_string();
            let proof = self.key.as_ref().map(|key| key.prove(&result));
            let signature = self.signer.as_ref().map(|signer| signer.sign(&result));
            Proven { result, proof, signature }
        });
        Record { line: written, proven }
    }

    fn line(&mut self, severity: Severity, message: &str) {
        self.marked(severity, message, None);
    }

    fn marked(&mut self, severity: Severity, message: &str, warning: Option<&str>) {
        if self.format == LogFormat::Json {
            let request_id = self.context.request_id;
            let mark = (request_id.is_some() || warning.is_some()).then_some(Mark {
                request_id,
                warning,
                row: None,
            });
            return self.json(&Line { severity, message, quill_admin: mark });
        }
        let prefix = match severity {
            Severity::Info => "",
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        };
        self.write(&format!("{prefix}{}\n", shown(message)));
    }

    fn json<T: Serialize>(&mut self, line: &Line<'_, T>) {
        if let Ok(mut text) = serde_json::to_string(line) {
            text.push('\n');
            self.write(&text);
        }
    }

    fn write(&mut self, text: &str) {
        // If nobody reads the output any more, the task still has to be done.
        let _ = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
    }
}
