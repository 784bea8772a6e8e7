//! Raw snappy compression of one block, byte for byte what the crate `snap` writes, and faster.
//!
//! Files of equal input must be equal whatever made them, so every decision is `snap`'s: its hash, its table, how it skips,
//! what it emits. What differs: the table has one size (smaller and larger inputs are left to `snap`), the first 32 places
//! of a search need no check, literals are copied in whole steps, matches are compared 16 bytes at a time, and bytes that
//! will be needed next are asked for while this block keeps the processor busy. Must not decide whether a block is worth
//! compressing.
//!
//! Worth, with `examples/encode_bench.rs` on a busy machine, best of four interleaved runs: 372 instead of 466 million
//! instructions (callgrind); encode with values of 100 bytes 790 to 947 MB/s, of 1 KiB 3270 to 4450 MB/s, of which asking
//! ahead is about a third.

use crate::ahead::Ahead;
use crate::snappy_elements::{put_copy, put_length, put_literal};

/// Inputs of these lengths take the whole table and are one block of the format.
const LENGTHS: std::ops::RangeInclusive<usize> = TABLE_SLOTS / 2 + 1..=1 << 16;
const TABLE_BITS: u32 = 14;
const TABLE_SLOTS: usize = 1 << TABLE_BITS;
/// The search ends so many bytes before the end of the input: no load of it reaches beyond.
const INPUT_MARGIN: usize = 15;
type Table = [u16; TABLE_SLOTS];

/// A compressor with its table.
pub(crate) struct Snappy {
    table: Box<Table>,
    other: Box<snap::raw::Encoder>,
}

impl Snappy {
    pub(crate) fn new() -> Snappy {
        // From a vector: a boxed array would be made on the stack first.
        let table = vec![0; TABLE_SLOTS].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([0; TABLE_SLOTS]));
        Snappy { table, other: Box::new(snap::raw::Encoder::new()) }
    }

    /// Bytes of output that [`Snappy::compress`] needs for `n` bytes of input, whatever they are.
    pub(crate) fn bound(n: usize) -> usize {
        snap::raw::max_compress_len(n)
    }

    /// Compresses `input` into `out`; the compressed length. `ahead` is memory that the caller reads next.
    ///
    /// # Errors
    /// Those of the crate `snap`, when `out` is smaller than the bound or `input` larger than 4 GiB.
    pub(crate) fn compress(&mut self, input: &[u8], out: &mut [u8], ahead: &mut Ahead) -> Result<usize, snap::Error> {
        if !LENGTHS.contains(&input.len()) || out.len() < Snappy::bound(input.len()) {
            return self.other.compress(input, out);
        }
        self.table.fill(0);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has both features, as was just asked.
            return Ok(unsafe { compress_avx2(&mut self.table, input, out, ahead) });
        }
        Ok(compress_block(&mut self.table, input, out, ahead))
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2")]
fn compress_avx2(table: &mut Table, src: &[u8], dst: &mut [u8], ahead: &mut Ahead) -> usize {
    compress_block(table, src, dst, ahead)
}

#[inline(always)]
fn slot(word: u32) -> usize {
    (word.wrapping_mul(0x1e35_a7bd) >> (32 - TABLE_BITS)) as usize
}

/// The whole compression, `snap`'s `Block::compress` step by step. `src` has a length of [`LENGTHS`], the table is all
/// zero, and `dst` has at least the bound of the length.
#[inline(always)]
fn compress_block(table: &mut Table, src: &[u8], dst: &mut [u8], ahead: &mut Ahead) -> usize {
    assert!(LENGTHS.contains(&src.len()));
    // Positions at or before this have INPUT_MARGIN bytes behind them.
    let limit = src.len() - INPUT_MARGIN;
    let mut d = put_length(dst, src.len());
    let mut emitted = 0;
    let mut s = 1;
    // SAFETY of all loads below: a position that is loaded from is at most `limit`, so that 8 bytes lie behind it, as each
    // place says; candidates come from the table, which holds 0 and earlier positions of this block.
    let mut word = unsafe { load4(src, s) };
    let mut next_slot = slot(word);
    loop {
        let mut candidate = 'search: {
            let mut skip = 32;
            if s + 32 <= limit {
                // The first 32 places are looked at one by one; none of them needs the check for the end.
                for _ in 0..32 {
                    let candidate = usize::from(table[next_slot]);
                    table[next_slot] = s as u16;
                    // SAFETY: s is less than its first value + 32, which is at most `limit`.
                    let coming = unsafe { load4(src, s + 1) };
                    next_slot = slot(coming);
                    // SAFETY: `candidate < s < limit`.
                    if unsafe { load4(src, candidate) } == word {
                        break 'search candidate;
                    }
                    word = coming;
                    s += 1;
                }
                skip = 64;
            }
            let mut next = s;
            loop {
                s = next;
                let between = skip >> 5;
                next = s + between;
                skip += between;
                if next > limit {
                    return put_literal(dst, d, src, emitted, src.len());
                }
                let candidate = usize::from(table[next_slot]);
                table[next_slot] = s as u16;
                // SAFETY: `next <= limit`, as was just checked.
                let coming = unsafe { load4(src, next) };
                next_slot = slot(coming);
                // SAFETY: `candidate < s < limit`.
                if unsafe { load4(src, candidate) } == word {
                    break candidate;
                }
                word = coming;
            }
        };
        d = put_literal(dst, d, src, emitted, s);
        ahead.keep_up_with(s);
        loop {
            let base = s;
            s = match_end(src, s + 4, candidate + 4);
            d = put_copy(dst, d, base - candidate, s - base);
            emitted = s;
            if s >= limit {
                return put_literal(dst, d, src, emitted, src.len());
            }
            // SAFETY: `1 <= s < limit`: seven bytes behind s - 1 end before `limit + INPUT_MARGIN`, the end of the input.
            let around = unsafe { load8(src, s - 1) };
            table[slot(around as u32)] = (s - 1) as u16;
            word = (around >> 8) as u32;
            let here = slot(word);
            candidate = usize::from(table[here]);
            table[here] = s as u16;
            // SAFETY: `candidate < s < limit`.
            if unsafe { load4(src, candidate) } != word {
                word = (around >> 16) as u32;
                next_slot = slot(word);
                s += 1;
                break;
            }
        }
    }
}

/// # Safety
/// 4 bytes lie behind `at` in `src`.
#[inline(always)]
unsafe fn load4(src: &[u8], at: usize) -> u32 {
    debug_assert!(at + 4 <= src.len());
    // SAFETY: the caller's promise.
    u32::from_le(unsafe { src.as_ptr().add(at).cast::<u32>().read_unaligned() })
}

/// # Safety
/// 8 bytes lie behind `at` in `src`.
#[inline(always)]
unsafe fn load8(src: &[u8], at: usize) -> u64 {
    debug_assert!(at + 8 <= src.len());
    // SAFETY: the caller's promise.
    u64::from_le(unsafe { src.as_ptr().add(at).cast::<u64>().read_unaligned() })
}

/// How many of 16 bytes at two places are equal before one differs.
///
/// # Safety
/// 16 bytes lie behind `a` and behind `b` in `src`.
#[inline(always)]
unsafe fn equal16(src: &[u8], a: usize, b: usize) -> usize {
    debug_assert!(a.max(b) + 16 <= src.len());
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};
        // SAFETY: the caller's promise; every x86_64 has SSE2.
        let equal = unsafe {
            let x = _mm_loadu_si128(src.as_ptr().add(a).cast());
            let y = _mm_loadu_si128(src.as_ptr().add(b).cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(x, y))
        };
        (!equal).trailing_zeros().min(16) as usize
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: the caller's promise.
        let (low, high) = unsafe { (load8(src, a) ^ load8(src, b), load8(src, a + 8) ^ load8(src, b + 8)) };
        let differs = u128::from(low) | u128::from(high) << 64;
        (differs.trailing_zeros() / 8) as usize
    }
}

/// Where the match of `src[s..]` with what lies at `candidate`, which is before it, ends.
#[inline(always)]
fn match_end(src: &[u8], mut s: usize, mut candidate: usize) -> usize {
    debug_assert!(candidate < s);
    while s + 16 <= src.len() {
        // SAFETY: 16 bytes lie behind s, as was just checked, and behind `candidate`, which is less.
        let equal = unsafe { equal16(src, s, candidate) };
        if equal < 16 {
            return s + equal;
        }
        s += 16;
        candidate += 16;
    }
    while s < src.len() && src[s] == src[candidate] {
        s += 1;
        candidate += 1;
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(input: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let mut out = vec![0xaa; Snappy::bound(input.len())];
        let length = Snappy::new().compress(input, &mut out, &mut Ahead::default()).unwrap();
        out.truncate(length);
        // The path without instructions beyond the least.
        let mut plain = vec![0; Snappy::bound(input.len())];
        if LENGTHS.contains(&input.len()) {
            let length = compress_block(&mut [0; TABLE_SLOTS], input, &mut plain, &mut Ahead::default());
            plain.truncate(length);
        } else {
            plain.clone_from(&out);
        }
        (out, plain, snap::raw::Encoder::new().compress_vec(input).unwrap())
    }

    /// Noise, repetitions of what came before at any distance, and runs.
    fn input(pieces: &[(u8, u16, u64)], length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        let mut state = 1u64;
        for &(kind, n, seed) in pieces.iter().cycle() {
            state = state.wrapping_add(seed).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let n = usize::from(n);
            match kind % 4 {
                0 => bytes.extend((0..n).map(|i| (state.wrapping_mul(2 * i as u64 + 1) >> 56) as u8)),
                1 => bytes.extend(std::iter::repeat_n(state as u8, n)),
                _ if bytes.is_empty() => bytes.push(kind),
                2 => {
                    let from = (state >> 32) as usize % bytes.len();
                    let to = bytes.len().min(from + n);
                    bytes.extend_from_within(from..to);
                }
                _ => bytes.extend((0..n / 8).flat_map(|i| ((state as u32).wrapping_add(i as u32)).to_be_bytes())),
            }
            if bytes.len() >= length {
                break;
            }
            bytes.push(n as u8);
        }
        bytes.truncate(length);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn every_byte_is_that_of_the_crate_snap(
            pieces in proptest::collection::vec((any::<u8>(), 1u16..600, any::<u64>()), 1..60),
            length in prop_oneof![8190usize..8200, 8193usize..65_600, Just(32_768), 0usize..100],
        ) {
            let input = input(&pieces, length);
            let (ours, plain, theirs) = both(&input);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(&plain, &theirs);
        }
    }

    #[test]
    fn the_edges_of_the_lengths_are_right() {
        for length in [0, 1, 8192, 8193, 65_535, 65_536, 65_537] {
            for input in [vec![0; length], (0..length).map(|i| (i * i / 7) as u8).collect()] {
                let (ours, plain, theirs) = both(&input);
                assert!(ours == theirs && plain == theirs, "{length}");
            }
        }
        assert!(Snappy::new().compress(&[0; 10_000], &mut [0; 10_000], &mut Ahead::default()).is_err());
    }
}
