//! Speed of the merge beside that of decoding alone, measured in the same run.
//!
//! `cargo run --release -p spanvault-core --example merge_bench [MiB]`: one thread, 16-byte user keys (26-byte engine
//! keys), values of 100 bytes and 1 KiB of which half compresses, blocks of 32 KiB, batches of 1 MiB; one file, and
//! the same entries over 8 files of 8 layers. MB/s = 10^6 bytes of engine keys and values per second of processor
//! time (so that a busy machine does not count), median of five rounds; the ceiling checks and decompresses the same data blocks and does nothing else.

use std::time::Instant;

use spanvault_core::batch::{Batch, Packer};
use spanvault_core::codec::{Compression, Decompressor};
use spanvault_core::cursor::MergeFile;
use spanvault_core::emit::Checksums;
use spanvault_core::engine_key::{Timestamp, encode};
use spanvault_core::flaw::BlockKind;
use spanvault_core::merge::{LayerMerge, MergeOptions, MergeStep};
use spanvault_core::reader::{Table, Want};
use spanvault_core::source::{BlockReader, WholeFile};
use spanvault_core::sst_writer::{Reason, SstOptions, SstWriter};

const ROUNDS: usize = 5;

/// Deterministic noise (splitmix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// `files` tables that hold every `files`-th of the same entries; and the bytes of keys and values in all.
fn tables(total: usize, value_bytes: usize, files: usize, compression: Compression) -> (Vec<Vec<u8>>, usize) {
    let options = SstOptions { compression, target_file_bytes: u64::MAX, ..SstOptions::default() };
    let mut noise = Noise(7);
    let mut writers: Vec<(SstWriter, Vec<u8>)> =
        (0..files).map(|_| (SstWriter::new(options).expect("options"), Vec::new())).collect();
    let (mut part, mut made, mut counter) = (vec![0u8; 1 << 20], 0, 0u64);
    let (mut room, mut offsets) = (vec![0; 64 + value_bytes], vec![0; 3]);
    let mut value = vec![0u8; value_bytes];
    while made < total {
        counter += 1 + (noise.next() & 0xffff);
        let (mut user, mut key) = ([0u8; 16], Vec::new());
        user[..8].copy_from_slice(&counter.to_be_bytes());
        user[8..].copy_from_slice(&noise.next().to_le_bytes().map(|b| b'a' + (b & 15)));
        encode(&mut key, &user, Some(Timestamp { wall: 1_700_000_000_000_000_000 + (counter & 0xffff), logical: 0 }));
        for chunk in value[..value_bytes / 2].chunks_mut(8) {
            let word = noise.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        value[4] = 3;
        made += key.len() + value.len();
        let mut packer = Packer::new(&mut room, &mut offsets).expect("room");
        packer.push(&key, &value).expect("room");
        let batch = Batch::new(&room[..key.len() + value.len()], &offsets, 1).expect("batch");
        let (writer, file) = &mut writers[(noise.next() % files as u64) as usize];
        let mut from = 0;
        loop {
            let progress = writer.write(&batch, from, &mut part, 0).expect("ordered keys");
            from = progress.next;
            file.extend_from_slice(&part[..progress.out_pos]);
            if progress.reason == Reason::Input {
                break;
            }
        }
    }
    let finish = |(mut writer, mut file): (SstWriter, Vec<u8>)| loop {
        let (at, done) = writer.finish(&mut part, 0).expect("finish");
        file.extend_from_slice(&part[..at]);
        if done {
            return file;
        }
    };
    (writers.into_iter().map(finish).collect(), made)
}

/// Checks and decodes every data block; the bytes decoded.
fn ceiling(files: &[Vec<u8>]) -> usize {
    let (mut codec, mut block, mut bytes) = (Decompressor::new(), Vec::new(), 0);
    for file in files {
        let source = WholeFile(file);
        let mut reader = BlockReader { source: &source, file: "bench", codec: &mut codec };
        let Ok(table) = Table::open(&mut reader, file.len() as u64, &|_| Want::Take) else { panic!("sound") };
        for handle in &table.blocks {
            let Ok(_) = reader.read(&table.head.footer, *handle, BlockKind::Data, &mut block) else { panic!("sound") };
            bytes += block.len();
        }
    }
    bytes
}

fn merge(files: &[Vec<u8>], options: &MergeOptions, room: &mut [u8], offsets: &mut [u32]) -> usize {
    let mut merge = LayerMerge::new(options).expect("options");
    for (layer, file) in files.iter().enumerate() {
        let file = MergeFile { file_bytes: file.len() as u64, layer: layer as u32, ..MergeFile::default() };
        merge.add_file(file).expect("before it begins");
    }
    let mut bytes = 0;
    loop {
        match merge.next(room, offsets).expect("sound") {
            MergeStep::Batch { bytes_used, .. } => bytes += bytes_used,
            MergeStep::Need(needs) => {
                for need in needs {
                    let from = need.offset as usize;
                    merge.feed(need.file, need.offset, &files[need.file][from..from + need.length as usize]).expect("asked");
                }
            }
            MergeStep::Grow(_) => unreachable!("a batch holds any entry"),
            MergeStep::Done => return bytes,
        }
    }
}

/// Seconds that this thread has been on a processor, or of wall time where /proc does not tell.
fn processor_seconds(since: Instant) -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = schedstat.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| since.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

fn median(bytes: usize, mut round: impl FnMut()) -> f64 {
    let mut speeds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let before = processor_seconds(start);
            round();
            bytes as f64 / 1e6 / (processor_seconds(start) - before)
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    speeds[ROUNDS / 2]
}

fn main() {
    let mib: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(64);
    let restore = MergeOptions {
        rewrites: vec![vec![0], vec![0]],
        rewrite_timestamp: Some(Timestamp { wall: 1_800_000_000_000_000_000, logical: 0 }),
        checksums: Checksums::Compute,
        verify_checksums: true,
        ..MergeOptions::default()
    };
    println!("{:>6} {:>7} {:>5} {:>9} {:>9} {:>9}", "value", "codec", "files", "ceiling", "merge", "restore");
    for value_bytes in [100, 1024] {
        for compression in [Compression::None, Compression::Snappy, Compression::Zstd] {
            for count in [1, 8] {
                let (files, bytes) = tables(mib << 20, value_bytes, count, compression);
                let (mut room, mut offsets) = (vec![0; 1 << 20], vec![0; 1 << 16]);
                let top = median(bytes, || assert!(ceiling(&files) > 0));
                let plain = median(bytes, || {
                    assert_eq!(merge(&files, &MergeOptions::default(), &mut room, &mut offsets), bytes);
                });
                let rewritten = median(bytes, || {
                    assert_eq!(merge(&files, &restore, &mut room, &mut offsets), bytes);
                });
                let codec = format!("{compression:?}").to_lowercase();
                println!("{value_bytes:>6} {codec:>7} {count:>5} {top:>9.0} {plain:>9.0} {rewritten:>9.0}");
            }
        }
    }
}
