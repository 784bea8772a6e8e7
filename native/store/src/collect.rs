//! Garbage collection: versions that no read after a threshold can see.
//!
//! Of every key the newest version at or before the threshold stays, unless it is a tombstone; older ones go. Garbage
//! since the last collection can only be where something was written, so the change index says where to look, as far
//! back as it reaches.

use std::ops::Bound;

use heed::RwTxn;
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::Fault;

use crate::changed::{Changed, Region, Wanted};
use crate::fault::{Doing, Result};
use crate::keys;
use crate::store::Store;

/// Regions of the change index that are looked up at a time.
const REGIONS: usize = 1024;

/// What one step of a collection did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// User key to go on with; `None` when the span is finished.
    pub resume_key: Option<Vec<u8>>,
    /// Versions that were erased.
    pub versions: u64,
    /// Their bytes of keys and values.
    pub bytes: u64,
    /// Bytes of keys, values and index entries that were looked at.
    pub visited: u64,
}

/// A sweep of one transaction.
struct Sweep<'a> {
    threshold: Timestamp,
    limit: u64,
    step: &'a mut Collected,
}

impl Store {
    /// Raises the threshold of [start, end) to `threshold`, where it is not higher, and erases garbage from `from` on
    /// (`None`: from the start) until about `limit` bytes were looked at. One transaction, durable after `sync`; when it
    /// is lost, so is the threshold. Call again with the resume key, until there is none.
    pub fn collect(
        &self,
        start: &[u8],
        end: &[u8],
        from: Option<&[u8]>,
        threshold: Timestamp,
        limit: u64,
    ) -> Result<Collected> {
        if limit == 0 {
            return Err(Fault::usage("the limit of a collection must be at least 1 byte"));
        }
        let mut step = Collected::default();
        if start >= end || self.collected(&*self.snapshot()?, start, end)? >= threshold {
            return Ok(step);
        }
        let mut writer = self.writer();
        writer.relax(&self.env)?;
        let mut txn = self.env.write_txn().doing("begin to write")?;
        let since = self.collected(&txn, start, end)?;
        self.raise(&mut txn, start, end, threshold, Timestamp::default())?;
        let mut at = from.unwrap_or(start).max(start).to_vec();
        let changed = Changed::find(self, &txn, Wanted { start_key: &at, end_key: end, after: since, as_of: threshold })?;
        let mut sweep = Sweep { threshold, limit, step: &mut step };
        match &changed {
            None => self.sweep(&mut txn, &at, end, &mut sweep)?,
            Some(changed) => {
                sweep.step.visited += changed.read;
                while sweep.step.resume_key.is_none() {
                    let regions = self.some_regions(&txn, changed, &at, sweep.step)?;
                    let Some((_, end)) = regions.last() else { break };
                    at.clone_from(end);
                    for (first, end) in &regions {
                        self.sweep(&mut txn, first, end, &mut sweep)?;
                        if sweep.step.resume_key.is_some() {
                            break;
                        }
                        if sweep.step.visited >= limit {
                            sweep.step.resume_key = Some(end.clone());
                            break;
                        }
                    }
                }
            }
        }
        if step.resume_key.is_none() {
            self.raise(&mut txn, start, end, threshold, threshold)?;
        }
        txn.commit().doing("collect garbage")?;
        writer.unsynced += step.bytes;
        drop(writer);
        self.touch(step.visited);
        Ok(step)
    }

    /// The next regions of the index: erasing needs the transaction for itself.
    fn some_regions(
        &self,
        txn: &RwTxn<'_>,
        changed: &Changed,
        from: &[u8],
        step: &mut Collected,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut regions = changed.regions(self, txn, from)?;
        let mut found = Vec::new();
        while found.len() < REGIONS {
            let Some(region) = regions.next()? else { break };
            found.push(match region {
                Region::Key(key) => (key.to_vec(), keys::successor(key)),
                Region::Extent(first, end) => (first.max(from).to_vec(), end.to_vec()),
            });
        }
        step.visited += regions.read;
        Ok(found)
    }

    /// Erases the garbage of the keys from `first` to `end`, which is exclusive.
    fn sweep(&self, txn: &mut RwTxn<'_>, first: &[u8], end: &[u8], sweep: &mut Sweep<'_>) -> Result<()> {
        let from = keys::bare(first);
        // A tombstone shadows older versions, which would come back to life if it went first and they in a later step.
        let mut tombstones: Vec<Vec<u8>> = Vec::new();
        {
            let range = (Bound::Included(from.as_slice()), Bound::Unbounded);
            let mut entries = self.mvcc.range_mut(txn, &range).doing("collect garbage")?;
            let (mut current, mut shadowed): (Option<Vec<u8>>, bool) = (None, false);
            while let Some(entry) = entries.next() {
                let (engine, value) = entry.doing("collect garbage")?;
                let (user, timestamp) = keys::split(engine)?;
                let same = current.as_deref() == Some(user);
                if !same && user >= end {
                    break;
                }
                // In the midst of a key only when something went, so that the next step has less to look at.
                if sweep.step.visited >= sweep.limit && (current.is_some() && !same || same && sweep.step.versions > 0) {
                    if same
                        && tombstones
                            .last()
                            .is_some_and(|tombstone| keys::split(tombstone).is_ok_and(|(key, _)| key == user))
                    {
                        tombstones.pop();
                    }
                    sweep.step.resume_key = Some(user.to_vec());
                    break;
                }
                if !same {
                    current = Some(user.to_vec());
                    shadowed = false;
                }
                let size = (engine.len() + value.len()) as u64;
                sweep.step.visited += size;
                if timestamp > sweep.threshold {
                    continue;
                }
                if shadowed {
                    sweep.step.versions += 1;
                    sweep.step.bytes += size;
                    // SAFETY: nothing that was read from the map is used after this call.
                    unsafe { entries.del_current() }.doing("collect garbage")?;
                } else if value.is_empty() {
                    tombstones.push(engine.to_vec());
                }
                shadowed = true;
            }
        }
        for tombstone in &tombstones {
            self.mvcc.delete(txn, tombstone).doing("collect garbage")?;
            sweep.step.versions += 1;
            sweep.step.bytes += tombstone.len() as u64;
        }
        Ok(())
    }
}
