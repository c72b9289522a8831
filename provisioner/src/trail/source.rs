//! Where a trail is read from: its bucket with all versions, or a copy of it in a directory.

use std::collections::HashMap;
use std::path::PathBuf;

use aws_sdk_s3::primitives::DateTime;
use holdfast_audit::object::Key;
use holdfast_audit::verify::{StoredObject, list_directory, read_directory};
use url::Url;

use super::{SourceArguments, TrailError};
use crate::cli::SpecFile;
use crate::cloud::{Cloud, Service};
use crate::spec::{self, Region};

/// A trail that can be read.
pub(super) struct Source {
    name: String,
    place: Place,
}

enum Place {
    Bucket { cloud: Box<Cloud>, bucket: String },
    Directory(PathBuf),
}

impl Source {
    /// What the arguments name.
    pub(super) async fn open(arguments: &SourceArguments) -> Result<Source, TrailError> {
        match &arguments.from {
            Some(address) => Source::at(address).await,
            None => {
                let (bucket, region) = named_by_spec(&arguments.spec)?;
                Source::bucket(bucket, &region).await
            }
        }
    }

    async fn at(address: &str) -> Result<Source, TrailError> {
        let wrong = |reason: &str| TrailError::Address { url: address.into(), reason: reason.into() };
        let url = Url::parse(address).map_err(|error| wrong(&error.to_string()))?;
        match url.scheme() {
            "s3" => {
                let bucket = url.host_str().ok_or_else(|| wrong("it names no bucket"))?;
                if !matches!(url.path(), "" | "/") {
                    return Err(wrong("a trail is at the top of its bucket"));
                }
                let region = region_of(bucket).ok_or_else(|| {
                    wrong("the bucket's name doesn't end in a region, and neither AWS_REGION nor AWS_DEFAULT_REGION says it")
                })?;
                Source::bucket(bucket.to_owned(), &region).await
            }
            "file" => {
                let path = url.to_file_path().map_err(|()| wrong("it names no directory of this machine"))?;
                Ok(Source { name: address.to_owned(), place: Place::Directory(path) })
            }
            other => Err(wrong(&format!("nothing here speaks {other}"))),
        }
    }

    async fn bucket(bucket: String, region: &Region) -> Result<Source, TrailError> {
        let cloud = Box::new(Cloud::connect_any(region).await?);
        Ok(Source { name: format!("s3://{bucket}"), place: Place::Bucket { cloud, bucket } })
    }

    /// Its address.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// All that is stored, with every version and delete marker.
    pub(super) async fn list(&self) -> Result<Vec<StoredObject>, TrailError> {
        match &self.place {
            Place::Bucket { cloud, bucket } => list_bucket(cloud, bucket).await,
            Place::Directory(path) => list_directory(path).map_err(TrailError::io("read", path)),
        }
    }

    /// One version's bytes.
    pub(super) async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, TrailError> {
        let (cloud, bucket) = match &self.place {
            Place::Directory(path) => {
                return read_directory(path, object).map_err(TrailError::io("read", path.join(&object.key)));
            }
            Place::Bucket { cloud, bucket } => (cloud, bucket),
        };
        let version = object.version.clone();
        let request = cloud.s3.get_object().bucket(bucket).key(&object.key).set_version_id(version).send();
        let answer = cloud.call(Service::S3, "GetObject", request).await?;
        let bytes = answer.body.collect().await.map_err(|error| TrailError::Io {
            action: "read",
            path: format!("s3://{bucket}/{}", object.key).into(),
            source: std::io::Error::other(error),
        })?;
        Ok(bytes.to_vec())
    }
}

async fn list_bucket(cloud: &Cloud, bucket: &str) -> Result<Vec<StoredObject>, TrailError> {
    let mut objects = Vec::new();
    let (mut key_marker, mut version_marker) = (None, None);
    loop {
        let request = cloud
            .s3
            .list_object_versions()
            .bucket(bucket)
            .set_key_marker(key_marker)
            .set_version_id_marker(version_marker)
            .send();
        let page = cloud.call(Service::S3, "ListObjectVersions", request).await?;
        let versions = page
            .versions
            .unwrap_or_default()
            .into_iter()
            .map(|version| (version.key, version.version_id, version.last_modified, false));
        let markers = page
            .delete_markers
            .unwrap_or_default()
            .into_iter()
            .map(|marker| (marker.key, marker.version_id, marker.last_modified, true));
        for (key, version, modified, delete_marker) in versions.chain(markers) {
            let key = key.unwrap_or_default();
            objects.push(StoredObject { key, version, modified: modified.and_then(timestamp), delete_marker });
        }
        if page.is_truncated != Some(true) {
            return Ok(objects);
        }
        (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
    }
}

fn timestamp(time: DateTime) -> Option<jiff::Timestamp> {
    jiff::Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// The trail that a spec names.
fn named_by_spec(SpecFile { file: path, environment }: &SpecFile) -> Result<(String, Region), TrailError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(TrailError::NoSource { spec: path.into() });
        }
        Err(error) => return Err(TrailError::io("read", path)(error)),
    };
    let spec = spec::parse_for(&bytes, &path.display().to_string(), *environment)?.spec;
    let audit = spec.audit.ok_or_else(|| TrailError::NoSource { spec: path.into() })?;
    Ok((audit.bucket(), audit.region))
}

/// The region that a trail's bucket is named after, or else the one that the environment names.
fn region_of(bucket: &str) -> Option<Region> {
    let named = bucket.strip_prefix("holdfast-trail-").and_then(|rest| rest.split_once('-')).map(|(_, region)| region);
    let environment = || ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
    named.and_then(|region| region.parse().ok()).or_else(|| environment()?.parse().ok())
}

/// One version for each key that is a trail's: the first that arrived, as verify reads it.
pub(super) fn originals(listing: Vec<StoredObject>) -> Vec<(Key, StoredObject)> {
    let mut objects: HashMap<String, (Key, StoredObject)> = HashMap::new();
    for object in listing.into_iter().filter(|object| !object.delete_marker) {
        let Ok(key) = object.key.parse::<Key>() else { continue };
        match objects.get(&object.key) {
            // S3 lists the newest first, and its times have whole seconds: of equal ones the later in the list is older.
            Some((_, other)) if other.modified < object.modified => {}
            _ => drop(objects.insert(object.key.clone(), (key, object))),
        }
    }
    let mut objects: Vec<_> = objects.into_values().collect();
    objects.sort_by(|(a, _), (b, _)| a.cmp(b));
    objects
}

/// Whether an object may hold records of a time or later.
pub(super) fn may_hold(key: &Key, since: jiff::Timestamp) -> bool {
    let day = jiff::civil::Date::strptime("%Y/%m/%d", &key.date).ok();
    let since = since.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    // An object is of its first record's day, and a segment may go on into the next.
    day.is_none_or(|day| day >= since.yesterday().unwrap_or(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trails_bucket_says_its_region() {
        assert_eq!(region_of("holdfast-trail-222222222222-eu-central-1").unwrap().as_str(), "eu-central-1");
    }
}
