//! Scans: a snapshot's versions that an export wants, packed into the caller's memory.

use std::ops::Bound;
use std::sync::Arc;

use heed::{RoTxn, WithoutTls};
use spanvault_core::batch::{Full, Packer};
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::Fault;

use crate::fault::{Doing, Result};
use crate::keys;
use crate::resident::Touched;
use crate::store::Store;

/// Bytes of versions that one call visits without selecting them: bounds its time.
const SKIP_BYTES: u64 = 8 << 20;

/// Which versions a scan selects (crdb-format.md 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanMode {
    /// The newest version of each key in the window.
    Latest,
    /// Every version in the window.
    All,
}

/// What a scan selects.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// First user key.
    pub start_key: Vec<u8>,
    /// User key that ends the span; exclusive.
    pub end_key: Vec<u8>,
    /// Newest version; inclusive.
    pub as_of: Timestamp,
    /// Oldest version; exclusive. `None`: from the beginning.
    pub after: Option<Timestamp>,
    /// Newest or every version.
    pub mode: ScanMode,
    /// In mode `Latest`: a key whose newest version in the window is a tombstone is left out.
    pub drop_tombstones: bool,
}

/// What a call of `next` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanStep {
    /// Entries were packed; 0 when the call visited only versions that are not selected.
    Batch {
        /// Number of entries.
        count: usize,
        /// Bytes of keys and values.
        bytes_used: usize,
    },
    /// The next entry alone needs this many bytes.
    Grow(usize),
    /// The span is finished.
    Done,
}

/// A scan in progress. It holds its snapshot until it is dropped, which keeps LMDB from reusing pages.
pub struct Scan {
    txn: RoTxn<'static, WithoutTls>,
    store: Arc<Store>,
    options: ScanOptions,
    /// Engine key to go on with.
    position: Bound<Vec<u8>>,
    /// User key whose newest wanted version is already decided (mode `Latest`).
    settled: Option<Vec<u8>>,
    finished: bool,
    visited: u64,
    touched: Touched,
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.touched.release(&self.store.mapping);
    }
}

impl Scan {
    /// Begins a scan of the store's present state.
    pub fn new(store: Arc<Store>, options: ScanOptions) -> Result<Scan> {
        if options.start_key > options.end_key {
            return Err(Fault::usage("the start key of a scan is greater than its end key"));
        }
        let txn = store.snapshot()?;
        let position = Bound::Included(keys::bare(&options.start_key));
        Ok(Scan { txn, store, options, position, settled: None, finished: false, visited: 0, touched: Touched::default() })
    }

    /// Bytes of keys and values visited so far.
    pub fn bytes_visited(&self) -> u64 {
        self.visited
    }

    /// Packs the next selected entries into `bytes` and their offsets into `offsets` (`2 * count + 1` used).
    pub fn next(&mut self, bytes: &mut [u8], offsets: &mut [u32]) -> Result<ScanStep> {
        if self.finished {
            return Ok(ScanStep::Done);
        }
        let mut packer = Packer::new(bytes, offsets)?;
        let full = self.fill(&mut packer)?;
        self.touched.settle(&self.store.mapping);
        Ok(match full {
            Some(Full::Entry(bytes)) => ScanStep::Grow(bytes),
            None if self.finished && packer.count() == 0 => ScanStep::Done,
            _ => ScanStep::Batch { count: packer.count(), bytes_used: packer.bytes_used() },
        })
    }

    /// Visits entries until the packer is full, the span ends or enough was skipped. Returns why an entry did
    /// not fit.
    fn fill(&mut self, packer: &mut Packer<'_>) -> Result<Option<Full>> {
        let options = &self.options;
        let latest = options.mode == ScanMode::Latest;
        let mut settled: Option<&[u8]> = self.settled.as_deref();
        let mut current: Option<&[u8]> = settled;
        let mut skipped = 0;
        let bound = (self.position.as_ref().map(Vec::as_slice), Bound::Unbounded);
        let mut stop = None;
        let entries = self.store.mvcc.range(&self.txn, &bound).doing("scan")?;
        for entry in entries {
            let (engine, value) = entry.doing("scan")?;
            let (user, timestamp) = keys::split(engine)?;
            if !current.is_some_and(|current| same(current, user)) {
                if !before(user, &options.end_key) {
                    self.finished = true;
                    break;
                }
                current = Some(user);
                settled = None;
            }
            let size = engine.len() + value.len();
            let wanted = settled.is_none() && timestamp <= options.as_of;
            let in_window = wanted && options.after.is_none_or(|after| timestamp > after);
            let dropped = latest && options.drop_tombstones && value.is_empty();
            if in_window && !dropped {
                if let Err(full) = packer.push(engine, value) {
                    stop = Some((Bound::Included(engine.to_vec()), Some(full)));
                    break;
                }
            } else {
                skipped += size as u64;
            }
            if wanted && latest {
                // Selected, dropped or too old: in each case no older version of this key matters.
                settled = Some(user);
            }
            self.visited += size as u64;
            self.touched.note(engine, value);
            if skipped >= SKIP_BYTES {
                stop = Some((Bound::Excluded(engine.to_vec()), None));
                break;
            }
        }
        self.settled = settled.map(<[u8]>::to_vec);
        match stop {
            Some((position, full)) => {
                self.position = position;
                Ok(full)
            }
            None => {
                self.finished = true;
                Ok(None)
            }
        }
    }
}

/// Equality that looks at the end first, where the keys of neighbouring rows differ.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.last_chunk::<8>() == b.last_chunk::<8>() && a == b
}

/// `a < b`, mostly decided by the first eight bytes.
#[inline]
fn before(a: &[u8], b: &[u8]) -> bool {
    match (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        (Some(x), Some(y)) if x != y => u64::from_be_bytes(*x) < u64::from_be_bytes(*y),
        (Some(&[x, ..]), None) if b.first().is_some_and(|&y| x < y) => true,
        _ => a < b,
    }
}

#[cfg(test)]
mod tests {
    use super::{before, same};
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xff)], 0..12)
    }

    proptest! {
        #[test]
        fn short_cuts_change_no_answer(a in key(), b in key(), tail in key()) {
            let c = [a.as_slice(), &tail].concat();
            for (x, y) in [(&a, &b), (&b, &a), (&a, &c), (&c, &a), (&a, &a)] {
                prop_assert_eq!((same(x, y), before(x, y)), (x == y, x < y));
            }
        }
    }
}
