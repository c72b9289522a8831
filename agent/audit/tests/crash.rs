//! A machine that stops at any write or sync, on a file system that keeps only what was synced.
//!
//! The model: what a write put into a file, and what a create, rename or remove did to a directory, may be lost, kept, or (for
//! writes) kept in part, until a sync of that file or the operation's own sync has returned. Whatever the spool makes of what is
//! left: each record that was acknowledged is there, in order and in one chain, and nothing else is taken for a record.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use holdfast_audit::filesystem::{Filesystem, SegmentFile};
use holdfast_audit::verify::Trust;
use holdfast_audit::{Config, Error, Record, Trail};
use proptest::prelude::*;
use support::{Store, check, config, event, ship};

/// One file: what is durable, and the writes since.
#[derive(Clone, Default)]
struct Contents {
    durable: Vec<u8>,
    now: Vec<u8>,
    writes: Vec<(usize, Vec<u8>)>,
}

#[derive(Default)]
struct Model {
    files: BTreeMap<PathBuf, Contents>,
    locked: bool,
    /// Operations until the machine stops.
    left: u64,
    stopped: bool,
    /// Decides what becomes of what was not synced.
    random: u64,
    /// The operation that finds no room, and the sync that fails.
    full_at: Option<u64>,
    sync_fails_at: Option<u64>,
    done: u64,
}

impl Model {
    /// Counts one operation; an error if the machine has stopped, or stops with it.
    fn step(&mut self) -> io::Result<()> {
        self.done += 1;
        if self.left == 0 {
            self.stopped = true;
        }
        if self.stopped {
            return Err(io::Error::other("the machine has stopped"));
        }
        self.left -= 1;
        Ok(())
    }

    fn chance(&mut self) -> u64 {
        // A linear congruential generator (Knuth's MMIX constants) is random enough here and repeats by its seed.
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.random >> 33
    }

    /// What is on the disk after the power came back.
    fn crash(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        for contents in files.values_mut() {
            let mut disk = contents.durable.clone();
            for (offset, bytes) in std::mem::take(&mut contents.writes) {
                let kept = match self.chance() % 4 {
                    0 => 0..0,
                    1 => 0..bytes.len(),
                    2 => 0..self.chance() as usize % (bytes.len() + 1),
                    // Pages of one write reach the disk in any order.
                    _ => self.chance() as usize % (bytes.len() + 1)..bytes.len(),
                };
                let end = offset + kept.end;
                if disk.len() < end {
                    disk.resize(end, 0);
                }
                disk[offset + kept.start..end].copy_from_slice(&bytes[kept]);
            }
            contents.durable.clone_from(&disk);
            contents.now = disk;
        }
        self.files = files;
        (self.locked, self.stopped, self.left) = (false, false, u64::MAX);
        (self.full_at, self.sync_fails_at) = (None, None);
    }

    fn no_room(&mut self) -> io::Result<()> {
        if self.full_at.is_some_and(|at| self.done >= at && self.done < at + 3) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Model>>);

struct OpenFile(Memory, PathBuf);
struct Lock(Memory);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().locked = false;
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Memory {
    fn step<T>(&self, work: impl FnOnce(&mut Model) -> io::Result<T>) -> io::Result<T> {
        let mut model = self.0.lock().unwrap();
        model.step()?;
        work(&mut model)
    }
}

impl Filesystem for Memory {
    fn create_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let model = self.0.lock().unwrap();
        Ok(model.files.keys().filter(|path| path.parent() == Some(directory)).cloned().collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.lock().unwrap().files.get(path).map(|file| file.now.clone()).ok_or_else(missing)
    }

    fn read_range(&self, path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
        let bytes = self.read(path)?;
        bytes.get(range.start as usize..range.end as usize).map(Into::into).ok_or_else(|| io::Error::other("short"))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let contents = Contents { durable: bytes.into(), now: bytes.into(), writes: vec![] };
        let staged = path.with_extension("json.1-1.staged");
        self.step(|model| {
            model.no_room()?;
            model.files.insert(staged.clone(), contents.clone());
            Ok(())
        })?;
        // The rename reached the disk, or the machine stopped before: both are seen.
        self.step(|model| {
            model.files.remove(&staged);
            model.files.insert(path.into(), contents);
            Ok(())
        })?;
        self.step(|_| Ok(()))
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        if self.0.lock().unwrap().files.contains_key(path) {
            return Ok(false);
        }
        self.replace(path, bytes).map(|()| true)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.0.lock().unwrap().files.get(path).ok_or_else(missing)?;
        Ok(Box::new(OpenFile(self.clone(), path.into())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|model| {
            let contents = model.files.remove(from).ok_or_else(missing)?;
            model.files.insert(to.into(), contents);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|model| model.files.remove(path).map(drop).ok_or_else(missing))
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut model = self.0.lock().unwrap();
        if std::mem::replace(&mut model.locked, true) {
            return Ok(None);
        }
        drop(model);
        Ok(Some(Box::new(Lock(self.clone()))))
    }
}

impl SegmentFile for OpenFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // A write that the machine does not live to finish may still reach the disk in part.
        let mut model = self.0.0.lock().unwrap();
        let stopped = model.step();
        let full = model.no_room();
        let file = model.files.get_mut(&self.1).ok_or_else(missing)?;
        // Of a write that finds no room, a part may be there.
        let bytes = if full.is_err() { &bytes[..bytes.len() / 2] } else { bytes };
        let offset = offset as usize;
        file.writes.push((offset, bytes.into()));
        if file.now.len() < offset + bytes.len() {
            file.now.resize(offset + bytes.len(), 0);
        }
        file.now[offset..offset + bytes.len()].copy_from_slice(bytes);
        stopped.and(full)
    }

    fn sync(&mut self) -> io::Result<()> {
        let path = self.1.clone();
        self.0.step(|model| {
            if model.sync_fails_at.is_some_and(|at| model.done >= at) {
                // Once, as Linux does: the pages are dropped, and the next sync would succeed.
                model.sync_fails_at = None;
                model.files.get_mut(&path).ok_or_else(missing)?.writes.clear();
                return Err(io::Error::other("EIO"));
            }
            let file = model.files.get_mut(&path).ok_or_else(missing)?;
            (file.durable, file.writes) = (file.now.clone(), vec![]);
            Ok(())
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let path = self.1.clone();
        self.0.step(|model| {
            let file = model.files.get_mut(&path).ok_or_else(missing)?;
            file.now.truncate(length as usize);
            (file.durable, file.writes) = (file.now.clone(), vec![]);
            Ok(())
        })
    }
}

/// What producers were told, and what the store has.
#[derive(Default)]
struct World {
    acknowledged: Vec<u64>,
    refused: Vec<u64>,
    store: Store,
}

fn settings() -> Config {
    Config { segment_bytes: 4000, ..config(Path::new("/")) }
}

/// One life of the machine: open, append, ship now and then, until the machine stops or all is done.
fn live(memory: &Memory, world: &mut World, numbers: Range<u64>, ship_every: u64) {
    let Ok((trail, recovery)) = Trail::open_on(Arc::new(memory.clone()), settings()) else { return };
    assert_eq!(recovery.damaged, [], "a crash is not damage");
    let mut outbox = trail.outbox().unwrap();
    for number in numbers {
        // Several at once, so that batches have several frames.
        let pending: Vec<_> =
            (0..3).map(|part| number * 3 + part).map(|id| (id, trail.submit(event(id)).unwrap())).collect();
        for (id, pending) in pending {
            match pending.wait() {
                Ok(_) => world.acknowledged.push(id),
                Err(_) => world.refused.push(id),
            }
        }
        if number % ship_every == 0 {
            while let Ok(Some(batch)) = outbox.next() {
                let before = world.store.insert(batch.object.key.clone(), batch.object.bytes.clone());
                assert!(before.is_none() || batch.repeated, "the same object was put as if it were new");
                if outbox.confirm(&batch).is_err() {
                    break;
                }
            }
        }
    }
    let _ = trail.close();
}

/// Opens once more, ships all, and looks at what is there.
fn settle(memory: &Memory, world: &mut World) {
    memory.0.lock().unwrap().crash();
    let (trail, recovery) = Trail::open_on(Arc::new(memory.clone()), settings()).unwrap();
    assert_eq!(recovery.damaged, [], "a crash is not damage");
    let mut outbox = trail.outbox().unwrap();
    trail.close().unwrap();
    ship(&mut outbox, &mut world.store);
    let (report, _) = check(&world.store, &Trust::new());
    assert!(report.intact, "{:#?}", report.findings);
    let mut stored = Vec::new();
    for bytes in world.store.values() {
        for line in holdfast_audit::object::decode(bytes).unwrap() {
            stored.extend(Record::parse(&line).unwrap().request_parameters["number"].as_u64());
        }
    }
    stored.sort_unstable();
    let mut once = stored.clone();
    once.dedup();
    assert_eq!(stored, once, "an event is recorded twice");
    for id in &world.acknowledged {
        assert!(stored.binary_search(id).is_ok(), "the acknowledged event {id} is lost");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn no_acknowledged_event_is_lost_wherever_the_machine_stops(
        stops in prop::collection::vec(0u64..120, 1..5), seed in any::<u64>(), ship_every in 1u64..6
    ) {
        let memory = Memory::default();
        let mut world = World::default();
        memory.0.lock().unwrap().random = seed;
        for (life, stop) in stops.into_iter().enumerate() {
            memory.0.lock().unwrap().left = stop;
            let first = life as u64 * 20;
            live(&memory, &mut world, first..first + 12, ship_every);
            memory.0.lock().unwrap().crash();
        }
        settle(&memory, &mut world);
    }

    #[test]
    fn a_full_disk_refuses_and_goes_on_once_there_is_room(at in 20u64..60, seed in any::<u64>()) {
        let memory = Memory::default();
        let mut world = World::default();
        {
            let mut model = memory.0.lock().unwrap();
            (model.random, model.left, model.full_at) = (seed, u64::MAX, Some(at));
        }
        live(&memory, &mut world, 0..20, 4);
        // Room came back three operations later: the last events were taken.
        prop_assert!(world.acknowledged.iter().any(|id| *id >= 54), "{:?}", world.refused);
        settle(&memory, &mut world);
    }

    #[test]
    fn after_a_failed_sync_nothing_more_is_acknowledged(at in 20u64..60, seed in any::<u64>()) {
        let memory = Memory::default();
        let mut world = World::default();
        {
            let mut model = memory.0.lock().unwrap();
            (model.random, model.left, model.sync_fails_at) = (seed, u64::MAX, Some(at));
        }
        live(&memory, &mut world, 0..20, 4);
        let first_refused = world.refused.iter().min().copied().unwrap_or(u64::MAX);
        prop_assert!(world.acknowledged.iter().all(|id| *id < first_refused));
        prop_assert!(!world.refused.is_empty());
        settle(&memory, &mut world);
    }
}

#[test]
fn every_single_stopping_place_of_one_run_is_survived() {
    let mut places = 0;
    for stop in 0..400 {
        let memory = Memory::default();
        let mut world = World::default();
        {
            let mut model = memory.0.lock().unwrap();
            (model.left, model.random) = (stop, stop);
        }
        live(&memory, &mut world, 0..10, 3);
        let finished = !memory.0.lock().unwrap().stopped;
        memory.0.lock().unwrap().crash();
        settle(&memory, &mut world);
        places = stop;
        if finished {
            break;
        }
    }
    assert!((60..400).contains(&places), "the run has {places} operations");
}

#[test]
fn a_second_opener_is_refused() {
    let memory = Memory::default();
    memory.0.lock().unwrap().left = u64::MAX;
    let (_trail, _) = Trail::open_on(Arc::new(memory.clone()), settings()).unwrap();
    assert!(matches!(Trail::open_on(Arc::new(memory), settings()), Err(Error::Locked { .. })));
}
