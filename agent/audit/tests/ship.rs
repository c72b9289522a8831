//! Shipping into a store that loses answers, refuses, or has what it should not have.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::collections::VecDeque;
use std::fmt;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_audit::Trail;
use holdfast_audit::ship::{Destination, ShipError, Shipper};
use holdfast_audit::verify::{Options, Report, Trust, list_directory, read_directory, verify};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use support::{config, event};

const SOON: Duration = Duration::from_secs(20);
const NO_LINGER: Duration = Duration::ZERO;

/// What the store does with one put.
#[derive(Clone, Copy)]
enum Fault {
    /// Takes it, and the answer is lost.
    AnswerLost,
    /// 503.
    Away,
    /// 409, as S3 says while another conditional put is under way.
    Conflict,
    /// 403.
    Denied,
    /// 412.
    Exists,
}

/// A directory behind faults; then it works.
#[derive(Debug)]
struct Faulty {
    inner: LocalFileSystem,
    faults: Mutex<VecDeque<Fault>>,
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fault")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

fn answer(fault: Fault, path: &Path) -> Error {
    let path = path.to_string();
    let http = |status: u16| Box::new(std::io::Error::other(format!("HTTP {status}")));
    match fault {
        Fault::AnswerLost => Error::Generic { store: "S3", source: "the connection was closed".into() },
        Fault::Away => Error::Generic { store: "S3", source: http(503) },
        // As object_store's S3 client gives them: a 412 comes wrapped in `Precondition`, a 409 does not.
        Fault::Conflict => Error::AlreadyExists { path, source: "HTTP 409".into() },
        Fault::Denied => Error::PermissionDenied { path, source: http(403) },
        Fault::Exists => {
            let precondition = Error::Precondition { path: path.clone(), source: http(412) };
            Error::AlreadyExists { path, source: Box::new(precondition) }
        }
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None => match self.inner.put_opts(location, payload, options).await {
                Err(Error::AlreadyExists { .. }) => Err(answer(Fault::Exists, location)),
                other => other,
            },
            Some(Fault::AnswerLost) => {
                self.inner.put_opts(location, payload, options).await?;
                Err(answer(Fault::AnswerLost, location))
            }
            Some(fault) => Err(answer(fault, location)),
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("the trail's objects are put whole")
    }

    async fn get_opts(&self, _: &Path, _: GetOptions) -> Result<GetResult> {
        unreachable!("a writer may not read")
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        unreachable!("a writer may not delete")
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        unreachable!("a writer may not list")
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        unreachable!("a writer may not list")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("a writer may not copy")
    }
}

fn faulty(directory: &FilePath, faults: &[Fault]) -> Destination {
    std::fs::create_dir_all(directory).unwrap();
    let inner = LocalFileSystem::new_with_prefix(directory).unwrap();
    Destination::of("s3://faulty", Arc::new(Faulty { inner, faults: Mutex::new(faults.iter().copied().collect()) }))
}

fn verified(directory: &FilePath) -> Report {
    let options = Options { trust_new_writers: true };
    let listing = list_directory(directory).unwrap();
    verify(listing, |object| read_directory(directory, object), &Trust::new(), options).unwrap().0
}

#[tokio::test]
async fn what_is_confirmed_is_in_the_store_and_gone_from_the_spool() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let (trail, _) = Trail::open(config(directory.path())).unwrap();
    let destination = Destination::directory(&store).unwrap();
    // Nothing is shipped by itself within the test; who waits for a confirmation need not.
    let shipper = Shipper::start(&trail, destination, Duration::from_secs(3600)).unwrap();
    for number in 0..10 {
        let receipt = trail.append(event(number)).unwrap();
        shipper.confirm(receipt.sequence, SOON).await.unwrap();
        assert!(verified(&store).records >= receipt.sequence);
    }
    let close = trail.close().unwrap();
    shipper.confirm(close.sequence, SOON).await.unwrap();
    let report = verified(&store);
    assert!(report.intact, "{report:#?}");
    assert_eq!(report.records, close.sequence);
    let left = std::fs::read_dir(directory.path().join("spool")).unwrap();
    let segments = left.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "segment"));
    assert_eq!(segments.count(), 0);
}

#[tokio::test]
async fn lost_answers_errors_and_conflicts_are_tried_again_and_make_no_second_object() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let faults = [Fault::Away, Fault::AnswerLost, Fault::Conflict];
    let (trail, _) = Trail::open(config(directory.path())).unwrap();
    let shipper = Shipper::start(&trail, faulty(&store, &faults), NO_LINGER).unwrap();
    trail.append(event(1)).unwrap();
    let close = trail.close().unwrap();
    shipper.confirm(close.sequence, SOON).await.unwrap();
    let report = verified(&store);
    assert!(report.intact, "{report:#?}");
    assert_eq!(report.records, close.sequence);
}

#[tokio::test]
async fn an_object_that_was_there_before_the_first_try_is_told_and_nothing_more_is_shipped() {
    let directory = tempfile::tempdir().unwrap();
    let (trail, _) = Trail::open(config(directory.path())).unwrap();
    let destination = faulty(&directory.path().join("store"), &[Fault::Exists]);
    let shipper = Shipper::start(&trail, destination, NO_LINGER).unwrap();
    let receipt = trail.append(event(1)).unwrap();
    assert!(matches!(shipper.confirm(receipt.sequence, SOON).await, Err(ShipError::Foreign { .. })));
    let receipt = trail.append(event(2)).unwrap();
    assert!(shipper.confirm(receipt.sequence, SOON).await.is_err());
}

#[tokio::test]
async fn a_store_that_refuses_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (trail, _) = Trail::open(config(directory.path())).unwrap();
    let destination = faulty(&directory.path().join("store"), &[Fault::Denied]);
    let shipper = Shipper::start(&trail, destination, NO_LINGER).unwrap();
    let refused = shipper.confirm(1, SOON).await;
    assert!(matches!(refused, Err(ShipError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_after_the_time_that_was_given() {
    let directory = tempfile::tempdir().unwrap();
    let (trail, _) = Trail::open(config(directory.path())).unwrap();
    let destination = faulty(&directory.path().join("store"), &[Fault::Away; 50]);
    let shipper = Shipper::start(&trail, destination, NO_LINGER).unwrap();
    let error = shipper.confirm(1, Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(&error, ShipError::Unconfirmed { sequence: 1, last: Some(_), .. }), "{error}");
}

#[tokio::test]
async fn what_a_crash_left_half_shipped_is_shipped_as_the_same_object() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    {
        let (trail, _) = Trail::open(config(directory.path())).unwrap();
        let shipper = Shipper::start(&trail, faulty(&store, &[Fault::AnswerLost]), NO_LINGER).unwrap();
        let mut status = shipper.status();
        let deadline = std::time::Instant::now() + SOON;
        while status.failure.is_none() && status.confirmed == 0 {
            assert!(std::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(5)).await;
            status = shipper.status();
        }
        // Stopped here: the object is in the store, and the spool does not know.
        shipper.stop().await;
    }
    let (trail, recovery) = Trail::open(config(directory.path())).unwrap();
    assert!(recovery.pending > 0);
    let shipper = Shipper::start(&trail, faulty(&store, &[]), NO_LINGER).unwrap();
    let close = trail.close().unwrap();
    shipper.confirm(close.sequence, SOON).await.unwrap();
    let report = verified(&store);
    assert!(report.intact, "{report:#?}");
    assert_eq!(report.streams.len(), 2);
}

#[tokio::test]
async fn a_trail_is_shipped_once() {
    let directory = tempfile::tempdir().unwrap();
    let (trail, _) = Trail::open(config(directory.path())).unwrap();
    let destination = || Destination::directory(&directory.path().join("store")).unwrap();
    let _shipper = Shipper::start(&trail, destination(), NO_LINGER).unwrap();
    assert!(matches!(Shipper::start(&trail, destination(), NO_LINGER), Err(ShipError::Taken)));
}
