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
    if bytes.len() >= 16 && is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("sse4.1") {
        let (chunks, rest) = bytes.as_chunks::<16>();
        // SAFETY: the processor has both features, as was just asked.
        let register = unsafe { fold(!before, chunks) };
        return !by_table(register, rest);
    }
    !by_table(!before, bytes)
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

/// Folds chunks of 16 bytes into one and reduces it to the register.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "pclmulqdq,sse4.1")]
fn fold(register: u32, chunks: &[[u8; 16]]) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_clmulepi64_si128, _mm_cvtsi32_si128, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
        _mm_srli_si128, _mm_xor_si128,
    };
    let load = |chunk: &[u8; 16]| -> __m128i {
        let word = u128::from_le_bytes(*chunk);
        _mm_set_epi64x((word >> 64) as i64, word as i64)
    };
    let Some((first, others)) = chunks.split_first() else { return register };
    // Powers of x modulo the polynomial, bit-reflected: those of 128 + 32 and 128 - 32, of 64, and Barrett's two.
    let by_128 = _mm_set_epi64x(0x0_ccaa_009e, 0x1_7519_97d0);
    let by_64 = _mm_set_epi64x(0, 0x1_63cd_6124);
    let barrett = _mm_set_epi64x(0x1_f701_1641, 0x1_db71_0641);
    let low = _mm_set_epi32(0, 0, 0, !0);
    let mut x = _mm_xor_si128(load(first), _mm_cvtsi32_si128(register as i32));
    for chunk in others {
        let halves = _mm_xor_si128(_mm_clmulepi64_si128(x, by_128, 0x00), _mm_clmulepi64_si128(x, by_128, 0x11));
        x = _mm_xor_si128(load(chunk), halves);
    }
    x = _mm_xor_si128(_mm_clmulepi64_si128(x, by_128, 0x10), _mm_srli_si128(x, 8));
    x = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(x, low), by_64, 0x00), _mm_srli_si128(x, 4));
    let quotient = _mm_clmulepi64_si128(_mm_and_si128(x, low), barrett, 0x10);
    let product = _mm_clmulepi64_si128(_mm_and_si128(quotient, low), barrett, 0x00);
    _mm_extract_epi32(_mm_xor_si128(product, x), 1) as u32
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
    }
}
