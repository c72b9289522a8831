//! Where records go: a bucket, or a directory for tests and for machines without a way out.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use object_store::aws::{AmazonS3Builder, Checksum, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::ShipError;
use super::credentials::Bridge;

/// A store for records.
pub struct Destination {
    name: String,
    store: Arc<dyn ObjectStore>,
}

impl Destination {
    /// The store at an address: `s3://bucket` in `region` with `config`'s credentials and endpoint, or `file:///directory`.
    pub fn open(address: &str, region: &str, config: &SdkConfig) -> Result<Destination, ShipError> {
        let wrong = |reason: &str| ShipError::Destination { url: address.into(), reason: reason.into() };
        let url = Url::parse(address).map_err(|error| wrong(&error.to_string()))?;
        match url.scheme() {
            "s3" => match url.host_str() {
                Some(bucket) if matches!(url.path(), "" | "/") => Destination::s3(bucket, region, config),
                Some(_) => Err(wrong("the trail is at the top of its bucket")),
                None => Err(wrong("it names no bucket")),
            },
            "file" => {
                let path = url.to_file_path().map_err(|()| wrong("it names no directory of this machine"))?;
                Destination::directory(&path)
            }
            other => Err(wrong(&format!("nothing here speaks {other}"))),
        }
    }

    /// A bucket. Each put carries a SHA-256 checksum, and none is made twice by the client itself. Encryption is the bucket's
    /// default: naming the algorithm without the key would make S3 take another key.
    pub fn s3(bucket: &str, region: &str, config: &SdkConfig) -> Result<Destination, ShipError> {
        let name = format!("s3://{bucket}");
        let failed = |reason: String| ShipError::Client { store: name.clone(), reason };
        let provider = config
            .credentials_provider()
            .ok_or_else(|| failed("no AWS credentials were found; set AWS_PROFILE or log in".into()))?;
        let client =
            ClientOptions::new().with_connect_timeout(Duration::from_secs(5)).with_timeout(Duration::from_secs(60));
        let once =
            RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::from_secs(60) };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_credentials(Arc::new(Bridge::new(provider)))
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_client_options(client)
            .with_retry(once);
        if let Some(endpoint) = config.endpoint_url() {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder.build().map_err(|error| failed(error.to_string()))?;
        Ok(Destination { name, store: Arc::new(store) })
    }

    /// A directory, made where it is missing; what is put there is synced before it counts.
    pub fn directory(path: &Path) -> Result<Destination, ShipError> {
        let name = format!("file://{}", path.display());
        let failed = |reason: String| ShipError::Client { store: name.clone(), reason };
        std::fs::create_dir_all(path).map_err(|error| failed(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(error.to_string()))?;
        Ok(Destination { store: Arc::new(store.with_fsync(true)), name })
    }

    /// Any other store: for tests.
    pub fn of(name: impl Into<String>, store: Arc<dyn ObjectStore>) -> Destination {
        Destination { name: name.into(), store }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn into_store(self) -> Arc<dyn ObjectStore> {
        self.store
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Destination").field(&self.name).finish()
    }
}
