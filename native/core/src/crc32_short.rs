//! CRC-32 IEEE of short inputs: keys and values of rows, a hundred bytes or so.
//!
//! The general kernel is built for blocks; on a row its set-up costs more than the sum. Restores check and compute one
//! CRC each per row, which was a fifth of their processor time. Here: one lane of carry-less multiplication (Gopal and
//! others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009), tables for what is left.

/// Inputs up to this length are summed here.
pub(crate) const SHORT_BYTES: usize = 512;

const POLYNOMIAL: u32 = 0xedb8_8320;

/// `TABLES[n][b]`: the register after byte `b` and `n` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut register = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            register = if register & 1 == 1 { (register >> 1) ^ POLYNOMIAL } else { register >> 1 };
            bit += 1;
        }
        tables[0][byte] = register;
        byte += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[n - 1][byte];
            tables[n][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        n += 1;
    }
    tables
}

/// CRC-32 IEEE of what had CRC `before`, followed by `bytes`.
#[inline]
pub(crate) fn append(before: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= clmul::LEAST_BYTES && clmul::is_there() {
        // SAFETY: the processor has what is needed, as was just asked.
        return !unsafe { clmul::register(!before, bytes, &[]) };
    }
    !by_table(!before, bytes)
}

/// CRC-32 IEEE of two pieces, one behind the other: a key and its value cost one reduction together.
#[inline]
pub(crate) fn of_two(first: &[u8], second: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if first.len().min(second.len()) >= clmul::LEAST_BYTES && clmul::is_there() {
        // SAFETY: the processor has what is needed, as was just asked.
        return !unsafe { clmul::register(!0, first, second) };
    }
    append(append(0, first), second)
}

/// Eight bytes at a time, then one.
#[inline]
fn by_table(mut register: u32, bytes: &[u8]) -> u32 {
    let at = |table: usize, byte: u32| TABLES[table][(byte & 0xff) as usize];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let (low, high) = (word as u32 ^ register, (word >> 32) as u32);
        register = at(7, low) ^ at(6, low >> 8) ^ at(5, low >> 16) ^ at(4, low >> 24);
        register ^= at(3, high) ^ at(2, high >> 8) ^ at(1, high >> 16) ^ at(0, high >> 24);
    }
    for &byte in rest {
        register = (register >> 8) ^ at(0, register ^ u32::from(byte));
    }
    register
}

/// One lane of carry-less multiplication. A message is folded into 16 bytes that leave the same remainder; zeros before it
/// count for nothing, so what exceeds whole blocks comes first, at the end of a block of its own.
#[cfg(target_arch = "x86_64")]
mod clmul {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_clmulepi64_si128, _mm_cvtsi32_si128, _mm_extract_epi32, _mm_or_si128, _mm_set_epi32,
        _mm_set_epi64x, _mm_shuffle_epi8, _mm_srli_si128, _mm_xor_si128,
    };

    /// Shorter pieces are not worth a reduction.
    pub(super) const LEAST_BYTES: usize = 4;

    #[inline]
    pub(super) fn is_there() -> bool {
        is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("sse4.1")
    }

    /// The register behind two pieces; the first has at least [`LEAST_BYTES`], and so has the second unless it is empty.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    pub(super) fn register(register: u32, first: &[u8], second: &[u8]) -> u32 {
        let mut x = begin(register, first);
        if !second.is_empty() {
            x = go_on(x, second);
        }
        reduce(x)
    }

    /// Folds the bytes behind a register.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn begin(register: u32, bytes: &[u8]) -> __m128i {
        let register = _mm_cvtsi32_si128(register as i32);
        let Some((head, behind)) = bytes.split_first_chunk::<16>() else {
            return _mm_xor_si128(short(bytes), shift(register, 16 - bytes.len()));
        };
        let head = _mm_xor_si128(load(head), register);
        let excess = bytes.len() % 16;
        if excess == 0 {
            return behind.as_chunks::<16>().0.iter().fold(head, |x, block| fold(x, load(block)));
        }
        // What of the register lies behind an excess of less than four bytes belongs to the block that follows.
        let mut carried = shift_back(register, excess);
        let rest = bytes.get(excess..).unwrap_or_default();
        rest.as_chunks::<16>().0.iter().fold(shift(head, 16 - excess), |x, block| {
            let block = _mm_xor_si128(load(block), carried);
            carried = _mm_set_epi64x(0, 0);
            fold(x, block)
        })
    }

    /// Folds the bytes behind what was folded.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn go_on(before: __m128i, bytes: &[u8]) -> __m128i {
        let excess = bytes.len() % 16;
        let mut x = before;
        if excess > 0 {
            let head = match bytes.first_chunk::<16>() {
                Some(head) => shift(load(head), 16 - excess),
                None => short(bytes),
            };
            x = fold(shift(before, 16 - excess), _mm_or_si128(shift_back(before, excess), head));
        }
        let rest = bytes.get(excess..).unwrap_or_default();
        rest.as_chunks::<16>().0.iter().fold(x, |x, block| fold(x, load(block)))
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn load(block: &[u8; 16]) -> __m128i {
        let word = u128::from_le_bytes(*block);
        _mm_set_epi64x((word >> 64) as i64, word as i64)
    }

    /// 4 to 15 bytes at the end of a block of zeros.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn short(bytes: &[u8]) -> __m128i {
        let word = if let (Some(&first), Some(&last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            let (first, last) = (u64::from_le_bytes(first), u64::from_le_bytes(last));
            u128::from(last) << 64 | u128::from(first) << (128 - 8 * bytes.len())
        } else if let (Some(&first), Some(&last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            let (first, last) = (u32::from_le_bytes(first), u32::from_le_bytes(last));
            u128::from(last) << 96 | u128::from(first) << (128 - 8 * bytes.len())
        } else {
            0
        };
        _mm_set_epi64x((word >> 64) as i64, word as i64)
    }

    /// Where the bytes of a shifted block come from; 0x80 is a zero.
    static PLACES: [u8; 48] = {
        let mut places = [0x80; 48];
        let mut i = 0;
        while i < 16 {
            places[16 + i] = i as u8;
            i += 1;
        }
        places
    };

    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn moved(x: __m128i, from: usize) -> __m128i {
        let places = PLACES.get(from..).and_then(|places| places.first_chunk());
        _mm_shuffle_epi8(x, places.map_or(x, |places| load(places)))
    }

    /// Moves bytes towards the end of the message, at most 16.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn shift(x: __m128i, bytes: usize) -> __m128i {
        moved(x, 16 - bytes)
    }

    /// Moves bytes towards its beginning, at most 16.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn shift_back(x: __m128i, bytes: usize) -> __m128i {
        moved(x, 16 + bytes)
    }

    /// The block that leaves the same remainder as `x` followed by `next`.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn fold(x: __m128i, next: __m128i) -> __m128i {
        // x^(128 + 32) and x^(128 - 32) modulo the polynomial, bit-reflected.
        let by_128 = _mm_set_epi64x(0x0_ccaa_009e, 0x1_7519_97d0);
        let low = _mm_xor_si128(_mm_clmulepi64_si128(x, by_128, 0x00), next);
        _mm_xor_si128(_mm_clmulepi64_si128(x, by_128, 0x11), low)
    }

    /// Reduces a block to the register.
    #[inline]
    #[target_feature(enable = "pclmulqdq,sse4.1")]
    fn reduce(x: __m128i) -> u32 {
        // Powers of x modulo the polynomial, bit-reflected: that of 128 - 32, of 64, and Barrett's two.
        let by_96 = _mm_set_epi64x(0x0_ccaa_009e, 0);
        let by_64 = _mm_set_epi64x(0, 0x1_63cd_6124);
        let barrett = _mm_set_epi64x(0x1_f701_1641, 0x1_db71_0641);
        let low = _mm_set_epi32(0, 0, 0, !0);
        let x = _mm_xor_si128(_mm_clmulepi64_si128(x, by_96, 0x10), _mm_srli_si128(x, 8));
        let x = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(x, low), by_64, 0x00), _mm_srli_si128(x, 4));
        let quotient = _mm_clmulepi64_si128(_mm_and_si128(x, low), barrett, 0x10);
        let product = _mm_clmulepi64_si128(_mm_and_si128(quotient, low), barrett, 0x00);
        _mm_extract_epi32(_mm_xor_si128(product, x), 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vector_of_the_reference() {
        assert_eq!(append(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(append(append(0, b"1234"), b"56789"), 0xcbf4_3926);
        assert_eq!(append(0, b""), 0);
    }

    proptest! {
        #[test]
        fn every_kernel_gives_the_same(before: u32, bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(append(before, &bytes), !by_table(!before, &bytes));
            let mut digest = crc_fast::Digest::new_with_init_state(crc_fast::CrcAlgorithm::Crc32IsoHdlc, u64::from(!before));
            digest.update(&bytes);
            prop_assert_eq!(u64::from(append(before, &bytes)), digest.finalize());
        }

        #[test]
        fn two_pieces_count_as_one(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut: proptest::sample::Index) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(of_two(first, second), !by_table(!0, &bytes));
        }
    }
}
