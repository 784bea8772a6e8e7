//! A small writer of tables in the row formats, for tests of the reader: any kinds, range keys, value blocks, a
//! two-level index, blocks of a few entries. Follows sst-format.md on its own, without the crate's writer.
#![allow(dead_code)]

use spanvault_core::checksum::crc32c_masked;
use spanvault_core::cursor::MergeFile;
use spanvault_core::engine_key::{self, Timestamp};
use spanvault_core::merge::{LayerMerge, MergeStep};

/// Key and value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// A range tombstone: user keys and a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: Vec<u8>,
    pub end: Vec<u8>,
    pub time: Timestamp,
}

/// What to write, and how.
#[derive(Clone, Debug)]
pub struct Table {
    /// Pebble table format 1 to 4; 0 writes a LevelDB footer.
    pub format: u32,
    pub entries: Vec<(Vec<u8>, u8, Vec<u8>)>,
    pub spans: Vec<Span>,
    pub block_entries: usize,
    /// Entries of an index partition; 0 = single level.
    pub partition: usize,
    /// Formats 3 and 4: values of at least this many bytes go to value blocks.
    pub value_block_from: usize,
    pub xxhash: bool,
    pub properties: Vec<(&'static str, Vec<u8>)>,
}

impl Table {
    pub fn of(entries: &[Entry]) -> Table {
        Table {
            format: 2,
            entries: entries.iter().map(|(k, v)| (k.clone(), 1, v.clone())).collect(),
            spans: Vec::new(),
            block_entries: 3,
            partition: 0,
            value_block_from: usize::MAX,
            xxhash: false,
            properties: Vec::new(),
        }
    }
}

pub fn key(user: &[u8], wall: u64, logical: u32) -> Vec<u8> {
    let mut out = Vec::new();
    engine_key::encode(&mut out, user, Some(Timestamp { wall, logical }));
    out
}

fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_slice(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A row block with a restart point every second entry, or at every one.
fn rows(entries: &[Entry], share: bool) -> Vec<u8> {
    let (mut out, mut restarts, mut last) = (Vec::new(), vec![0u32], Vec::new());
    for (i, (key, value)) in entries.iter().enumerate() {
        let restart = !share || i % 2 == 0;
        if restart && i > 0 {
            restarts.push(out.len() as u32);
        }
        let common = if restart { 0 } else { key.iter().zip(&last).take_while(|(a, b)| a == b).count() };
        put(&mut out, common as u64);
        put(&mut out, (key.len() - common) as u64);
        put(&mut out, value.len() as u64);
        out.extend_from_slice(&key[common..]);
        out.extend_from_slice(value);
        last.clone_from(key);
    }
    restarts.iter().for_each(|r| out.extend_from_slice(&r.to_le_bytes()));
    out.extend_from_slice(&(restarts.len() as u32).to_le_bytes());
    out
}

struct File {
    bytes: Vec<u8>,
    xxhash: bool,
}

impl File {
    fn block(&mut self, payload: &[u8]) -> Vec<u8> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.bytes.push(0);
        let covered = &self.bytes[at..];
        let sum = if self.xxhash { xxhash_rust::xxh64::xxh64(covered, 0) as u32 } else { crc32c_masked(covered) };
        self.bytes.extend_from_slice(&sum.to_le_bytes());
        let mut handle = Vec::new();
        put(&mut handle, at as u64);
        put(&mut handle, payload.len() as u64);
        handle
    }
}

fn internal(engine: &[u8], kind: u8) -> Vec<u8> {
    let mut out = engine.to_vec();
    out.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
    out
}

fn suffix(time: Timestamp) -> Vec<u8> {
    key(&[], time.wall, time.logical)[1..].to_vec()
}

/// Range tombstones cut at each other's bounds, as they are stored: start, end, times newest first.
pub fn fragments(spans: &[Span]) -> Vec<(Vec<u8>, Vec<u8>, Vec<Timestamp>)> {
    let mut bounds: Vec<&Vec<u8>> = spans.iter().flat_map(|s| [&s.start, &s.end]).collect();
    bounds.sort();
    bounds.dedup();
    let mut out = Vec::new();
    for pair in bounds.windows(2) {
        let covers = |s: &&Span| s.start <= *pair[0] && *pair[1] <= s.end;
        let mut times: Vec<Timestamp> = spans.iter().filter(covers).map(|s| s.time).collect();
        times.sort_by(|a, b| b.cmp(a));
        times.dedup();
        if !times.is_empty() {
            out.push((pair[0].clone(), pair[1].clone(), times));
        }
    }
    out
}

fn range_keys(spans: &[Span]) -> (Vec<u8>, u64) {
    let mut entries = Vec::new();
    for (start, end, times) in fragments(spans) {
        let mut value = Vec::new();
        put_slice(&mut value, &[&end[..], &[0]].concat());
        for time in times {
            put_slice(&mut value, &suffix(time));
            put_slice(&mut value, &[]);
        }
        entries.push((internal(&[&start[..], &[0]].concat(), 21), value));
    }
    let count = fragments(spans).iter().map(|f| f.2.len() as u64).sum();
    (rows(&entries, false), count)
}

/// The bytes of a table.
pub fn build(table: &Table) -> Vec<u8> {
    let mut file = File { bytes: Vec::new(), xxhash: table.xxhash && table.format > 0 };
    let (mut index, mut values) = (Vec::new(), Vec::new());
    let (mut raw_keys, mut raw_values) = (0, 0);
    for chunk in table.entries.chunks(table.block_entries) {
        let mut block = Vec::new();
        for (engine, kind, value) in chunk {
            raw_keys += engine.len() as u64 + 8;
            raw_values += value.len() as u64;
            let mut stored = Vec::new();
            if table.format >= 3 && *kind == 1 {
                if value.len() >= table.value_block_from {
                    stored.push(0x80);
                    put(&mut stored, value.len() as u64);
                    put(&mut stored, (values.len() / 2) as u64);
                    put(&mut stored, if values.len() % 2 == 0 { 0 } else { 16 });
                    values.push(value.clone());
                } else {
                    stored.push(0);
                    stored.extend_from_slice(value);
                }
            } else {
                stored.extend_from_slice(value);
            }
            block.push((internal(engine, *kind), stored));
        }
        let handle = file.block(&rows(&block, true));
        index.push((internal(&chunk[chunk.len() - 1].0, 17), handle));
    }
    let blocks = index.len() as u64;
    let top = if table.partition == 0 {
        file.block(&rows(&index, false))
    } else {
        let mut top = Vec::new();
        for part in index.chunks(table.partition) {
            let handle = file.block(&rows(part, false));
            top.push((part[part.len() - 1].0.clone(), handle));
        }
        file.block(&rows(&top, false))
    };
    let mut meta: Vec<Entry> = Vec::new();
    let mut span_keys = 0;
    if !table.spans.is_empty() {
        let (block, count) = range_keys(&table.spans);
        span_keys = count;
        meta.push((b"pebble.range_key".to_vec(), file.block(&block)));
    }
    if !values.is_empty() {
        meta.push((b"pebble.value_index".to_vec(), value_blocks(&mut file, &values)));
    }
    let mut properties: Vec<Entry> = table.properties.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.clone())).collect();
    let mut number = |name: &str, n: u64| {
        let mut value = Vec::new();
        put(&mut value, n);
        properties.push((name.as_bytes().to_vec(), value));
    };
    number("rocksdb.num.entries", table.entries.len() as u64);
    number("rocksdb.raw.key.size", raw_keys);
    number("rocksdb.raw.value.size", raw_values);
    number("rocksdb.num.data.blocks", blocks);
    if span_keys > 0 {
        number("pebble.num.range-key-sets", span_keys);
    }
    let index_type = u32::from(table.partition > 0) * 2;
    properties.push((b"rocksdb.block.based.table.index.type".to_vec(), index_type.to_le_bytes().to_vec()));
    properties.push((b"rocksdb.comparator".to_vec(), b"cockroach_comparator".to_vec()));
    properties.sort();
    meta.push((b"rocksdb.properties".to_vec(), file.block(&rows(&properties, true))));
    let metaindex = file.block(&rows(&meta, false));
    let mut footer = if table.format == 0 { Vec::new() } else { vec![if file.xxhash { 3 } else { 1 }] };
    footer.extend_from_slice(&metaindex);
    footer.extend_from_slice(&top);
    footer.resize(if table.format == 0 { 40 } else { 41 }, 0);
    if table.format == 0 {
        footer.extend_from_slice(&[0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]);
    } else {
        footer.extend_from_slice(&table.format.to_le_bytes());
        footer.extend_from_slice(&[0xf0, 0x9f, 0xaa, 0xb3, 0xf0, 0x9f, 0xaa, 0xb3]);
    }
    file.bytes.extend_from_slice(&footer);
    file.bytes
}

/// Two values in each value block; the second begins at 16, wherever the first ends.
fn value_blocks(file: &mut File, values: &[Vec<u8>]) -> Vec<u8> {
    let mut index = Vec::new();
    for (i, pair) in values.chunks(2).enumerate() {
        assert!(pair[0].len() <= 16, "values of value blocks have at most 16 bytes here");
        let mut block = pair[0].clone();
        block.resize(16, 0xee);
        pair.get(1).into_iter().for_each(|v| block.extend_from_slice(v));
        let at = file.bytes.len() as u32;
        file.block(&block);
        index.push(i as u8);
        index.extend_from_slice(&at.to_le_bytes());
        index.extend_from_slice(&(block.len() as u16).to_le_bytes());
    }
    let mut value = file.block(&index);
    value.extend_from_slice(&[1, 4, 2]);
    value
}

/// Deterministic noise.
pub struct Noise(pub u64);

impl Noise {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n.max(1)
    }
}

/// Runs a merge to its end, fed in pieces, out of order and partly, into small batches, some of which are gone on with.
pub fn drain(merge: &mut LayerMerge, files: &[Vec<u8>], noise: &mut Noise) -> spanvault_core::fault::Result<Vec<Entry>> {
    let mut room = vec![0; 16 + noise.below(200) as usize];
    let mut offsets = vec![0; 3 + 2 * noise.below(20) as usize];
    let mut out = Vec::new();
    let entry = |room: &[u8], offsets: &[u32], i: usize| {
        let at = |n: usize| offsets[n] as usize;
        (room[at(2 * i)..at(2 * i + 1)].to_vec(), room[at(2 * i + 1)..at(2 * i + 2)].to_vec())
    };
    let mut held = 0;
    loop {
        match merge.next_behind(&mut room, &mut offsets, held)? {
            MergeStep::Batch { count, bytes_used } => {
                assert!(count > 0 && count >= held && bytes_used == offsets[2 * count] as usize);
                out.extend((held..count).map(|i| entry(&room, &offsets, i)));
                let full = count == held;
                held = if full || noise.below(2) == 0 { 0 } else { count };
            }
            MergeStep::Need(needs) => {
                assert!(!needs.is_empty());
                // Any one of them, or all; whole, or its front.
                let only = (noise.below(2) == 0).then(|| noise.below(needs.len() as u64) as usize);
                for (_, need) in needs.iter().enumerate().filter(|(i, _)| only.is_none_or(|o| o == *i)) {
                    let from = need.offset as usize;
                    let length = if noise.below(3) == 0 { 1 + noise.below(need.length) } else { need.length };
                    merge.feed(need.file, need.offset, &files[need.file][from..from + length as usize])?;
                }
            }
            MergeStep::Grow(n) => {
                assert!(n > room.len() && held == 0);
                room.resize(n, 0);
            }
            MergeStep::Done => return Ok(out),
        }
    }
}

/// A file of a merge over whole, un-elided keys without bounds.
pub fn merge_file(name: &str, bytes: &[u8], layer: u32) -> MergeFile {
    MergeFile { name: name.to_owned(), file_bytes: bytes.len() as u64, layer, ..MergeFile::default() }
}
