//! The change index: which keys got a version when, so that an incremental scan looks at what changed and no more.
//!
//! The table `changes` is written in the transaction that writes the versions, so the two never disagree, whatever dies.
//! Its entries are grouped in *runs*, each of some thousand changed keys, with the least and the greatest timestamp of
//! a run's versions. A window of time picks runs by those two; inside a run keys are in order and found by seeking.
//! Timestamps may come in any order: one that is out of order only widens the times of its run. Keys of the table:
//!
//! ```text
//! 00 run            → times of the run, number of entries
//! 01 run user key   → newest timestamp that the run saw of this key
//! 02 run last key   → times, first key: an *extent*, keys from first to last that one bulk ingest may have written
//! 03                → the mark: versions at or before it may lack entries; absent = the index has not begun
//! ```
//!
//! Extents of one run are disjoint. Entries may outlive their versions (erased, collected); then they lead to nothing.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{Database, MdbError, PutFlags, RoTxn, RwTxn};
use spanvault_core::batch::Batch;
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::{Code, Fault, escape_key};

use crate::fault::{Doing, Result};
use crate::keys;
use crate::store::Store;

pub(crate) type ChangeTable = Database<Bytes, Bytes>;

const RUN: u8 = 0;
pub(crate) const KEY: u8 = 1;
pub(crate) const EXTENT: u8 = 2;
const MARK: &[u8] = &[3];

/// Tag and number of the run.
pub(crate) const PREFIX_BYTES: usize = 9;
pub(crate) const TIME_BYTES: usize = 12;
/// Entries after which a run is closed: what a window reads too much at its borders, and how many runs it merges.
const RUN_ENTRIES: u64 = 4096;

/// The least and the greatest timestamp of some versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    min: Timestamp,
    pub(crate) max: Timestamp,
}

impl Times {
    pub(crate) const NONE: Times = Times { min: Timestamp::MAX, max: Timestamp { wall: 0, logical: 0 } };

    #[inline]
    pub(crate) fn note(&mut self, timestamp: Timestamp) {
        self.min = self.min.min(timestamp);
        self.max = self.max.max(timestamp);
    }

    fn join(&mut self, other: Times) {
        self.note(other.min);
        self.note(other.max);
    }

    /// True when a version in (after, as_of] may be among them.
    pub(crate) fn meet(&self, after: Timestamp, as_of: Timestamp) -> bool {
        self.max > after && self.min <= as_of
    }
}

/// The keys of a batch that was ingested, from the least to the greatest, their times and sums.
pub(crate) struct Ingested<'a> {
    keys: Option<(&'a [u8], &'a [u8])>,
    times: Times,
    pub(crate) entries: u64,
    /// Bytes of user keys and values.
    pub(crate) bytes: u64,
}

impl<'a> Ingested<'a> {
    pub(crate) fn new() -> Self {
        Ingested { keys: None, times: Times::NONE, entries: 0, bytes: 0 }
    }

    /// Counts an entry in; one comparison when they come in order.
    #[inline]
    pub(crate) fn note(&mut self, user: &'a [u8], timestamp: Timestamp, value_bytes: usize) {
        self.times.note(timestamp);
        self.entries += 1;
        self.bytes += (user.len() + value_bytes) as u64;
        match &mut self.keys {
            None => self.keys = Some((user, user)),
            Some((_, last)) if user >= *last => *last = user,
            Some((first, _)) => *first = (*first).min(user),
        }
    }
}

/// A run as its record tells it.
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) times: Times,
    entries: u64,
}

impl Run {
    fn new(number: u64) -> Run {
        Run { number, times: Times::NONE, entries: 0 }
    }

    pub(crate) fn parse(key: &[u8], value: &[u8]) -> Result<Run> {
        let parse = || {
            let number = u64::from_be_bytes(*key.get(1..)?.first_chunk()?);
            let (times, rest) = split_times(value)?;
            Some(Run { number, times, entries: u64::from_be_bytes(*rest.first_chunk()?) })
        };
        parse().ok_or_else(|| unreadable(key))
    }

    fn put(&self, table: &ChangeTable, txn: &mut RwTxn<'_>) -> Result<()> {
        let mut value = Vec::with_capacity(2 * TIME_BYTES + 8);
        push_times(&mut value, self.times);
        value.extend_from_slice(&self.entries.to_be_bytes());
        table.put(txn, &entry_key(RUN, self.number, b""), &value).doing("write the change index")
    }
}

/// Key of an entry of a run.
pub(crate) fn entry_key(tag: u8, run: u64, user: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_BYTES + user.len());
    key.push(tag);
    key.extend_from_slice(&run.to_be_bytes());
    key.extend_from_slice(user);
    key
}

pub(crate) fn push_time(out: &mut Vec<u8>, timestamp: Timestamp) {
    out.extend_from_slice(&timestamp.wall.to_be_bytes());
    out.extend_from_slice(&timestamp.logical.to_be_bytes());
}

pub(crate) fn split_time(value: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (wall, rest) = value.split_first_chunk()?;
    let (logical, rest) = rest.split_first_chunk()?;
    Some((Timestamp { wall: u64::from_be_bytes(*wall), logical: u32::from_be_bytes(*logical) }, rest))
}

fn push_times(out: &mut Vec<u8>, times: Times) {
    push_time(out, times.min);
    push_time(out, times.max);
}

fn split_times(value: &[u8]) -> Option<(Times, &[u8])> {
    let (min, rest) = split_time(value)?;
    let (max, rest) = split_time(rest)?;
    Some((Times { min, max }, rest))
}

/// The times and the first key of an extent.
pub(crate) fn parse_extent<'a>(key: &[u8], value: &'a [u8]) -> Result<(Times, &'a [u8])> {
    split_times(value).ok_or_else(|| unreadable(key))
}

#[cold]
pub(crate) fn unreadable(key: &[u8]) -> Fault {
    Fault::new(Code::CorruptStore, format!("record {} beside the embedded store's versions does not parse", escape_key(key)))
}

impl Store {
    /// The mark: the index serves windows that begin at or after it.
    pub(crate) fn mark(&self, txn: &RoTxn<'_>) -> Result<Option<Timestamp>> {
        let Some(value) = self.changes.get(txn, MARK).doing("read the change index")? else { return Ok(None) };
        split_time(value).map(|(mark, _)| Some(mark)).ok_or_else(|| unreadable(MARK))
    }

    pub(crate) fn put_mark(&self, txn: &mut RwTxn<'_>, mark: Timestamp) -> Result<()> {
        let mut value = Vec::with_capacity(TIME_BYTES);
        push_time(&mut value, mark);
        self.changes.put(txn, MARK, &value).doing("write the change index")
    }

    /// Begins the index of a store that was filled before there was one. The caller vouches that no version is newer
    /// than `since`. Durable on return; nothing when the index has begun.
    pub fn begin_changes(&self, since: Timestamp) -> Result<()> {
        if self.mark(&*self.snapshot()?)?.is_some() {
            return Ok(());
        }
        let mut writer = self.writer();
        self.sync_held(&mut writer)?;
        let mut txn = self.env.write_txn().doing("begin to write")?;
        if self.mark(&txn)?.is_none() {
            self.put_mark(&mut txn, since)?;
        }
        txn.commit().doing("begin the change index")
    }

    /// The next change begins a run of its own. A backup calls it at its end time, from which the next one's window goes
    /// on. It only makes that window cheaper, so it lasts as long as the process.
    pub fn cut_changes(&self) {
        self.cut.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// The run that changes of this transaction go to; `None` while the index has not begun.
    fn open_run(&self, txn: &RwTxn<'_>) -> Result<Option<Run>> {
        if self.mark(txn)?.is_none() {
            return Ok(None);
        }
        let last = self.changes.get_lower_than(txn, &[KEY]).doing("read the change index")?;
        let Some((key, value)) = last else { return Ok(Some(Run::new(1))) };
        let run = Run::parse(key, value)?;
        let cut = self.cut.swap(false, std::sync::atomic::Ordering::Relaxed);
        let full = cut || run.entries >= RUN_ENTRIES;
        Ok(Some(if full { Run::new(run.number + 1) } else { run }))
    }

    /// Records the keys of a batch.
    pub(crate) fn record_keys(&self, txn: &mut RwTxn<'_>, batch: &Batch<'_>) -> Result<()> {
        if batch.count() == 0 {
            return Ok(());
        }
        let Some(mut run) = self.open_run(txn)? else { return Ok(()) };
        let mut value = Vec::with_capacity(TIME_BYTES);
        for (engine, _) in batch.iter() {
            let (user, timestamp) = keys::split(engine)?;
            run.times.note(timestamp);
            value.clear();
            push_time(&mut value, timestamp);
            let key = entry_key(KEY, run.number, user);
            match self.changes.put_with_flags(txn, PutFlags::NO_OVERWRITE, &key, &value) {
                Err(heed::Error::Mdb(MdbError::KeyExist)) => {
                    let old = self.changes.get(txn, &key).doing("read the change index")?;
                    if old.is_none_or(|old| old < value.as_slice()) {
                        self.changes.put(txn, &key, &value).doing("write the change index")?;
                    }
                }
                put => {
                    put.doing("write the change index")?;
                    run.entries += 1;
                }
            }
        }
        run.put(&self.changes, txn)
    }

    /// Records what an ingest wrote as one extent, joined with the run's extents that it overlaps.
    pub(crate) fn record_ingest(&self, txn: &mut RwTxn<'_>, ingested: &Ingested<'_>) -> Result<()> {
        let Some((first, last)) = ingested.keys else { return Ok(()) };
        let Some(mut run) = self.open_run(txn)? else { return Ok(()) };
        run.times.join(ingested.times);
        run.entries += 1;
        let (mut first, mut last, mut times) = (first.to_vec(), last.to_vec(), ingested.times);
        let beyond = entry_key(EXTENT, run.number + 1, b"");
        loop {
            let from = entry_key(EXTENT, run.number, &first);
            let next = self.changes.get_greater_than_or_equal_to(txn, &from).doing("read the change index")?;
            let Some((key, value)) = next.filter(|(key, _)| *key < beyond.as_slice()) else { break };
            let (more, begin) = parse_extent(key, value)?;
            if begin > last.as_slice() {
                break;
            }
            times.join(more);
            first = first.min(begin.to_vec());
            last = last.max(key[PREFIX_BYTES..].to_vec());
            run.entries = run.entries.saturating_sub(1);
            let key = key.to_vec();
            self.changes.delete(txn, &key).doing("write the change index")?;
        }
        let mut value = Vec::with_capacity(2 * TIME_BYTES + first.len());
        push_times(&mut value, times);
        value.extend_from_slice(&first);
        self.changes.put(txn, &entry_key(EXTENT, run.number, &last), &value).doing("write the change index")?;
        run.put(&self.changes, txn)
    }

    /// Raises the mark to `through` and drops runs whose versions all lie at or before it, at most about `limit`
    /// entries per call. Returns whether there is more to drop. Durable after `sync`, or after the next `commit`.
    pub fn forget_changes(&self, through: Timestamp, limit: usize) -> Result<bool> {
        let due = |txn: &RoTxn<'_>| -> Result<Vec<u64>> {
            let runs = self.runs(txn)?.into_iter().filter(|run| run.times.max <= through);
            Ok(runs.map(|run| run.number).collect())
        };
        let snapshot = self.snapshot()?;
        let Some(mark) = self.mark(&snapshot)? else { return Ok(false) };
        if due(&snapshot)?.is_empty() {
            return Ok(false);
        }
        drop(snapshot);
        let mut writer = self.writer();
        writer.relax(&self.env)?;
        let mut txn = self.env.write_txn().doing("begin to write")?;
        // Before anything is dropped no window may need it any more, or begin there and not know.
        self.put_mark(&mut txn, mark.max(through))?;
        let mut left = limit.max(1);
        for run in due(&txn)? {
            for tag in [KEY, EXTENT] {
                left -= self.drop_entries(&mut txn, tag, run, left)?;
            }
            if left == 0 {
                break;
            }
            self.changes.delete(&mut txn, &entry_key(RUN, run, b"")).doing("trim the change index")?;
        }
        txn.commit().doing("trim the change index")?;
        Ok(left == 0)
    }

    /// Drops at most `limit` entries of a run; returns how many.
    fn drop_entries(&self, txn: &mut RwTxn<'_>, tag: u8, run: u64, limit: usize) -> Result<usize> {
        let (from, to) = (entry_key(tag, run, b""), entry_key(tag, run + 1, b""));
        let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        let mut entries = self.changes.range_mut(txn, &range).doing("trim the change index")?;
        let mut dropped = 0;
        while dropped < limit && entries.next().transpose().doing("trim the change index")?.is_some() {
            // SAFETY: nothing that was read from the map is used after this call.
            unsafe { entries.del_current() }.doing("trim the change index")?;
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Every run.
    pub(crate) fn runs(&self, txn: &RoTxn<'_>) -> Result<Vec<Run>> {
        let range = (Bound::Unbounded, Bound::Excluded([KEY].as_slice()));
        let records = self.changes.range(txn, &range).doing("read the change index")?;
        records.map(|record| record.doing("read the change index").and_then(|(key, value)| Run::parse(key, value))).collect()
    }
}
