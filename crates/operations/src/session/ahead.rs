//! The job of a task, read while a person answers questions, so that nobody waits for it afterwards.
//!
//! It is read again and again until it is asked for, so that a plan is never made from a job as it was
//! minutes before. Changes in between do no harm: a run carries the job's etag, which Cloud Run checks.

use std::sync::Arc;
use std::time::Duration;

use quill_admin_cloud::{CloudError, Google, Job, JobName};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The greatest age of the job when it is asked for: that of a plan which somebody reads before agreeing.
const FRESH: Duration = Duration::from_secs(20);
/// The number of times that the job is read while nobody asks for it. A person who takes longer than these five
/// minutes waits for one more read.
const READS: usize = 15;

/// The greatest age of a failure when it is reported.
const MOMENT: Duration = Duration::from_secs(1);

/// A job that is kept fresh until it is asked for.
pub(super) struct Ahead {
    name: JobName,
    job: JoinHandle<Result<Job, CloudError>>,
    wanted: oneshot::Sender<()>,
}

impl Ahead {
    /// Begins to read the job. When it is dropped, the reading ends by itself.
    pub(super) fn begin(google: Arc<Google>, name: JobName) -> Self {
        let (wanted, asked) = oneshot::channel();
        let job = tokio::spawn({
            let name = name.clone();
            async move { keep(&google, &name, asked).await }
        });
        Self { name, job, wanted }
    }

    /// The name of the job.
    pub(super) const fn name(&self) -> &JobName {
        &self.name
    }

    /// The job: at once, where it has been read by now.
    pub(super) async fn job(self) -> Result<Job, CloudError> {
        drop(self.wanted);
        match self.job.await {
            Ok(job) => job,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

async fn keep(google: &Google, name: &JobName, mut asked: oneshot::Receiver<()>) -> Result<Job, CloudError> {
    let mut job = google.job(name).await;
    for _ in 0..READS {
        if job.is_err() {
            // A read that failed while nobody waited may succeed by the time somebody does.
            let waited_for = timeout(MOMENT, &mut asked).await.is_ok();
            return if waited_for { job } else { last(google, name, asked).await };
        }
        tokio::select! {
            biased;
            _ = &mut asked => return job,
            () = sleep(FRESH) => {}
        }
        tokio::select! {
            read = google.job(name) => job = read,
            _ = &mut asked => return job,
        }
    }
    last(google, name, asked).await
}

/// Reads the job when it is asked for.
async fn last(google: &Google, name: &JobName, asked: oneshot::Receiver<()>) -> Result<Job, CloudError> {
    // Nothing is ever sent: asking for the job closes the channel.
    let _ = asked.await;
    google.job(name).await
}
