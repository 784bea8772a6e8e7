//! Rows of a table `kv (k INT8 PRIMARY KEY, v BYTES)`, made at the speed of the store, so that benches begin soon.

use spanvault_core::batch::Batch;
use spanvault_core::checksum::{crc32_ieee, crc32_ieee_append};
use spanvault_core::engine_key::{self, Timestamp};
use spanvault_core::fault::Fault;

use crate::fault::Result;
use crate::store::Store;

/// Bytes of one ingest.
const BATCH_BYTES: usize = 8 << 20;
/// Longest value made; far below what one batch can hold.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// Which rows.
#[derive(Clone, Copy, Debug)]
pub struct FillOptions {
    /// Id of the table; its primary index is 1.
    pub table_id: u32,
    /// Value of `k` in the first row; the following rows count up.
    pub first_row: u64,
    /// Number of rows.
    pub rows: u64,
    /// Bytes of `v`.
    pub value_bytes: usize,
    /// Fraction of `v` that a compressor can remove, 0 to 1.
    pub compressibility: f64,
    /// Rows of equal options and seed have equal bytes.
    pub seed: u64,
    /// Timestamp of every row.
    pub wall: u64,
    /// Compute the checksum of values, or leave it 0.
    pub checksums: bool,
}

/// Ingests the rows; durable after `sync`. Returns the bytes of user keys and values.
pub fn fill_kv(store: &Store, options: &FillOptions) -> Result<u64> {
    let FillOptions { value_bytes, first_row, rows, compressibility, .. } = *options;
    if value_bytes > MAX_VALUE_BYTES {
        return Err(Fault::limit(format!("a value of {value_bytes} bytes exceeds the limit of {MAX_VALUE_BYTES} bytes")));
    }
    if !(0.0..=1.0).contains(&compressibility) {
        return Err(Fault::usage(format!("compressibility {compressibility} is not between 0 and 1")));
    }
    let end = first_row.checked_add(rows).filter(|&end| end <= i64::MAX as u64);
    let end = end.ok_or_else(|| Fault::limit(format!("row {first_row} + {rows} exceeds INT8")))?;
    let mut generator = Generator::new(options);
    let (mut bytes, mut offsets, mut total) = (Vec::with_capacity(BATCH_BYTES + 2 * MAX_VALUE_BYTES), vec![0], 0);
    for row in first_row..end {
        total += generator.push(row, &mut bytes, &mut offsets);
        if bytes.len() >= BATCH_BYTES || row + 1 == end {
            store.ingest(&Batch::new(&bytes, &offsets, offsets.len() / 2)?)?;
            bytes.clear();
            offsets.truncate(1);
        }
    }
    Ok(total)
}

struct Generator {
    key: Vec<u8>,
    prefix_bytes: usize,
    options: FillOptions,
    /// Random bytes of each value; the rest repeats.
    noise_bytes: usize,
    state: u64,
}

impl Generator {
    fn new(options: &FillOptions) -> Self {
        let mut key = Vec::with_capacity(32);
        push_uvarint(&mut key, u64::from(options.table_id));
        push_uvarint(&mut key, 1);
        let noise = options.value_bytes as f64 * (1.0 - options.compressibility);
        Generator {
            prefix_bytes: key.len(),
            key,
            options: *options,
            noise_bytes: noise.round() as usize,
            state: options.seed,
        }
    }

    /// Appends one entry; returns the bytes of its user key and value.
    fn push(&mut self, row: u64, bytes: &mut Vec<u8>, offsets: &mut Vec<u32>) -> u64 {
        self.key.truncate(self.prefix_bytes);
        push_uvarint(&mut self.key, row);
        self.key.push(0x88);
        engine_key::encode(bytes, &self.key, Some(Timestamp { wall: self.options.wall, logical: 0 }));
        offsets.push(bytes.len() as u32);
        let start = bytes.len();
        // Checksum, tag TUPLE, then column 2 as BYTES (crdb-format.md 4.3, 5.4).
        bytes.extend_from_slice(&[0, 0, 0, 0, 10, 2 << 4 | 6]);
        push_nonsorting_uvarint(bytes, self.options.value_bytes as u64);
        self.push_value(bytes);
        if self.options.checksums {
            let crc = crc32_ieee_append(crc32_ieee(&self.key), &bytes[start + 4..]).max(1);
            bytes[start..start + 4].copy_from_slice(&crc.to_be_bytes());
        }
        offsets.push(bytes.len() as u32);
        (self.key.len() + bytes.len() - start) as u64
    }

    /// Noise, then as many repetitions of one byte of it as are missing.
    fn push_value(&mut self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        let noise_end = start + self.noise_bytes;
        while bytes.len() < noise_end {
            bytes.extend_from_slice(&self.random().to_le_bytes());
        }
        bytes.truncate(noise_end);
        let filler = bytes.get(start).copied().unwrap_or(b'a');
        bytes.resize(start + self.options.value_bytes, filler);
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// UVA of crdb-format.md 5.1; also VA of a number that is not negative.
fn push_uvarint(out: &mut Vec<u8>, value: u64) {
    if value <= 109 {
        out.push(0x88 + value as u8);
        return;
    }
    let bytes = value.to_be_bytes();
    let skip = value.leading_zeros() as usize / 8;
    out.push(0xf5 + (8 - skip) as u8);
    out.extend_from_slice(&bytes[skip..]);
}

/// NSU of crdb-format.md 5.4.
fn push_nonsorting_uvarint(out: &mut Vec<u8>, value: u64) {
    let groups = (64 - value.leading_zeros()).max(1).div_ceil(7);
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push((value >> (7 * group)) as u8 & 0x7f | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_encoded_as_cockroachdb_does() {
        let options = FillOptions {
            table_id: 104,
            first_row: 0,
            rows: 1,
            value_bytes: 3,
            compressibility: 1.0,
            seed: 1,
            wall: 5,
            checksums: false,
        };
        let (mut bytes, mut offsets) = (Vec::new(), vec![0]);
        let size = Generator::new(&options).push(300, &mut bytes, &mut offsets);
        assert_eq!(bytes, *b"\xf0\x89\xf7\x01\x2c\x88\0\0\0\0\0\0\0\0\x05\x09\0\0\0\0\x0a\x26\x03aaa");
        assert_eq!((offsets.as_slice(), size), (&[0, 16, 26][..], 16));
    }

    #[test]
    fn nonsorting_numbers_have_their_greatest_group_first() {
        for (value, expected) in [(0u64, &b"\0"[..]), (127, b"\x7f"), (128, b"\x81\0"), (16384, b"\x81\x80\0")] {
            let mut out = Vec::new();
            push_nonsorting_uvarint(&mut out, value);
            assert_eq!(out, expected, "{value}");
        }
    }
}
