//! Lengths of ordered (key) encodings (crdb-format.md 5.1 and 5.2): enough to walk the columns of a key without its
//! schema. Must not decode datums; the `rows` room does.

/// Arrays nest no deeper in keys.
const MAX_DEPTH: usize = 8;

/// Reads `UVA`, an ascending uvarint; the value and the number of bytes.
#[must_use]
pub fn read_uvarint(bytes: &[u8]) -> Option<(u64, usize)> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0x88..=0xf5 => Some((u64::from(first - 0x88), 1)),
        0xf6..=0xfd => {
            let n = usize::from(first - 0xf5);
            let value = rest.get(..n)?.iter().fold(0u64, |v, &byte| v << 8 | u64::from(byte));
            Some((value, 1 + n))
        }
        _ => None,
    }
}

fn int_length(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        first @ 0x80..=0x87 => Some(1 + usize::from(0x88 - first)),
        0x88..=0xf5 => Some(1),
        first @ 0xf6..=0xfd => Some(1 + usize::from(first - 0xf5)),
        _ => None,
    }
}

/// `marker` bytes, then `count` integers.
fn ints(bytes: &[u8], marker: usize, count: usize) -> Option<usize> {
    (0..count).try_fold(marker, |at, _| Some(at + int_length(bytes.get(at..)?)?))
}

/// From `at`: bytes up to and with `escape terminator`.
fn escaped(bytes: &[u8], at: usize, escape: u8, terminator: u8) -> Option<usize> {
    let mut at = at;
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == escape)?;
        if *bytes.get(at + 1)? == terminator {
            return Some(at + 2);
        }
        at += 2;
    }
}

/// From `at`: the mantissa of a decimal, up to and with its 00.
fn mantissa(bytes: &[u8], at: usize) -> Option<usize> {
    Some(at + bytes.get(at..)?.iter().position(|&b| b == 0)? + 1)
}

fn bit_array(bytes: &[u8], terminator: u8) -> Option<usize> {
    let mut at = 1;
    while *bytes.get(at)? != terminator {
        at += int_length(bytes.get(at..)?)?;
    }
    at += 1;
    Some(at + int_length(bytes.get(at..)?)?)
}

fn array(bytes: &[u8], null: u8, terminator: u8, depth: usize) -> Option<usize> {
    let mut at = 1;
    loop {
        let first = *bytes.get(at)?;
        if first == terminator {
            return Some(at + 1);
        }
        at += if first == null { 1 } else { length(bytes.get(at..)?, depth)? };
    }
}

fn length(bytes: &[u8], depth: usize) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    match *bytes.first()? {
        // NULL, NaN, zero and infinities have no more bytes.
        0x00..=0x02 | 0x04 | 0x06 | 0x18 | 0x19 | 0x27 | 0x35 | 0x36 | 0x43 | 0x44 | 0xff => Some(1),
        0x03 | 0x05 => Some(9),
        0x12 => escaped(bytes, 1, 0x00, 0x01),
        0x13 => escaped(bytes, 1, 0xff, 0xfe),
        0x14 | 0x3c => ints(bytes, 1, 2),
        0x16 => ints(bytes, 1, 3),
        0x1a | 0x26 | 0x28 | 0x34 => mantissa(bytes, ints(bytes, 1, 1)?),
        0x1b..=0x25 | 0x29..=0x33 => mantissa(bytes, 1),
        0x3a => bit_array(bytes, 0x00),
        0x3b => bit_array(bytes, 0xff),
        0x3d => escaped(bytes, 9, 0x00, 0x01),
        0x3e => escaped(bytes, 9, 0xff, 0xfe),
        0x3f => array(bytes, 0x01, 0x00, depth),
        0x40 => array(bytes, 0xfe, 0xff, depth),
        0x41 => (0..4).try_fold(1, |at, _| Some(at + length(bytes.get(at..)?, 1)?)),
        0x80..=0xfd => int_length(bytes),
        _ => None,
    }
}

/// Bytes of the encoded column at the front of `bytes`; `None` when it is no known encoding or is cut.
#[must_use]
pub fn peek_length(bytes: &[u8]) -> Option<usize> {
    length(bytes, MAX_DEPTH).filter(|&n| n <= bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).filter_map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
    }

    #[test]
    fn vectors_of_the_reference_end_where_they_end() {
        let vectors = [
            "88",
            "f5",
            "f66e",
            "f70100",
            "fdffffffffffffffff",
            "87ff",
            "86ff00",
            "808000000000000000",
            "126200ff00ff610001",
            "1268656c6c6f0001",
            "13ff00009efffe",
            "053ff0000000000000",
            "03400fffffffffffff",
            "04",
            "02",
            "2a0200",
            "2a031400",
            "291400",
            "34f701f51a00",
            "24fd00",
            "2689e900",
            "1a86fe0ae500",
            "2887fe1600",
            "27",
            "16888888",
            "16fb4e94914f00008889",
            "16fc093569074200008988",
            "3a0088",
            "3a880089",
            "3afd80000000000000000089",
            "3a88880089",
            "00",
            "ff",
            "3f8901128100ff0100018a00",
        ];
        for vector in vectors {
            let mut bytes = hex(vector);
            let own = bytes.len();
            bytes.extend_from_slice(&[0xaa, 0x00, 0x01]);
            assert_eq!(peek_length(&bytes), Some(own), "{vector}");
            for cut in 0..own {
                assert!(peek_length(&bytes[..cut]).is_none_or(|n| n <= cut), "{vector} cut at {cut}");
            }
        }
        assert_eq!(read_uvarint(&hex("f70100")), Some((256, 3)));
        assert_eq!(read_uvarint(&hex("87ff")), None);
        assert_eq!(peek_length(&[0x3f; 100]), None);
    }
}
