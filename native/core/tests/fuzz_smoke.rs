//! A bounded run of every fuzz target on the stable toolchain: tables, their blocks and their tails, mutated with a
//! fixed seed. No target may panic. Uses real files of `../shared/fixtures` too, where that folder exists.

#[path = "../../fuzz/targets.rs"]
mod targets;

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use spanvault_core::codec::Decompressor;
use spanvault_core::engine_key::Timestamp;
use spanvault_core::flaw::BlockKind;
use spanvault_core::reader::{Table as Opened, TableHead, Want};
use spanvault_core::source::{BlockReader, WholeFile};
use support::{Entry, Noise, Span, Table, build, key};

const SEED: u64 = 0x5eed;
/// Time for all targets together.
const BUDGET: Duration = Duration::from_secs(4);
/// Rounds that are run however slow the machine is.
const LEAST_ROUNDS: usize = 300;

fn own_tables() -> Vec<Vec<u8>> {
    let entries: Vec<Entry> = (0..12u8)
        .map(|i| (key(&[0xbd, 0x89, 0x88 + i / 2, 0x88], 9 - u64::from(i % 2), u32::from(i % 3)), vec![0, 0, 0, 0, 3, i]))
        .collect();
    let span = Span { start: vec![0xbd], end: vec![0xbe], time: Timestamp { wall: 8, logical: 0 } };
    (0..5)
        .map(|format| {
            build(&Table {
                format,
                spans: if format >= 2 { vec![span.clone()] } else { Vec::new() },
                partition: format as usize % 2 * 2,
                value_block_from: if format == 4 { 6 } else { usize::MAX },
                xxhash: format == 3,
                ..Table::of(&entries)
            })
        })
        .collect()
}

fn real_tables() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/pebble-ssts");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED real files: there is no {}", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|e| e.expect("entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("file")).collect()
}

/// A file, its decoded blocks and its tail: what the targets begin from.
fn seeds(file: &[u8]) -> Vec<Vec<u8>> {
    let mut out = vec![file.to_vec(), file[file.len().saturating_sub(61)..].to_vec()];
    let (mut codec, mut block) = (Decompressor::new(), Vec::new());
    let mut reader = BlockReader { source: &WholeFile(file), file: "seed", codec: &mut codec };
    let Ok(head) = TableHead::open(&mut reader, file.len() as u64) else { return out };
    let mut handles = vec![head.footer.metaindex, head.footer.index];
    handles.extend(head.side.properties.into_iter().chain(head.side.range_key).chain(head.side.range_del));
    if let Ok(table) = Opened::open(&mut reader, file.len() as u64, &|_| Want::Take) {
        handles.extend(table.blocks.iter().take(4));
    }
    for handle in handles {
        if reader.read(&head.footer, handle, BlockKind::Other, &mut block).is_ok() {
            out.push(block.clone());
        }
    }
    out.push(key(b"\xbd\x89\x88", 7, 1));
    out.push(b"ab\0\0\0\0\0\0\0\x02\x65\x0a\0\0\0\0\0\x03v".to_vec());
    out
}

/// Flips, overwrites, cuts, doubles and inserts bytes, a few times.
fn mutate(seed: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..noise.below(5) {
        let at = noise.below(out.len() as u64) as usize;
        let special = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40];
        match noise.below(7) {
            0 | 1 if at < out.len() => out[at] ^= 1 << noise.below(8),
            2 | 3 if at < out.len() => out[at] = special[noise.below(7) as usize],
            4 => out.truncate(at),
            5 => out.insert(at, special[noise.below(7) as usize]),
            _ => {
                let tail = out[at..].to_vec();
                out.extend_from_slice(&tail[..tail.len().min(64)]);
            }
        }
    }
    out
}

/// Makes the checksums of a mutated file right again, so that damage reaches the parsers behind them.
fn repair(file: &mut [u8], original: &[u8]) {
    let (mut codec, mut handles) = (Decompressor::new(), Vec::new());
    let mut reader = BlockReader { source: &WholeFile(original), file: "seed", codec: &mut codec };
    if let Ok(table) = Opened::open(&mut reader, original.len() as u64, &|_| Want::Take) {
        handles.extend(table.blocks);
        handles.extend([table.head.footer.metaindex, table.head.footer.index]);
        handles.extend(table.head.side.properties.into_iter().chain(table.head.side.range_key));
    }
    for handle in handles {
        let (from, end) = (handle.offset as usize, (handle.offset + handle.length) as usize + 1);
        let Some(covered) = file.get(from..end) else { continue };
        let sum = spanvault_core::checksum::crc32c_masked(covered);
        if let Some(stored) = file.get_mut(end..end + 4) {
            stored.copy_from_slice(&sum.to_le_bytes());
        }
    }
}

#[test]
fn no_target_panics() {
    let files: Vec<Vec<u8>> = own_tables().into_iter().chain(real_tables()).collect();
    let seeds: Vec<Vec<u8>> = files.iter().flat_map(|file| seeds(file)).collect();
    let mut noise = Noise(SEED);
    let (start, mut rounds) = (Instant::now(), 0);
    while rounds < LEAST_ROUNDS || start.elapsed() < BUDGET {
        rounds += 1;
        for (name, target) in targets::TARGETS {
            let (seed, whole) = if matches!(name, "sst" | "merge") {
                let file = &files[noise.below(files.len() as u64) as usize];
                (file, true)
            } else {
                (&seeds[noise.below(seeds.len() as u64) as usize], false)
            };
            let mut data = mutate(seed, &mut noise);
            if whole && data.len() == seed.len() && noise.below(2) == 0 {
                repair(&mut data, seed);
            }
            if name == "merge" {
                data.splice(0..0, [noise.below(128) as u8, 0xbd]);
            }
            let outcome = std::panic::catch_unwind(|| target(&data));
            assert!(outcome.is_ok(), "target {name} panicked in round {rounds} of seed {SEED:#x} on {data:02x?}");
        }
    }
    println!("{rounds} rounds over {} seeds, seed {SEED:#x}", seeds.len());
}

/// The harness itself: unmutated tables are read by the targets, so damage is what they refuse.
#[test]
fn sound_seeds_are_read() {
    for file in own_tables() {
        let report = spanvault_core::verify::describe_sst("seed", &file).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(report.entries, 12);
        targets::merge(&[&[0, 0xbd][..], &file].concat());
    }
}
