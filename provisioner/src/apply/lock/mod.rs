//! The estate's lock: one apply or destroy at a time.
//!
//! An object in the account's bucket for locks ([`bucket`]), `locks/<estate>`, whose body says who holds it, why, with
//! which nonce and for how many seconds.
//!
//! - It is taken by a put with `If-None-Match: *`, and renewed, taken over and released with `If-Match` and the ETag
//!   that was seen last: of two at once S3 lets one win.
//! - It is expired once S3's own clock (the `Date` of an answer, against the object's `Last-Modified`) says so; no
//!   machine's clock counts.
//! - It is renewed in the background, and before an act if the last renewal is not of just now. A refusal (412) that
//!   isn't our own earlier try means that somebody took it over: then everything stops at once.
//!
//! What remains: EC2 knows no fencing token, so a call that was under way while the lock expired (a laptop that slept
//! longer than [`SECONDS`]) can still arrive. The next plan finds what it made.

pub(super) mod bucket;
mod date;

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::ApplyError;
use super::witness::{Note, Witness};
use crate::cloud::{Cloud, CloudError, Service, found};
use crate::estate::Scope;

/// How long a lock that isn't renewed holds.
pub const SECONDS: u64 = 60;
/// How old the last renewal may be before an act.
const FRESH: Duration = Duration::from_secs(10);
/// Between two renewals in the background.
const EVERY: Duration = Duration::from_secs(15);
/// How often a race is run again.
const RACES: u32 = 10;

/// S3 says that the condition didn't hold.
const CONDITION: &[&str] = &["PreconditionFailed"];
/// S3 says that another conditional request was under way.
const CONFLICT: &[&str] = &["ConditionalRequestConflict", "OperationAborted"];
const NO_KEY: &[&str] = &["NoSuchKey", "NotFound"];

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Who, by ARN, and on which machine.
    pub holder: String,
    /// What for.
    pub reason: String,
    /// Which run.
    pub nonce: String,
    /// When it was taken, by the holder's clock: for people.
    pub since: Timestamp,
    /// How long it holds after its last renewal.
    pub seconds: u64,
}

/// A lock that is held.
pub(super) struct Lock {
    object: Arc<Object>,
    lost: CancellationToken,
    renewer: tokio::task::JoinHandle<()>,
}

struct Object {
    cloud: Arc<Cloud>,
    place: Place,
    holder: Holder,
    held: Mutex<Held>,
    lost_to: StdMutex<Option<String>>,
}

struct Held {
    etag: String,
    renewed: Instant,
}

/// A lock as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockState {
    /// Who holds it; `None` where its object says nothing that can be read.
    pub holder: Option<Holder>,
    /// Whether whoever comes next may take it over.
    pub expired: bool,
    /// How many seconds ago it was taken or renewed, by S3's clock.
    pub renewed_seconds_ago: i64,
    /// In how many seconds it expires unless it is renewed; negative once it has.
    pub expires_in_seconds: i64,
    /// Which writing of the object this is.
    #[serde(skip)]
    etag: String,
}

impl LockState {
    /// Who holds it, for people.
    pub fn who(&self) -> String {
        self.holder.as_ref().map_or_else(|| "somebody who can't be read".to_owned(), |holder| holder.holder.clone())
    }
}

/// Where an estate's lock is.
#[derive(Debug)]
struct Place {
    account: String,
    bucket: String,
    key: String,
}

impl Place {
    fn of(scope: &Scope) -> Self {
        Self { account: scope.account.to_string(), bucket: bucket::name(scope), key: format!("locks/{}", scope.estate) }
    }
}

/// The estate's lock as it is; `None` where nobody holds it, or nobody ever did.
pub(super) async fn look(cloud: &Cloud, scope: &Scope) -> Result<Option<LockState>, CloudError> {
    match look_at(cloud, &Place::of(scope)).await {
        Err(error) if error.is(&["NoSuchBucket"]) => Ok(None),
        found => found,
    }
}

/// Takes a lock away unless it was written again since it was seen; whether it did.
pub(super) async fn remove(cloud: &Cloud, scope: &Scope, seen: &LockState) -> Result<bool, CloudError> {
    delete(cloud, &Place::of(scope), &seen.etag).await
}

/// Deletes this writing of a lock; whether it was still there.
async fn delete(cloud: &Cloud, place: &Place, etag: &str) -> Result<bool, CloudError> {
    let Place { account, bucket, key } = place;
    let request = cloud.s3.delete_object().bucket(bucket).key(key).expected_bucket_owner(account).if_match(etag);
    let answer = cloud.call(Service::S3, "DeleteObject", request.send()).await;
    Ok(found(answer, &[CONDITION, CONFLICT, NO_KEY].concat())?.is_some())
}

async fn look_at(cloud: &Cloud, place: &Place) -> Result<Option<LockState>, CloudError> {
    let Place { account, bucket, key } = place;
    let seen = date::Date::default();
    let request = cloud.s3.get_object().bucket(bucket).key(key).expected_bucket_owner(account);
    let request = request.customize().interceptor(seen.clone()).send();
    let Some(answer) = found(cloud.call(Service::S3, "GetObject", request).await, NO_KEY)? else {
        return Ok(None);
    };
    let missing = |what| CloudError::incomplete(Service::S3, "GetObject", what);
    let etag = answer.e_tag.ok_or_else(|| missing("ETag"))?;
    let modified = answer.last_modified.ok_or_else(|| missing("Last-Modified"))?.secs();
    let now = seen.seconds().ok_or_else(|| missing("Date"))?;
    let body = answer.body.collect().await.map_err(|_| missing("body"))?.into_bytes();
    // A body that isn't ours can't say how long it holds: it gets as long as ours.
    let holder: Option<Holder> = serde_json::from_slice(&body).ok();
    let seconds = holder.as_ref().map_or(SECONDS, |holder| holder.seconds);
    let age = now - modified;
    let left = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_sub(age);
    Ok(Some(LockState { holder, expired: left < 0, renewed_seconds_ago: age, expires_in_seconds: left, etag }))
}

impl Lock {
    /// Takes the estate's lock, or says who holds it.
    pub(super) async fn take(
        cloud: &Arc<Cloud>,
        scope: &Scope,
        reason: &str,
        witness: &dyn Witness,
    ) -> Result<Self, ApplyError> {
        bucket::ensure(cloud, scope, &bucket::name(scope), witness).await?;
        let holder = Holder {
            holder: format!("{} on {}", cloud.identity().arn, machine()),
            reason: reason.to_owned(),
            nonce: hex::encode(rand::rng().random::<[u8; 16]>()),
            since: Timestamp::now(),
            seconds: SECONDS,
        };
        let mut object = Object {
            cloud: Arc::clone(cloud),
            place: Place::of(scope),
            holder,
            held: Mutex::new(Held { etag: String::new(), renewed: Instant::now() }),
            lost_to: StdMutex::new(None),
        };
        let etag = object.take(witness).await?;
        *object.held.get_mut() = Held { etag, renewed: Instant::now() };
        let (object, lost) = (Arc::new(object), CancellationToken::new());
        let renewer = tokio::spawn(keep(Arc::clone(&object), lost.clone()));
        Ok(Self { object, lost, renewer })
    }

    /// Ends when the lock is lost.
    pub(super) async fn lost(&self) -> ApplyError {
        self.lost.cancelled().await;
        self.object.lost_error()
    }

    /// Sees that the lock is held, by renewing it unless that was just now.
    pub(super) async fn assert_held(&self) -> Result<(), ApplyError> {
        if self.lost.is_cancelled() {
            return Err(self.object.lost_error());
        }
        self.object.renew(FRESH).await
    }

    /// Gives the lock back. One that was lost isn't ours to give.
    pub(super) async fn release(self) -> Result<(), ApplyError> {
        self.renewer.abort();
        let object = &self.object;
        let etag = object.held.lock().await.etag.clone();
        delete(&object.cloud, &object.place, &etag).await?;
        Ok(())
    }
}

/// Renews a lock until it is lost or the task is ended.
async fn keep(object: Arc<Object>, lost: CancellationToken) {
    loop {
        sleep(EVERY).await;
        match object.renew(Duration::ZERO).await {
            Ok(()) => {}
            Err(ApplyError::LockLost { .. }) => return lost.cancel(),
            // The network may come back before the lock expires; an act asks again by itself.
            Err(error) => tracing::warn!(%error, "the lock couldn't be renewed"),
        }
    }
}

impl Object {
    async fn take(&self, witness: &dyn Witness) -> Result<String, ApplyError> {
        for race in 0..RACES {
            match self.put(None).await {
                Ok(etag) => return Ok(etag),
                Err(error) if error.is(CONFLICT) => {}
                Err(error) if error.is(CONDITION) => match self.look().await? {
                    // Our own put, whose answer was lost.
                    Some(found) if self.is_ours(&found) => return Ok(found.etag),
                    Some(found) if found.expired => {
                        let previous = found.holder.clone();
                        match self.put(Some(&found.etag)).await {
                            Ok(etag) => {
                                note_takeover(witness, previous).await?;
                                return Ok(etag);
                            }
                            Err(error) if error.is(CONDITION) || error.is(CONFLICT) || error.is(NO_KEY) => {}
                            Err(error) => return Err(error.into()),
                        }
                    }
                    Some(found) => return Err(self.taken(found)),
                    // Released between the two calls.
                    None => {}
                },
                Err(error) => return Err(error.into()),
            }
            let jitter = rand::rng().random_range(50..200);
            sleep(Duration::from_millis(jitter * u64::from(race + 1))).await;
        }
        match self.look().await? {
            Some(found) => Err(self.taken(found)),
            None => Err(ApplyError::LockRace { bucket: self.place.bucket.clone(), key: self.place.key.clone() }),
        }
    }

    /// Puts the lock's object: a new one, or over the one of this ETag.
    async fn put(&self, over: Option<&str>) -> Result<String, CloudError> {
        let body = serde_json::to_vec(&self.holder).unwrap_or_default();
        let request = self
            .cloud
            .s3
            .put_object()
            .bucket(&self.place.bucket)
            .key(&self.place.key)
            .expected_bucket_owner(&self.place.account)
            .content_type("application/json")
            .body(ByteStream::from(body));
        let request = match over {
            Some(etag) => request.if_match(etag),
            None => request.if_none_match("*"),
        };
        let answer = self.cloud.call(Service::S3, "PutObject", request.send()).await?;
        answer.e_tag.ok_or_else(|| CloudError::incomplete(Service::S3, "PutObject", "ETag"))
    }

    async fn look(&self) -> Result<Option<LockState>, CloudError> {
        look_at(&self.cloud, &self.place).await
    }

    fn is_ours(&self, found: &LockState) -> bool {
        found.holder.as_ref().is_some_and(|holder| holder.nonce == self.holder.nonce)
    }

    fn taken(&self, found: LockState) -> ApplyError {
        ApplyError::Locked {
            holder: Box::new(found.holder),
            bucket: self.place.bucket.clone(),
            key: self.place.key.clone(),
            renewed: found.renewed_seconds_ago,
            left: found.expires_in_seconds.max(0),
        }
    }

    /// Renews the lock if the last renewal is older than `fresh`.
    async fn renew(&self, fresh: Duration) -> Result<(), ApplyError> {
        let mut held = self.held.lock().await;
        if !fresh.is_zero() && held.renewed.elapsed() < fresh {
            return Ok(());
        }
        let asked = Instant::now();
        match self.put(Some(&held.etag)).await {
            Ok(etag) => *held = Held { etag, renewed: asked },
            Err(error) if error.is(CONFLICT) && held.renewed.elapsed() < Duration::from_secs(SECONDS) => {}
            Err(error) if error.is(CONDITION) || error.is(NO_KEY) => match self.look().await? {
                // Our own renewal, whose answer was lost.
                Some(found) if self.is_ours(&found) => *held = Held { etag: found.etag, renewed: asked },
                found => {
                    let by = found.and_then(|found| found.holder).map(|holder| holder.holder);
                    *self.lost_to.lock().unwrap_or_else(PoisonError::into_inner) = by;
                    return Err(self.lost_error());
                }
            },
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn lost_error(&self) -> ApplyError {
        let by = self.lost_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ApplyError::LockLost { by: by.unwrap_or_else(|| "somebody who removed it".to_owned()) }
    }
}

async fn note_takeover(witness: &dyn Witness, previous: Option<Holder>) -> Result<(), ApplyError> {
    let (holder, reason) = match previous {
        Some(previous) => (previous.holder, previous.reason),
        None => ("unknown".to_owned(), "unknown".to_owned()),
    };
    Ok(witness.note(&Note::LockTakenOver { holder, reason }).await?)
}

/// This machine's name and the process's id, for people.
fn machine() -> String {
    let name = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| Some(std::fs::read_to_string("/etc/hostname").ok()?.trim().to_owned()));
    format!(
        "{} (pid {})",
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".to_owned()),
        std::process::id()
    )
}
