//! Encode speed of the SST writer beside the ceiling of its codec, measured in the same run.
//!
//! `cargo run --release -p spanvault-core --example encode_bench [MiB]`: one thread, 16-byte user keys (26-byte engine
//! keys), values of 100 bytes and 1 KiB of which half compresses, blocks of 32 KiB, parts of 8 MiB, batches of 1 MiB.
//! MB/s = 10^6 bytes of engine keys and values per second of processor time (where /proc tells it, so that a busy
//! machine counts less; else wall time), the best of nine alternating rounds. The ceiling compresses, sums and copies exactly the
//! blocks that the writer stored, without building them, with snappy as the crate `snap` has it.

use std::time::Instant;

use spanvault_core::batch::{Batch, Packer};
use spanvault_core::ceiling::codec_ceiling;
use spanvault_core::codec::Compression;
use spanvault_core::engine_key::{Timestamp, encode};
use spanvault_core::sst_writer::{Reason, SstOptions, SstWriter};

const BATCH_BYTES: usize = 1 << 20;
const PART_BYTES: usize = 8 << 20;
const BLOCK_BYTES: usize = 32 << 10;
const ROUNDS: usize = 9;

struct Packed {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
    count: usize,
}

/// Deterministic noise (splitmix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// Batches of ascending keys: an 8-byte counter with gaps, 8 letters; values half noise, half one of 64 phrases.
fn batches(total: usize, value_bytes: usize) -> Vec<Packed> {
    let mut noise = Noise(value_bytes as u64);
    let mut phrases = [[0u8; 16]; 64];
    phrases.iter_mut().for_each(|phrase| noise.fill(phrase));
    let mut counter = 0u64;
    let mut made = 0;
    let mut out = Vec::new();
    let mut value = vec![0u8; value_bytes];
    let mut key = Vec::new();
    while made < total {
        let mut packed = Packed { bytes: vec![0; BATCH_BYTES], offsets: vec![0; BATCH_BYTES / 32], count: 0 };
        let mut packer = Packer::new(&mut packed.bytes, &mut packed.offsets).expect("room for an entry");
        loop {
            counter += 1 + (noise.next() & 0x1f_ffff);
            let letters = noise.next().to_le_bytes().map(|b| b'a' + (b & 15));
            let mut user = [0u8; 16];
            user[..8].copy_from_slice(&counter.to_be_bytes());
            user[8..].copy_from_slice(&letters);
            key.clear();
            encode(
                &mut key,
                &user,
                Some(Timestamp { wall: 1_700_000_000_000_000_000 + (counter & 0xffff_ffff), logical: 0 }),
            );
            let (random, regular) = value.split_at_mut(value_bytes / 2);
            noise.fill(random);
            let phrase = phrases[(noise.next() & 63) as usize];
            regular.iter_mut().zip(phrase.iter().cycle()).for_each(|(to, from)| *to = *from);
            value[4] = 3;
            if packer.push(&key, &value).is_err() {
                break;
            }
        }
        packed.count = packer.count();
        made += packer.bytes_used();
        out.push(packed);
    }
    out
}

/// Encodes all batches into parts that are overwritten in turn; returns the bytes of the file.
fn encode_all(batches: &[Packed], options: SstOptions, part: &mut [u8]) -> u64 {
    let mut writer = SstWriter::new(options).expect("options");
    let mut at = 0;
    for packed in batches {
        let batch = Batch::new(&packed.bytes, &packed.offsets, packed.count).expect("batch");
        let mut from = 0;
        loop {
            let progress = writer.write(&batch, from, part, at).expect("ordered keys");
            (from, at) = (progress.next, progress.out_pos);
            match progress.reason {
                Reason::Input => break,
                Reason::Out => at = 0,
                Reason::Cut => unreachable!("the target size is out of reach"),
            }
        }
    }
    while !writer.finish(part, at).expect("finish").1 {
        at = 0;
    }
    writer.facts().expect("finished").file_bytes
}

/// The data blocks as the writer builds them, uncompressed, one behind the other.
fn blocks_of(batches: &[Packed], options: SstOptions) -> Vec<u8> {
    let plain = SstOptions { compression: Compression::None, ..options };
    let raw: usize = batches.iter().map(|b| b.bytes.len() * 5 / 4 + b.count * 16).sum();
    let mut file = vec![0u8; raw + (1 << 20)];
    let size = encode_all(batches, plain, &mut file) as usize;
    file.truncate(size);
    file
}

/// Seconds that this thread has been on a processor.
fn processor_seconds(since: Instant) -> f64 {
    // What the kernel tells is as of the last change of threads or tick: ask for one.
    std::thread::yield_now();
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = schedstat.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| since.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

fn timed<T>(since: Instant, times: &mut Vec<f64>, action: impl FnOnce() -> T) -> T {
    let start = processor_seconds(since);
    let result = action();
    times.push(processor_seconds(since) - start);
    result
}

fn best(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(f64::INFINITY, f64::min)
}

fn main() {
    let mib: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(64);
    let only = std::env::args().nth(2);
    let began = Instant::now();
    println!(
        "{:>6} {:>10} {:>12} {:>12} {:>9} {:>9} {:>10}",
        "value", "codec", "encode MB/s", "ceiling MB/s", "fraction", "out/raw", "ns/entry"
    );
    for value_bytes in [100, 1024] {
        let batches = batches(mib << 20, value_bytes);
        let raw: u64 = batches.iter().map(|b| u64::from(b.offsets[2 * b.count])).sum();
        let entries: usize = batches.iter().map(|b| b.count).sum();
        let codecs = [
            ("none", Compression::None, 0),
            ("snappy", Compression::Snappy, 0),
            ("zstd 1", Compression::Zstd, 1),
            ("zstd 3", Compression::Zstd, 3),
        ];
        for (name, compression, level) in codecs {
            if only.as_deref().is_some_and(|only| only != name) {
                continue;
            }
            let options = SstOptions {
                compression,
                level,
                block_bytes: BLOCK_BYTES,
                target_file_bytes: u64::MAX,
                clear_value_checksums: true,
                ..SstOptions::default()
            };
            let blocks = blocks_of(&batches, options);
            let mut part = vec![1u8; PART_BYTES];
            let mut file_bytes = 0;
            let (mut encode, mut ceiling) = (Vec::new(), Vec::new());
            // Rounds alternate, so that a noisy neighbour hits both.
            for _ in 0..ROUNDS {
                file_bytes = timed(began, &mut encode, || encode_all(&batches, options, &mut part));
                timed(began, &mut ceiling, || codec_ceiling(&blocks, compression, level, BLOCK_BYTES, &mut part, true))
                    .expect("ceiling");
            }
            let (encode, ceiling) = (best(&encode), best(&ceiling));
            println!(
                "{value_bytes:>6} {name:>10} {:>12.0} {:>12.0} {:>9.2} {:>9.3} {:>10.1}",
                raw as f64 / encode / 1e6,
                raw as f64 / ceiling / 1e6,
                ceiling / encode,
                file_bytes as f64 / raw as f64,
                encode / entries as f64 * 1e9
            );
        }
    }
}
