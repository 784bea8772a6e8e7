//! Scans: a snapshot's versions that an export wants, packed into the caller's memory.

use std::ops::Bound;
use std::sync::Arc;

use heed::{RoTxn, WithoutTls};
use spanvault_core::batch::{Full, Packer};
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::Fault;
use spanvault_core::sst_writer::SstWriter;

use crate::changed::{Changed, Wanted};
use crate::export::{ExportReason, ExportStep, Exporter, Left};
use crate::fault::{Doing, Result};
use crate::keys;
use crate::resident::Touched;
use crate::store::Store;
use crate::walk::{Stop, Taker, Walk};

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
    /// What the change index says of the window; `None`: every version of the span is looked at.
    changed: Option<Changed>,
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
    /// Begins a scan of the store's present state. A window that begins at or after the mark of the change index is read
    /// through it.
    ///
    /// # Errors
    /// `SV_COVERAGE` when garbage collection may have taken what the scan would have to find.
    pub fn new(store: Arc<Store>, options: ScanOptions) -> Result<Scan> {
        let ScanOptions { start_key, end_key, as_of, after, .. } = &options;
        if start_key > end_key {
            return Err(Fault::usage("the start key of a scan is greater than its end key"));
        }
        let txn = store.snapshot()?;
        store.check_readable(&txn, start_key, end_key, *after, *as_of)?;
        let changed = match *after {
            Some(after) => Changed::find(&store, &txn, Wanted { start_key, end_key, after, as_of: *as_of })?,
            None => None,
        };
        let visited = changed.as_ref().map_or(0, |changed| changed.read);
        let position = Bound::Included(keys::bare(start_key));
        let touched = Touched::default();
        Ok(Scan { txn, store, options, changed, position, settled: None, finished: false, visited, touched })
    }

    /// Bytes of keys, values and index entries visited so far.
    pub fn bytes_visited(&self) -> u64 {
        self.visited
    }

    /// True when the change index tells this scan where to look.
    pub fn indexed(&self) -> bool {
        self.changed.is_some()
    }

    /// Packs the next selected entries into `bytes` and their offsets into `offsets` (`2 * count + 1` used).
    pub fn next(&mut self, bytes: &mut [u8], offsets: &mut [u32]) -> Result<ScanStep> {
        if self.finished {
            return Ok(ScanStep::Done);
        }
        let mut packer = Packer::new(bytes, offsets)?;
        let mut touched = std::mem::take(&mut self.touched);
        let reached = self.walk(&mut packer, &mut touched);
        self.touched = touched;
        let full = self.go_on_from(reached?);
        self.touched.settle(&self.store.mapping);
        Ok(match full {
            Some(Full::Entry(bytes)) => ScanStep::Grow(bytes),
            None if self.finished && packer.count() == 0 => ScanStep::Done,
            _ => ScanStep::Batch { count: packer.count(), bytes_used: packer.bytes_used() },
        })
    }

    /// Encodes the next selected entries into `out` from `out_pos`, until it, the file or the span ends or about
    /// `limit_bytes` are done: what [`Scan::next`] would pack, without a batch between.
    ///
    /// # Errors
    /// As [`Scan::next`] and [`SstWriter::write`]; the file is lost then.
    pub fn export(
        &mut self,
        writer: &mut SstWriter,
        out: &mut [u8],
        out_pos: usize,
        limit_bytes: u64,
    ) -> Result<ExportStep> {
        let mut touched = std::mem::take(&mut self.touched);
        let mut exporter = Exporter::new(writer, out, out_pos, limit_bytes);
        let reached = if self.finished { Ok(Reached::default()) } else { self.walk(&mut exporter, &mut touched) };
        let ended = exporter.end();
        self.touched = touched;
        let before = self.visited;
        self.go_on_from(reached?);
        let (mut step, left) = ended?;
        if let Some(Left { position, visited }) = left {
            // What was selected and not encoded is visited again.
            self.position = Bound::Included(position);
            self.settled = None;
            self.finished = false;
            self.visited = before + visited;
        }
        if self.finished {
            step.reason = ExportReason::Done;
        }
        self.touched.settle(&self.store.mapping);
        Ok(step)
    }

    /// Visits entries until the taker is full, the span ends or enough was skipped.
    fn walk<'t, T: Taker<'t>>(&'t self, taker: &mut T, touched: &mut Touched) -> Result<Reached> {
        let mut walk =
            Walk { options: &self.options, taker, settled: self.settled.as_deref(), skipped: 0, visited: 0, touched };
        let stop = match &self.changed {
            None => {
                let bound = (self.position.as_ref().map(Vec::as_slice), Bound::Unbounded);
                let entries = self.store.mvcc.range(&self.txn, &bound).doing("scan")?;
                walk.through(entries, &self.options.end_key)?
            }
            Some(changed) => walk.changes(&self.store, &self.txn, changed, &self.position)?,
        };
        Ok(Reached { stop, settled: walk.settled.map(<[u8]>::to_vec), visited: walk.visited })
    }

    /// Takes over how far a walk came. Returns why an entry did not fit.
    fn go_on_from(&mut self, reached: Reached) -> Option<Full> {
        self.visited += reached.visited;
        self.settled = reached.settled;
        let Some((position, full)) = reached.stop else {
            self.finished = true;
            return None;
        };
        self.position = position;
        full
    }
}

/// How far a walk came.
#[derive(Default)]
struct Reached {
    /// None at the end of the span.
    stop: Option<Stop>,
    settled: Option<Vec<u8>>,
    visited: u64,
}
