//! Sums over what was ingested lately, so that a walk which measures it right afterwards does not read it again.
//!
//! Each transaction of an ingest that only appended leaves an *extent*: from its first key to its last the table holds its
//! entries and no others. Extents hold as long as nothing else wrote: every transaction that is known to have left the
//! versions alone moves the number on, and any other, of whatever process, leaves a gap in the numbers and so ends them.

use std::sync::{Arc, Mutex, PoisonError};

/// Extents that are remembered at most: 32 GiB of transactions.
const MOST: usize = 16 << 10;

/// Entries that were appended in one transaction.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// Engine key of the first entry.
    pub(crate) first: Vec<u8>,
    /// Engine key of the last entry.
    pub(crate) last: Vec<u8>,
    /// How many.
    pub(crate) entries: u64,
    /// Bytes of their user keys and values.
    pub(crate) bytes: u64,
}

#[derive(Default)]
struct Known {
    /// Number of the last transaction that is known.
    txn: usize,
    /// In key order, since each lies behind the end of its time.
    extents: Arc<Vec<Extent>>,
}

/// What is known of the versions that were ingested lately.
#[derive(Default)]
pub(crate) struct Weighed(Mutex<Known>);

impl Weighed {
    /// Notes a transaction that changed no versions but for appending `extent`. Call under the writer's lock.
    pub(crate) fn note(&self, txn: usize, extent: Option<Extent>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.txn + 1 != txn || known.extents.len() >= MOST {
            known.extents = Arc::default();
        }
        known.txn = txn;
        if let Some(extent) = extent {
            Arc::make_mut(&mut known.extents).push(extent);
        }
    }

    /// The extents that a snapshot of this number holds unchanged.
    pub(crate) fn at(&self, txn: usize) -> Arc<Vec<Extent>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.txn == txn { Arc::clone(&known.extents) } else { Arc::default() }
    }
}
