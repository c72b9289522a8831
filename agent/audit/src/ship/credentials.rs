//! AWS credentials as every AWS tool finds them (profiles, SSO, environment, IMDSv2), handed to `object_store`, which by itself
//! knows neither profiles nor SSO.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

/// How long before their end credentials are asked for anew: a put must not outlive them.
const MARGIN: Duration = Duration::from_secs(300);
/// How long credentials without an end are kept.
const KEPT: Duration = Duration::from_secs(900);

struct Cached {
    credential: Arc<AwsCredential>,
    until: SystemTime,
}

/// The bridge: asks the provider, and keeps the answer until shortly before it ends.
pub(super) struct Bridge {
    provider: SharedCredentialsProvider,
    cached: Mutex<Option<Cached>>,
}

impl Bridge {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Bridge {
        Bridge { provider, cached: Mutex::new(None) }
    }

    async fn credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut cached = self.cached.lock().await;
        if let Some(cached) = cached.as_ref().filter(|cached| SystemTime::now() < cached.until) {
            return Ok(Arc::clone(&cached.credential));
        }
        let found = self.provider.provide_credentials().await.map_err(|error| {
            object_store::Error::Unauthenticated { path: "credentials".into(), source: Box::new(error) }
        })?;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().into(),
            secret_key: found.secret_access_key().into(),
            token: found.session_token().map(Into::into),
        });
        let until = match found.expiry() {
            Some(expiry) => expiry.checked_sub(MARGIN).unwrap_or(expiry),
            None => SystemTime::now() + KEPT,
        };
        *cached = Some(Cached { credential: Arc::clone(&credential), until });
        Ok(credential)
    }
}

impl CredentialProvider for Bridge {
    type Credential = AwsCredential;

    fn get_credential<'a, 'b>(
        &'a self,
    ) -> Pin<Box<dyn Future<Output = object_store::Result<Arc<AwsCredential>>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.credential())
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bridge(credentials)")
    }
}
