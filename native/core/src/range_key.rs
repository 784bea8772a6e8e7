//! Range keys and range deletions of a file (sst-format.md section 10, crdb-format.md 4.4).

use crate::block_iter::{KEY_TRAILER_BYTES, walk_rows};
use crate::columnar::walk_spans;
use crate::engine_key::{self, Timestamp};
use crate::flaw::{BlockKind, Flaw};
use crate::footer::{Footer, Handle};
use crate::source::{BlockReader, Stop};
use crate::varint;

/// RANGEKEYDEL.
pub const RANGE_KEY_DEL: u8 = 19;
/// RANGEKEYUNSET.
pub const RANGE_KEY_UNSET: u8 = 20;
/// RANGEKEYSET.
pub const RANGE_KEY_SET: u8 = 21;
/// RANGEDEL.
pub const RANGE_DEL: u8 = 15;

/// One range key, or one range deletion (then without suffix and value).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeKey {
    /// First engine key covered.
    pub start: Vec<u8>,
    /// First engine key no longer covered.
    pub end: Vec<u8>,
    /// Kind byte.
    pub kind: u8,
    /// Version with its length byte.
    pub suffix: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
}

impl RangeKey {
    /// The timestamp in the suffix.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        // A suffix decodes like the end of a key whose user key is empty.
        let mut key = vec![0];
        key.extend_from_slice(&self.suffix);
        engine_key::decode(&key).ok().and_then(|(_, timestamp)| timestamp)
    }

    /// The empty value of a tombstone: nothing, or an extended header with nothing behind it.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        match self.value.as_slice() {
            [] => true,
            [a, b, c, d, 0x65, rest @ ..] => rest.len() == u32::from_be_bytes([*a, *b, *c, *d]) as usize,
            _ => false,
        }
    }
}

fn length_prefixed(bytes: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    let flaw = || Flaw::damaged("has a range key that is cut");
    let (length, used) = varint::read_u32(bytes).ok_or_else(flaw)?;
    bytes.get(used..).and_then(|rest| rest.split_at_checked(length as usize)).ok_or_else(flaw)
}

fn push_row(key: &[u8], value: &[u8], out: &mut Vec<RangeKey>) -> Result<(), Flaw> {
    let flaw = || Flaw::damaged("has a key shorter than a trailer");
    let at = key.len().checked_sub(KEY_TRAILER_BYTES).ok_or_else(flaw)?;
    let (start, trailer) = key.split_at(at);
    let kind = trailer.first().copied().ok_or_else(flaw)?;
    let one = |end: &[u8], suffix: &[u8], value: &[u8]| RangeKey {
        start: start.to_vec(),
        end: end.to_vec(),
        kind,
        suffix: suffix.to_vec(),
        value: value.to_vec(),
    };
    match kind {
        RANGE_DEL | RANGE_KEY_DEL => out.push(one(value, &[], &[])),
        RANGE_KEY_SET | RANGE_KEY_UNSET => {
            let (end, mut rest) = length_prefixed(value)?;
            while !rest.is_empty() {
                let (suffix, after) = length_prefixed(rest)?;
                let (value, after) = if kind == RANGE_KEY_SET { length_prefixed(after)? } else { (&[][..], after) };
                out.push(one(end, suffix, value));
                rest = after;
            }
        }
        other => return Err(Flaw::damaged_by(format!("has a key of kind {other}"))),
    }
    Ok(())
}

/// Reads a block of range keys or range deletions.
///
/// # Errors
/// Damage, or missing bytes.
pub fn read_spans(
    reader: &mut BlockReader<'_>,
    footer: &Footer,
    handle: Handle,
    kind: BlockKind,
) -> Result<Vec<RangeKey>, Stop> {
    let mut block = Vec::new();
    reader.read(footer, handle, kind, &mut block)?;
    let mut keys = Vec::new();
    let parsed = if footer.format.columnar_data() {
        walk_spans(&block, |span| {
            keys.push(RangeKey {
                start: span.start.to_vec(),
                end: span.end.to_vec(),
                kind: (span.trailer & 0xff) as u8,
                suffix: span.suffix.to_vec(),
                value: span.value.to_vec(),
            });
            Ok(())
        })
    } else {
        walk_rows(&block, |key, value| push_row(key, value, &mut keys))
    };
    parsed.map_err(|flaw| reader.fault(kind, handle.offset, flaw))?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_several_suffixes() {
        let mut key = b"a\0".to_vec();
        key.extend_from_slice(&[RANGE_KEY_SET, 0, 0, 0, 0, 0, 0, 0]);
        let mut value = vec![2, b'c', 0];
        for wall in [9u64, 5] {
            value.push(9);
            value.extend_from_slice(&wall.to_be_bytes());
            value.push(9);
            value.push(0);
        }
        // The suffix is 9 bytes: 8 of wall time and the length byte.
        let mut out = Vec::new();
        push_row(&key, &value, &mut out).expect("two suffixes");
        let walls: Vec<u64> = out.iter().filter_map(RangeKey::timestamp).map(|t| t.wall).collect();
        assert_eq!(walls, [9, 5]);
        assert!(out.iter().all(RangeKey::is_tombstone));
        assert!(push_row(&key, &value[..value.len() - 1], &mut out).is_err());
    }
}
