//! The guard: it decides what Ctrl-C does while work is going on. Work that can be broken off is broken off;
//! a change that cannot be is waited for, with a message.
//!
//! [`Guard::run`] is the one place that decides it, by the stage of the work, which its [`PointOfNoReturn`]
//! holds.
//!
//! To change what Ctrl-C does at a stage: [`Guard::run`], and `Stage` in `point_of_no_return.rs` of the crate
//! `operations`. To add an answer to the question: `InterruptChoice`, and the texts `QUESTION` and `AGAIN`.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::point_of_no_return::{PointOfNoReturn, Stage};
use quill_admin_operations::session::Session;
use tokio::time::timeout;

use super::context::Context;
use crate::prompt::{self, Interrupt, Questions, Stop};
use crate::report::Reporter;

/// The question to a person who presses Ctrl-C while a task runs.
const QUESTION: &str = "The task is still running. Ctrl-C does not stop it.\n  w  wait for it\n  d  detach: it goes \
                        on, and you can come back to it (Ctrl-C again does the same)\n  c  cancel it\n[w/d/c] ";

/// The question again, after an answer that is none of the three.
const AGAIN: &str = "Type w, d or c, and Enter: [w/d/c] ";

/// Listens for signals that tell this program to stop, from the last question to the end.
pub(super) struct Guard {
    interrupt: Interrupt,
    reporter: Arc<Reporter>,
    /// Whether somebody can be asked.
    attended: bool,
    /// Whether work was left because of Ctrl-C.
    left: bool,
}

/// A question that waits for its answer while the work goes on.
type Question = Option<Pin<Box<dyn Future<Output = InterruptChoice> + Send>>>;

/// The interrupt choice of a person who pressed Ctrl-C while a task runs.
enum InterruptChoice {
    /// Go on as before.
    Wait,
    /// Leave the task running.
    Detach,
    /// Have the task stopped.
    Cancel,
}

impl Context<'_> {
    /// Ends the time of questions, in which Ctrl-C ends the program at once.
    pub(super) fn guard(&self) -> Guard {
        // The new listener begins before that of the questions ends, so that no Ctrl-C falls between the two.
        let interrupt = Interrupt::listen();
        self.questions.end();
        let reporter = Arc::clone(self.reporter);
        Guard { interrupt, reporter, attended: self.form.attended(), left: false }
    }

    /// Makes Ctrl-C end the program with these words from now on.
    pub(super) fn listen(&mut self, told: impl FnOnce() -> String + Send + 'static) {
        let reporter = Arc::clone(self.reporter);
        // The new listener begins before the old one ends, so that no Ctrl-C falls between the two.
        let questions = Questions::begin(move |_| reporter.interrupted(&CliError::interrupted(&told())));
        std::mem::replace(&mut self.questions, questions).end();
    }
}

impl Guard {
    /// Resolves when this program is told to stop; on Unix also by a signal that came while nobody waited.
    #[cfg(feature = "local")]
    pub(super) async fn stopped(&mut self) -> Stop {
        self.interrupt.wait().await
    }

    /// Whether work was left because of Ctrl-C.
    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    /// Shows why Ctrl-C has to wait.
    pub(super) fn tell(&self, why: &str) {
        self.reporter.event(Event::Trouble(why.to_owned()));
    }

    /// Does `work` to its end. Ctrl-C breaks it off before its point of no return. While the change is under
    /// way Ctrl-C waits, and takes effect with the answer, unless it is pressed again. Once the change is
    /// made Ctrl-C ends the watching. While a task runs a person gets the interrupt choices; where there is
    /// nobody to ask, the task is left running.
    ///
    /// # Errors
    ///
    /// Fails with the work's own error, or with the one that `point` holds for a person who leaves.
    pub(super) async fn run<T>(
        &mut self,
        point: &PointOfNoReturn,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let mut work = std::pin::pin!(work);
        let mut stages = point.watch();
        // A Ctrl-C that has to wait.
        let mut waits: Option<Stop> = None;
        let mut question: Question = None;
        loop {
            let pressed = tokio::select! {
                // Work that is done by now is done, and not interrupted.
                biased;
                done = &mut work => return done,
                stop = self.interrupt.wait() => Some(stop),
                // The change that it waits for, or the task that it asks about, may be over.
                Ok(()) = stages.changed(), if waits.is_some() || question.is_some() => {
                    let runs = matches!(*stages.borrow(), Stage::Running(_));
                    if !runs && question.take().is_some() {
                        self.reporter.answered();
                        self.tell("the task has ended in the meantime; reading its result (Ctrl-C leaves that)");
                    }
                    None
                }
                choice = answered(&mut question) => {
                    question = None;
                    match (choice, point.stage()) {
                        (InterruptChoice::Wait, _) => {}
                        (InterruptChoice::Cancel, Stage::Running(task)) => task.cancel.notify_one(),
                        (InterruptChoice::Cancel, _) => self.tell("it had ended before; nothing was cancelled"),
                        (InterruptChoice::Detach, stage) => return Err(self.leave(stage)),
                    }
                    continue;
                }
            };
            let again = pressed.is_some() && (waits.is_some() || question.is_some());
            let Some(stop) = pressed.or(waits.take()) else { continue };
            let stage = stages.borrow_and_update().clone();
            match &stage {
                Stage::UnderWay(change) if !again => {
                    if pressed.is_some() {
                        self.tell(change.waits);
                    }
                    waits = Some(stop);
                }
                Stage::Running(task) if !again && !task.goes_on => task.cancel.notify_one(),
                Stage::Running(_) if !again && self.attended && stop == Stop::CtrlC => {
                    question = Some(Box::pin(ask(Arc::clone(&self.reporter))));
                }
                Stage::Before(_) | Stage::UnderWay(_) | Stage::Running(_) | Stage::Made(_) => {
                    return Err(self.leave(stage));
                }
            }
        }
    }

    /// The error of a person who leaves at this stage.
    fn leave(&mut self, stage: Stage) -> CliError {
        self.left = true;
        match stage {
            Stage::Before(left) | Stage::Made(left) => left,
            Stage::UnderWay(change) => change.left,
            Stage::Running(task) => task.left,
        }
    }
}

/// The time after which the closing is announced.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// Ends the services that were started for a session, whether its command has succeeded or failed. A failure
/// is reported, and changes nothing about the result. Ctrl-C leaves it at once.
pub(super) async fn close(reporter: &Reporter, session: Session) {
    let mut interrupt = Interrupt::listen();
    let mut closed = std::pin::pin!(session.close());
    let closing = async {
        if let Ok(closed) = timeout(TOLD_AFTER, &mut closed).await {
            return closed;
        }
        reporter.event(Event::Doing("ending the local environment"));
        closed.await
    };
    tokio::select! {
        biased;
        closed = closing => if let Err(error) = closed {
            reporter.event(Event::Trouble(error.to_string()));
        },
        _ = interrupt.wait() => reporter.event(Event::Trouble(
            "interrupted; the local environment was not ended in order: it may have forgotten what was done last"
                .to_owned(),
        )),
    }
}

/// Waits for the answer to a question; without one, for ever.
async fn answered(question: &mut Question) -> InterruptChoice {
    match question {
        Some(question) => question.await,
        None => pending().await,
    }
}

async fn ask(reporter: Arc<Reporter>) -> InterruptChoice {
    let mut question = QUESTION;
    let choice = loop {
        let answer = prompt::line(|| reporter.question(question)).await;
        match answer.trim().to_ascii_lowercase().as_str() {
            // Ctrl-D leaves, as Ctrl-C does. The terminal shows nothing of it, not even the end of the line.
            "" if answer.is_empty() => {
                reporter.end_line();
                break InterruptChoice::Detach;
            }
            "" | "w" | "wait" => break InterruptChoice::Wait,
            "d" | "detach" => break InterruptChoice::Detach,
            "c" | "cancel" => break InterruptChoice::Cancel,
            _ => question = AGAIN,
        }
    };
    reporter.answered();
    choice
}

#[cfg(all(test, unix))]
mod tests {
    use tokio::sync::Notify;
    use tokio::task::yield_now;

    use super::*;
    use crate::report::Style;
    use quill_admin_operations::point_of_no_return::{Running, UnderWay};

    /// Signals go to the whole process, so one test at a time sends any.
    static SIGNALS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    fn guard() -> Guard {
        let reporter = Arc::new(Reporter::new(Style { quiet: true, ..Style::default() }));
        Guard { interrupt: Interrupt::listen(), reporter, attended: false, left: false }
    }

    fn untouched() -> PointOfNoReturn {
        PointOfNoReturn::new("nothing was changed")
    }

    /// Presses Ctrl-C, and returns when the listeners have been told.
    async fn ctrl_c() {
        let mut told = Interrupt::listen();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT).expect("sent");
        told.wait().await;
    }

    #[tokio::test]
    async fn what_is_done_in_the_moment_of_ctrl_c_is_done() {
        let _alone = SIGNALS.lock().await;
        let mut guard = guard();
        ctrl_c().await;
        let done = guard.run(&untouched(), async { Ok(1) }).await;
        assert_eq!(done.ok(), Some(1));
        assert!(!guard.has_left());
        // Work that is not done is broken off by the same Ctrl-C.
        let broken_off = guard.run(&untouched(), pending::<Result<(), _>>()).await;
        let error = broken_off.expect_err("interrupted");
        assert_eq!((error.code.code(), guard.has_left()), (130, true));
    }

    #[tokio::test]
    async fn ctrl_c_before_the_change_keeps_it_from_being_begun() {
        let _alone = SIGNALS.lock().await;
        let (mut guard, point) = (guard(), untouched());
        ctrl_c().await;
        let work = async {
            point.reached(UnderWay::change()).await;
            Err::<(), _>(CliError::usage("it was begun"))
        };
        let error = guard.run(&point, work).await.expect_err("interrupted");
        assert_eq!(error.to_string(), "interrupted; nothing was changed");
    }

    /// Ctrl-C that has to wait takes effect with the answer, whatever it is.
    #[tokio::test]
    async fn ctrl_c_that_waits_takes_effect_with_the_answer() {
        let _alone = SIGNALS.lock().await;
        for (made, told) in [(true, "interrupted; it is made"), (false, "interrupted; nothing was changed")] {
            let (mut guard, point) = (guard(), untouched());
            let work = async {
                point.reached(UnderWay::change()).await;
                ctrl_c().await;
                // The guard sees it, and waits.
                yield_now().await;
                if made {
                    point.passed(CliError::interrupted("it is made"));
                    pending::<()>().await;
                }
                point.not_passed().await;
                point.reached(UnderWay::change()).await;
                Err::<(), _>(CliError::usage("it was begun again"))
            };
            let error = guard.run(&point, work).await.expect_err("interrupted");
            assert_eq!((error.to_string().as_str(), error.code.code()), (told, 130));
        }
    }

    #[tokio::test]
    async fn a_second_ctrl_c_leaves_a_change_that_is_not_answered() {
        let _alone = SIGNALS.lock().await;
        let (mut guard, point) = (guard(), untouched());
        let work = async {
            point.reached(UnderWay::change()).await;
            ctrl_c().await;
            yield_now().await;
            ctrl_c().await;
            pending::<Result<(), CliError>>().await
        };
        let error = guard.run(&point, work).await.expect_err("interrupted");
        assert_eq!(error.code.code(), 27);
    }

    /// A task that ends with this program is cancelled; one that goes on is left running where nobody can be
    /// asked.
    #[tokio::test]
    async fn what_runs_is_cancelled_or_left_alone() {
        let _alone = SIGNALS.lock().await;
        for goes_on in [false, true] {
            let (mut guard, point) = (guard(), untouched());
            let cancel = Arc::new(Notify::new());
            let work = async {
                let left = CliError::interrupted("it goes on");
                let (execution, cancel) = ("x".to_owned(), Arc::clone(&cancel));
                point.runs(Running { execution, goes_on, cancel: Arc::clone(&cancel), left });
                ctrl_c().await;
                cancel.notified().await;
                Ok(())
            };
            let ended = guard.run(&point, work).await;
            assert_eq!(
                ended.map_err(|error| error.to_string()).err().as_deref(),
                goes_on.then_some("interrupted; it goes on")
            );
        }
    }
}
