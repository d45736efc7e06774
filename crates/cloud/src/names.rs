//! Names of resources in Google Cloud, which are valid once they are parsed.
//!
//! To add a name that is one label: a call of `label!`. To add a name of several parts: a struct with its `Display`,
//! which is the resource name of the API.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The error that Google Cloud would not accept a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not a valid {what}: {rule}", given.escape_debug())]
pub struct InvalidName {
    what: &'static str,
    rule: &'static str,
    given: String,
}

/// Whether a text has only lower-case letters, digits and hyphens, begins with a letter, and does not end
/// with a hyphen.
fn is_label(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! label {
    ($(#[doc = $doc:literal])+ $name:ident, $what:literal, $min:literal, $max:literal, $rule:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_label(text, $min, $max) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidName { what: $what, rule: $rule, given: text.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl $name {
            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label! {
    /// A project's id.
    ProjectId, "project id", 6, 30,
    "6 to 30 lower-case letters, digits or hyphens, beginning with a letter"
}
label! {
    /// A region, such as `europe-west2`.
    Region, "region", 2, 63,
    "lower-case letters, digits or hyphens, as in europe-west2"
}
label! {
    /// The id of a job, service, instance or connector.
    ResourceId, "resource name", 1, 63,
    "1 to 63 lower-case letters, digits or hyphens, beginning with a letter"
}

/// A Cloud Run job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobName {
    /// Its project.
    pub project: ProjectId,
    /// Its region.
    pub region: Region,
    /// Its id.
    pub job: ResourceId,
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/locations/{}/jobs/{}", self.project, self.region, self.job)
    }
}

/// A Cloud Run service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceName {
    /// Its project.
    pub project: ProjectId,
    /// Its region.
    pub region: Region,
    /// Its id.
    pub service: ResourceId,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/locations/{}/services/{}", self.project, self.region, self.service)
    }
}

/// An execution of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionName {
    /// The job it is an execution of.
    pub job: JobName,
    /// The id, which people call the execution's name.
    pub id: String,
}

impl ExecutionName {
    /// Reads the resource name that the API gives, `projects/…/executions/ID`.
    #[must_use]
    pub fn from_resource(job: &JobName, resource: &str) -> Option<Self> {
        let (_, id) = resource.rsplit_once("/executions/")?;
        (!id.is_empty() && !id.contains('/')).then(|| Self { job: job.clone(), id: id.to_owned() })
    }
}

impl fmt::Display for ExecutionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/executions/{}", self.job, self.id)
    }
}

/// A log bucket of Cloud Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBucketName {
    /// Its project.
    pub project: ProjectId,
    /// Its location: a region, or `global`.
    pub location: Region,
    bucket: String,
}

impl LogBucketName {
    /// Makes the name from its parts ("Configure log buckets").
    ///
    /// # Errors
    ///
    /// Fails if Cloud Logging would not accept one of them.
    pub fn new(project: &str, location: &str, bucket: &str) -> Result<Self, InvalidName> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !(1..=100).contains(&bucket.len()) || !bucket.bytes().all(fits) {
            return Err(InvalidName {
                what: "log bucket name",
                rule: "1 to 100 letters, digits, hyphens, underscores or dots",
                given: bucket.to_owned(),
            });
        }
        Ok(Self { project: project.parse()?, location: location.parse()?, bucket: bucket.to_owned() })
    }

    /// The bucket's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.bucket
    }

    /// The view of all entries in it, which every bucket has.
    #[must_use]
    pub fn view(&self) -> String {
        format!("{self}/views/_AllLogs")
    }
}

impl fmt::Display for LogBucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/locations/{}/buckets/{}", self.project, self.location, self.bucket)
    }
}

/// An object of Cloud Storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    bucket: String,
    object: String,
}

impl ObjectName {
    /// Makes the name from that of the bucket and that of the object in it ("Bucket naming requirements",
    /// "Object naming requirements").
    ///
    /// # Errors
    ///
    /// Fails if Cloud Storage would not accept one of the two names.
    pub fn new(bucket: &str, object: &str) -> Result<Self, InvalidName> {
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ends = bucket.bytes().next().is_some_and(lower) && bucket.bytes().last().is_some_and(lower);
        if !((3..=222).contains(&bucket.len())
            && ends
            && bucket.bytes().all(|b| lower(b) || b"-_.".contains(&b)))
        {
            return Err(InvalidName {
                what: "bucket name",
                rule: "3 to 222 lower-case letters, digits, hyphens, underscores or dots, beginning and \
                       ending with a letter or digit",
                given: bucket.to_owned(),
            });
        }
        let fits = (1..=1024).contains(&object.len()) && !object.chars().any(char::is_control);
        if !fits || object == "." || object == ".." {
            return Err(InvalidName {
                what: "object name",
                rule: "1 to 1024 bytes, no control characters, neither \".\" nor \"..\"",
                given: object.to_owned(),
            });
        }
        Ok(Self { bucket: bucket.to_owned(), object: object.to_owned() })
    }

    /// The state that Terraform locks with this object: beside `NAME.tflock` it is `NAME.tfstate` (backend `gcs`).
    /// `None` where the name is none that Terraform gives to a lock.
    #[must_use]
    pub fn locked_state(&self) -> Option<Self> {
        let state = self.object.strip_suffix(".tflock")?;
        Some(Self { bucket: self.bucket.clone(), object: format!("{state}.tfstate") })
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The object's name in it.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gs://{}/{}", self.bucket, self.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_googles_rules() {
        for good in ["quill-medical-staging", "abcdef"] {
            assert!(good.parse::<ProjectId>().is_ok(), "{good}");
        }
        for bad in ["", "short", "Upper-case", "ends-with-", "1starts", "sla/sh-project", "a\nbcdefg"] {
            assert!(bad.parse::<ProjectId>().is_err(), "{bad}");
        }
        assert_eq!(
            "a/b".parse::<ResourceId>().expect_err("slash").to_string(),
            "\"a/b\" is not a valid resource name: 1 to 63 lower-case letters, digits or hyphens, \
             beginning with a letter"
        );
    }

    #[test]
    fn an_objects_name_is_a_bucket_and_a_path() {
        let name = ObjectName::new("quill-medical-terraform-state", "terraform/state/staging.tflock");
        assert_eq!(
            name.expect("valid").to_string(),
            "gs://quill-medical-terraform-state/terraform/state/staging.tflock"
        );
        for (bucket, object) in [
            ("ab", "o"),
            ("-bucket", "o"),
            ("bucket.", "o"),
            ("Bucket", "o"),
            ("a/b", "o"),
            ("bucket", ""),
            ("bucket", ".."),
            ("bucket", "a\nb"),
        ] {
            assert!(ObjectName::new(bucket, object).is_err(), "{bucket} {object}");
        }
    }

    #[test]
    fn an_executions_name_is_taken_from_the_resource() {
        let job = JobName {
            project: "quill-medical-staging".parse().expect("valid"),
            region: "europe-west2".parse().expect("valid"),
            job: "quill-admin-staging".parse().expect("valid"),
        };
        let name = ExecutionName::from_resource(&job, "projects/p/locations/r/jobs/j/executions/j-abc")
            .expect("an execution");
        assert_eq!(
            name.to_string(),
            "projects/quill-medical-staging/locations/europe-west2/jobs/quill-admin-staging/executions/j-abc"
        );
        assert_eq!(ExecutionName::from_resource(&job, "projects/p/locations/r/jobs/j"), None);
    }
}
