//! Calls about services of Cloud Run and their revisions.
//!
//! To read another field: its field in `model.rs`, and `convert_service` or `convert_revision` here.

use std::time::Duration;

use google_cloud_run_v2::model;
use google_cloud_run_v2::model::TrafficTargetAllocationType;
use google_cloud_run_v2::model::probe::ProbeType;

use super::search::Search;
use super::{Google, Reply, convert};
use crate::error::CloudError;
use crate::model::{LogExtent, Readiness, Revision, RevisionLog, Service, StartupProbe};
use crate::names::ServiceName;

/// The greatest number of pages of a revision's log that one call reads. The whole project shares 60 reads a
/// minute.
const LOG_PAGES: usize = 5;

impl Google {
    /// The current service.
    ///
    /// # Errors
    ///
    /// Fails if the service does not exist or cannot be read.
    pub fn service<'a>(&'a self, name: &'a ServiceName) -> Reply<'a, Result<Service, CloudError>> {
        Box::pin(async move {
            let service = self
                .policy
                .read(self.services.get_service().set_name(name.to_string()))
                .send()
                .await
                .map_err(|error| CloudError::new("read the service", &error))?;
            Ok(convert_service(service))
        })
    }

    /// The service's revisions, newest first: one page of a hundred.
    ///
    /// # Errors
    ///
    /// Fails if the revisions cannot be listed.
    pub fn revisions<'a>(&'a self, name: &'a ServiceName) -> Reply<'a, Result<Vec<Revision>, CloudError>> {
        Box::pin(async move {
            let request = self.revisions.list_revisions().set_parent(name.to_string()).set_page_size(100);
            let list = self
                .policy
                .read(request)
                .send()
                .await
                .map_err(|error| CloudError::new("list the service's revisions", &error))?;
            let mut revisions: Vec<Revision> = list.revisions.iter().map(convert_revision).collect();
            revisions.sort_by_key(|revision| std::cmp::Reverse(revision.created));
            Ok(revisions)
        })
    }

    /// Gives the service another image, in a new revision: refused as a conflict if somebody changed it since
    /// it was read. The request is sent once; the call returns when the change is accepted. The note has to
    /// differ from the last one: otherwise the same image would make no revision.
    ///
    /// # Errors
    ///
    /// Fails if Google Cloud refuses the change, or if the answer is lost: then it may have been made.
    pub fn change_service_image<'a>(
        &'a self,
        service: &'a Service,
        image: &'a str,
        note: (&'a str, String),
    ) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            let mut changed = (*service.raw).clone();
            let template = changed.template.get_or_insert_default();
            // The name belongs to the old revision: Cloud Run gives the next one another.
            template.revision.clear();
            template.annotations.insert(note.0.to_owned(), note.1);
            let serving = serving(&template.containers);
            if let Some(container) = serving.and_then(|index| template.containers.get_mut(index)) {
                image.clone_into(&mut container.image);
            }
            let mask = google_cloud_wkt::FieldMask::default().set_paths(["template"]);
            let request = self.services.update_service().set_service(changed).set_update_mask(mask);
            self.policy
                .once(request)
                .send()
                .await
                .map(drop)
                .map_err(|error| CloudError::new("change the service", &error))
        })
    }

    /// One revision in its current state.
    ///
    /// # Errors
    ///
    /// Fails if the revision does not exist or cannot be read.
    pub fn revision<'a>(
        &'a self,
        service: &'a ServiceName,
        id: &'a str,
    ) -> Reply<'a, Result<Revision, CloudError>> {
        Box::pin(async move {
            let revision = self
                .policy
                .poll(self.revisions.get_revision().set_name(format!("{service}/revisions/{id}")))
                .send()
                .await
                .map_err(|error| CloudError::new("read the revision", &error))?;
            Ok(convert_revision(&revision))
        })
    }

    /// The last entries that a revision logged. A call takes one read of the quota for each page, and at most
    /// five: a page may be empty although there is more to search.
    ///
    /// # Errors
    ///
    /// Fails if the log cannot be read.
    pub fn revision_log<'a>(
        &'a self,
        service: &'a ServiceName,
        id: &'a str,
        lines: usize,
    ) -> Reply<'a, Result<RevisionLog, CloudError>> {
        Box::pin(async move {
            let filter = format!(
                "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"{}\" AND \
                 resource.labels.revision_name=\"{id}\"",
                service.service
            );
            let place = format!("projects/{}", service.project);
            let doing = "read the revision's log";
            let search = Search { place: &place, filter: &filter, doing, first: lines, pages: LOG_PAGES };
            let mut entries = Vec::new();
            let more = self
                .search(search, |page| {
                    entries.extend(page.into_iter().filter_map(convert::log_entry));
                    entries.len() >= lines
                })
                .await?;
            let extent = match (more, entries.len()) {
                (_, found) if found > lines => LogExtent::End,
                (false, _) => LogExtent::Whole,
                (true, found) if found == lines => LogExtent::End,
                (true, _) => LogExtent::Part,
            };
            entries.truncate(lines);
            entries.reverse();
            Ok(RevisionLog { entries, extent })
        })
    }
}

fn id(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// The container that gets the requests: where there are several, the one that names a port ("Deploying multiple
/// containers to a service"). The others run beside it.
fn serving(containers: &[model::Container]) -> Option<usize> {
    let named = containers.iter().position(|container| !container.ports.is_empty());
    named.or_else(|| (!containers.is_empty()).then_some(0))
}

fn convert_service(service: model::Service) -> Service {
    let containers =
        service.template.as_ref().map(|template| template.containers.as_slice()).unwrap_or_default();
    let container = serving(containers).map(|index| &containers[index]);
    let latest = |target: &model::TrafficTarget| {
        target.r#type == TrafficTargetAllocationType::Latest && target.percent == 100
    };
    let latest_ready = id(&service.latest_ready_revision);
    let serving = service.traffic_statuses.iter().filter(|target| target.percent > 0).map(|target| {
        let revision = if target.revision.is_empty() { &latest_ready } else { &target.revision };
        (id(revision), target.percent)
    });
    Service {
        image: container.map(|container| container.image.clone()).unwrap_or_default(),
        latest_created: id(&service.latest_created_revision),
        serving: serving.filter(|(revision, _)| !revision.is_empty()).collect(),
        latest_ready,
        generation: service.generation,
        reconciling: service.reconciling,
        readiness: Readiness::of(service.terminal_condition.as_ref()),
        // No target at all means that all traffic goes to the latest.
        traffic_to_latest: service.traffic.is_empty() || service.traffic.iter().any(latest),
        raw: Box::new(service),
    }
}

fn convert_revision(revision: &model::Revision) -> Revision {
    let ready = revision.conditions.iter().find(|condition| condition.r#type == "Ready");
    let container = serving(&revision.containers).map(|index| &revision.containers[index]);
    let port = container.and_then(|container| container.ports.first()).map(|port| port.container_port);
    Revision {
        id: id(&revision.name),
        image: container.map(|container| container.image.clone()).unwrap_or_default(),
        created: revision.create_time.and_then(convert::timestamp),
        readiness: Readiness::of(ready),
        conditions: convert::conditions(&revision.conditions),
        port: port.unwrap_or(PORT),
        startup_probe: container.and_then(|container| container.startup_probe.as_ref()).map(startup_probe),
    }
}

/// The port of a container that names none (`Container.ports`).
const PORT: i32 = 8080;

fn startup_probe(probe: &model::Probe) -> StartupProbe {
    let seconds = |seconds: i32| Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    // Fields that are left out have the API's own defaults (`Probe`).
    let or = |value: i32, default: i32| if value == 0 { default } else { value };
    StartupProbe {
        initial_delay: seconds(probe.initial_delay_seconds),
        period: seconds(or(probe.period_seconds, 10)),
        failures: u32::try_from(or(probe.failure_threshold, 3)).unwrap_or_default(),
        port: match &probe.probe_type {
            Some(ProbeType::HttpGet(probe)) => Some(probe.port),
            Some(ProbeType::TcpSocket(probe)) => Some(probe.port),
            Some(ProbeType::Grpc(probe)) => Some(probe.port),
            _ => None,
        }
        .filter(|port| *port != 0),
    }
}
