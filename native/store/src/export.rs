//! The short cut of an export: what a scan selects goes from LMDB's pages into an SST, without a packed batch between.
//!
//! Entries are gathered as references into the map, about as many as the first-level cache holds, then encoded; so the walk
//! and the encoder keep their tight loops. The bytes of the file are those that batches would give, because the encoder is
//! the same. Nothing is held between two calls but the scan's position and the writer's state.

use std::ops::Range;
use std::time::{Duration, Instant};

use spanvault_core::ahead::{Ahead, LEAD};
use spanvault_core::batch::Full;
use spanvault_core::engine_key;
use spanvault_core::entry_list::{Entry, EntryList};
use spanvault_core::fault::Fault;
use spanvault_core::sst_writer::{Progress, Reason, SstWriter};

use crate::walk::Taker;

/// Entries, and bytes of them, that are gathered before they are encoded.
const GATHER_ENTRIES: usize = 1024;
const GATHER_BYTES: usize = 64 << 10;

/// LMDB's pages are of at least so many bytes.
const PAGE: usize = 4096;

/// Why a call of [`crate::Scan::export`] returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportReason {
    /// Enough was done for one call.
    More,
    /// The output memory is full: hand over another.
    Out,
    /// The file has its target size, and this is the user key of the entry that begins the next one.
    Cut(Vec<u8>),
    /// The span is finished.
    Done,
}

/// What a call of [`crate::Scan::export`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportStep {
    /// Entries encoded.
    pub entries: u64,
    /// Their engine keys and values.
    pub bytes: u64,
    /// Filled bytes of the output memory.
    pub out_pos: usize,
    /// How much of the call's time the encoder took.
    pub encoding: Duration,
    /// Why it returned.
    pub reason: ExportReason,
}

/// A version in the map of a snapshot that is held.
struct Found<'t> {
    key: &'t [u8],
    value: &'t [u8],
    /// Bytes that the walk had looked at before it.
    visited: u64,
}

/// What is to be encoded next.
struct Gathered<'t> {
    entries: Vec<Found<'t>>,
    bytes: usize,
}

/// Bytes from the end of a slice to the end of its page.
#[inline]
fn rest_of_page(slice: &[u8]) -> usize {
    (slice.as_ptr() as usize + slice.len()).wrapping_neg() % PAGE
}

// SAFETY: keys and values of a read transaction lie in LMDB's map of the data file, which consists of whole pages of 4 KiB
// or more that are in the file: what is behind an entry in its page can be read as long as the snapshot is held.
unsafe impl EntryList for Gathered<'_> {
    #[inline]
    fn count(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    fn entry(&self, i: usize) -> Option<Entry<'_>> {
        let &Found { key, value, .. } = self.entries.get(i)?;
        Some(Entry { key, value, key_slack: rest_of_page(key), value_slack: rest_of_page(value) })
    }

    fn ahead(&self, i: usize) -> Ahead {
        let mut ahead = Ahead::default();
        let mut piece = 0..0;
        for Found { key, value, .. } in self.entries.get(i..).unwrap_or_default() {
            let (start, end) = (key.as_ptr() as usize, value.as_ptr() as usize + value.len());
            // Values of more than a page lie on pages of their own.
            let inside = start < end && start / PAGE == (end - 1) / PAGE;
            let found = if inside { start..end } else { value.as_ptr() as usize..end };
            // Entries of a page lie in it from its end to its start.
            if inside && start / PAGE == piece.start / PAGE {
                piece = start.min(piece.start)..end.max(piece.end);
                continue;
            }
            if !piece.is_empty() && !ahead.add(piece) {
                return ahead;
            }
            piece = found;
        }
        // Pages of rows that came in order lie in order too.
        while !piece.is_empty() && ahead.add(piece.clone()) {
            let next = (piece.start / PAGE + 1) * PAGE;
            piece = next..next + PAGE;
        }
        ahead
    }

    #[inline]
    fn later(&self, i: usize, entry: &Entry<'_>) -> Range<usize> {
        // A power of two of places, so that nothing is divided.
        let places = LEAD >> ((entry.key.len() + entry.value.len()) | 1).ilog2().min(LEAD.ilog2());
        let Some(&Found { key, value, .. }) = self.entries.get(i + places) else { return 0..0 };
        let (start, end) = (key.as_ptr() as usize, value.as_ptr() as usize + value.len());
        // Values of more than a page lie on pages of their own.
        let start = if start < end && end - start <= PAGE { start } else { value.as_ptr() as usize };
        start..end
    }
}

/// The first version that was taken and not encoded.
pub(crate) struct Left {
    /// Its engine key.
    pub(crate) position: Vec<u8>,
    /// Bytes that the walk had looked at before it.
    pub(crate) visited: u64,
}

/// The encoding end of a walk.
pub(crate) struct Exporter<'t, 'w> {
    writer: &'w mut SstWriter,
    out: &'w mut [u8],
    /// Bytes of entries after which the call ends.
    limit: u64,
    gathered: Gathered<'t>,
    /// Why nothing more is taken.
    stopped: Option<Result<ExportReason, Fault>>,
    step: ExportStep,
}

impl<'t, 'w> Exporter<'t, 'w> {
    pub(crate) fn new(writer: &'w mut SstWriter, out: &'w mut [u8], out_pos: usize, limit: u64) -> Self {
        Exporter {
            writer,
            out,
            limit,
            gathered: Gathered { entries: Vec::with_capacity(GATHER_ENTRIES), bytes: 0 },
            stopped: None,
            step: ExportStep { entries: 0, bytes: 0, out_pos, encoding: Duration::ZERO, reason: ExportReason::More },
        }
    }

    /// Encodes what is gathered, as far as it goes.
    fn encode(&mut self) {
        let begin = Instant::now();
        let written = self.writer.write(&self.gathered, 0, self.out, self.step.out_pos);
        self.step.encoding += begin.elapsed();
        let Progress { next, out_pos, reason } = match written {
            Ok(progress) => progress,
            Err(fault) => {
                self.stopped = Some(Err(fault));
                return;
            }
        };
        self.step.out_pos = out_pos;
        self.step.entries += next as u64;
        self.gathered.entries.drain(..next);
        let left: usize = self.gathered.entries.iter().map(|found| found.key.len() + found.value.len()).sum();
        self.step.bytes += (self.gathered.bytes - left) as u64;
        self.gathered.bytes = left;
        self.stopped = match reason {
            Reason::Input => (self.step.bytes >= self.limit).then_some(Ok(ExportReason::More)),
            Reason::Out => Some(Ok(ExportReason::Out)),
            Reason::Cut => Some(Ok(ExportReason::Cut(self.next_user_key()))),
        };
    }

    fn next_user_key(&self) -> Vec<u8> {
        self.gathered.entries.first().map_or_else(Vec::new, |found| engine_key::user_key(found.key).to_vec())
    }

    /// Encodes the rest. Says what was taken and could not be encoded.
    ///
    /// # Errors
    /// Those of the writer; the file is lost then.
    pub(crate) fn end(mut self) -> Result<(ExportStep, Option<Left>), Fault> {
        if self.stopped.is_none() && !self.gathered.entries.is_empty() {
            self.encode();
        }
        if let Some(stopped) = self.stopped {
            self.step.reason = stopped?;
        }
        let left = self.gathered.entries.first().map(|found| Left { position: found.key.to_vec(), visited: found.visited });
        Ok((self.step, left))
    }
}

impl<'t> Taker<'t> for Exporter<'t, '_> {
    #[inline]
    fn push(&mut self, key: &'t [u8], value: &'t [u8], visited: u64) -> Result<(), Full> {
        if self.gathered.entries.len() == GATHER_ENTRIES || self.gathered.bytes >= GATHER_BYTES {
            self.encode();
        }
        if self.stopped.is_some() {
            return Err(Full::Batch);
        }
        self.gathered.entries.push(Found { key, value, visited });
        self.gathered.bytes += key.len() + value.len();
        Ok(())
    }
}
