//! A store in a directory of its own, and batches from plain entries.
#![allow(dead_code)] // Each test file uses a part of it.

use std::sync::Arc;

use spanvault_core::batch::Batch;
use spanvault_core::engine_key::{Timestamp, decode, encode};
use spanvault_store::{Scan, ScanMode, ScanOptions, ScanStep, Store, close_store, open_store, store};

pub const MAP_BYTES: usize = 1 << 30;

pub struct Opened {
    pub store: Arc<Store>,
    handle: u32,
    pub directory: tempfile::TempDir,
}

impl Opened {
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().expect("a directory"))
    }

    pub fn at(directory: tempfile::TempDir) -> Self {
        let handle = open_store(directory.path(), MAP_BYTES).expect("opens");
        Opened { store: store(handle).expect("is open"), handle, directory }
    }

    /// Closes and opens again.
    pub fn reopen(self) -> Self {
        let Opened { store, handle, directory } = self;
        close_store(handle).expect("closes");
        drop(store);
        Self::at(directory)
    }
}

/// A version as tests write it.
pub type Entry = (Vec<u8>, Timestamp, Vec<u8>);

pub fn at(wall: u64, logical: u32) -> Timestamp {
    Timestamp { wall, logical }
}

pub struct Packed {
    pub bytes: Vec<u8>,
    pub offsets: Vec<u32>,
}

impl Packed {
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut packed = Packed { bytes: Vec::new(), offsets: vec![0] };
        for (user, timestamp, value) in entries {
            encode(&mut packed.bytes, user, Some(*timestamp));
            packed.offsets.push(packed.bytes.len() as u32);
            packed.bytes.extend_from_slice(value);
            packed.offsets.push(packed.bytes.len() as u32);
        }
        packed
    }

    pub fn batch(&self) -> Batch<'_> {
        Batch::new(&self.bytes, &self.offsets, self.offsets.len() / 2).expect("a sound batch")
    }
}

pub fn everything(as_of: Timestamp, mode: ScanMode) -> ScanOptions {
    ScanOptions { start_key: vec![], end_key: vec![0xff, 0xff], as_of, after: None, mode, drop_tombstones: false }
}

/// Reads a scan to its end through small memory, so that it stops and goes on often.
pub fn drain(mut scan: Scan, mut bytes: usize, entries: usize) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut offsets = vec![0; 2 * entries + 1];
    loop {
        let mut memory = vec![0; bytes];
        match scan.next(&mut memory, &mut offsets).expect("scans") {
            ScanStep::Done => return found,
            ScanStep::Grow(needed) => {
                assert!(needed > bytes, "asked to grow from {bytes} to {needed}");
                bytes = needed;
            }
            ScanStep::Batch { count, .. } => {
                let batch = Batch::new(&memory, &offsets, count).expect("a sound batch");
                found.extend(batch.iter().map(|(engine, value)| {
                    let (user, timestamp) = decode(engine).expect("a sound key");
                    (user.to_vec(), timestamp.expect("a version"), value.to_vec())
                }));
            }
        }
    }
}
