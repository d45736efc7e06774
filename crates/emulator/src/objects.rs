//! Objects of Cloud Storage, each with the one generation that is live.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An object as it is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) generation: i64,
    pub(crate) created: Timestamp,
    pub(crate) content: Vec<u8>,
}

/// Buckets by name, with their objects by name.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Objects {
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    last_generation: i64,
}

impl Objects {
    pub(crate) fn bucket(&self, bucket: &str) -> Option<&BTreeMap<String, Object>> {
        self.buckets.get(bucket)
    }

    pub(crate) fn get(&self, bucket: &str, name: &str) -> Option<&Object> {
        self.buckets.get(bucket)?.get(name)
    }

    pub(crate) fn put_bucket(&mut self, bucket: &str) {
        self.buckets.entry(bucket.to_owned()).or_default();
    }

    /// Puts an object there, or in place of one of that name; its generation. As Cloud Storage's, that
    /// is the time in microseconds, and never the same twice.
    pub(crate) fn put(&mut self, bucket: &str, name: &str, content: Vec<u8>) -> i64 {
        self.put_created(bucket, name, content, Timestamp::now())
    }

    /// The same as if it had been put there at another time.
    pub(crate) fn put_created(
        &mut self,
        bucket: &str,
        name: &str,
        content: Vec<u8>,
        created: Timestamp,
    ) -> i64 {
        let generation = created.as_microsecond().max(self.last_generation + 1);
        self.last_generation = generation;
        let object = Object { generation, created, content };
        self.buckets.entry(bucket.to_owned()).or_default().insert(name.to_owned(), object);
        generation
    }

    pub(crate) fn remove(&mut self, bucket: &str, name: &str) -> Option<Object> {
        self.buckets.get_mut(bucket)?.remove(name)
    }
}
