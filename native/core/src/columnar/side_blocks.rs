//! Columnar blocks beside the data: index (7.7), key spans (7.8), names and values (7.9).

use crate::columnar::column::{BytesColumn, UintColumn};
use crate::columnar::frame::{ColumnType, Frame};
use crate::flaw::Flaw;
use crate::footer::Handle;

/// Calls `visit` with the separator (a user key, no trailer) and the handle of each entry of an index block.
///
/// # Errors
/// Damage, or what `visit` returns.
pub fn walk_index(block: &[u8], mut visit: impl FnMut(&[u8], Handle) -> Result<(), Flaw>) -> Result<(), Flaw> {
    let frame = Frame::read(block, 0)?;
    let (start, end) = frame.column(0, ColumnType::Bytes)?;
    let separators = BytesColumn::read(block, start, end, frame.rows)?;
    let (start, end) = frame.column(1, ColumnType::Uint)?;
    let (offsets, _) = UintColumn::read(block, start, end, frame.rows)?;
    let (start, end) = frame.column(2, ColumnType::Uint)?;
    let (lengths, _) = UintColumn::read(block, start, end, frame.rows)?;
    for row in 0..frame.rows {
        let handle = Handle { offset: offsets.get(block, row), length: lengths.get(block, row) };
        visit(separators.get(block, row), handle)?;
    }
    Ok(())
}

/// Calls `visit` with each name and value of a metaindex or properties block.
///
/// # Errors
/// Damage, or what `visit` returns.
pub fn walk_pairs(block: &[u8], mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Flaw>) -> Result<(), Flaw> {
    let frame = Frame::read(block, 0)?;
    let (start, end) = frame.column(0, ColumnType::Bytes)?;
    let keys = BytesColumn::read(block, start, end, frame.rows)?;
    let (start, end) = frame.column(1, ColumnType::Bytes)?;
    let values = BytesColumn::read(block, start, end, frame.rows)?;
    for row in 0..frame.rows {
        visit(keys.get(block, row), values.get(block, row))?;
    }
    Ok(())
}

/// One key of a span: its bounds, trailer, suffix and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanKey<'a> {
    /// First key covered.
    pub start: &'a [u8],
    /// First key no longer covered.
    pub end: &'a [u8],
    /// `seq << 8 | kind`.
    pub trailer: u64,
    /// Version suffix with its length byte; empty for range deletions.
    pub suffix: &'a [u8],
    /// Value.
    pub value: &'a [u8],
}

/// Calls `visit` with every key of every span of a range deletion or range key block.
///
/// # Errors
/// Damage, or what `visit` returns.
pub fn walk_spans(block: &[u8], mut visit: impl FnMut(SpanKey<'_>) -> Result<(), Flaw>) -> Result<(), Flaw> {
    let four: [u8; 4] =
        block.get(..4).and_then(|b| b.try_into().ok()).ok_or(Flaw::damaged("is too short for its number of boundaries"))?;
    let boundaries = u32::from_le_bytes(four) as usize;
    if boundaries > block.len() {
        return Err(Flaw::damaged_by(format!("claims {boundaries} boundaries in {} bytes", block.len())));
    }
    let frame = Frame::read(block, 4)?;
    let (start, end) = frame.column(0, ColumnType::Bytes)?;
    let keys = BytesColumn::read(block, start, end, boundaries)?;
    let (start, end) = frame.column(1, ColumnType::Uint)?;
    let (firsts, _) = UintColumn::read(block, start, end, boundaries)?;
    let (start, end) = frame.column(2, ColumnType::Uint)?;
    let (trailers, _) = UintColumn::read(block, start, end, frame.rows)?;
    let (start, end) = frame.column(3, ColumnType::Bytes)?;
    let suffixes = BytesColumn::read(block, start, end, frame.rows)?;
    let (start, end) = frame.column(4, ColumnType::Bytes)?;
    let values = BytesColumn::read(block, start, end, frame.rows)?;
    let mut row = 0;
    for span in 0..boundaries.saturating_sub(1) {
        let (from, to) = (firsts.get(block, span) as usize, firsts.get(block, span + 1) as usize);
        if from != row || to < from || to > frame.rows {
            return Err(Flaw::damaged_by(format!("gives span {span} the keys {from} to {to} of {}", frame.rows)));
        }
        for row in from..to {
            visit(SpanKey {
                start: keys.get(block, span),
                end: keys.get(block, span + 1),
                trailer: trailers.get(block, row),
                suffix: suffixes.get(block, row),
                value: values.get(block, row),
            })?;
        }
        row = to;
    }
    if row != frame.rows {
        return Err(Flaw::damaged_by(format!("has {} keys, its spans hold {row}", frame.rows)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One span [a, c) with two keys, then a gap, then [e, g) with one.
    fn spans() -> Vec<u8> {
        let columns: [(u8, Vec<u8>); 5] = [
            (3, [&[1, 0, 1, 2, 3, 4][..], b"aceg"].concat()),
            (2, vec![1, 0, 2, 2, 3]),
            (2, [&[0x80][..], &21u64.to_le_bytes()].concat()),
            (3, [&[1, 0, 2, 3, 5][..], b"s9sS8"].concat()),
            (3, vec![0]),
        ];
        let mut block = 4u32.to_le_bytes().to_vec();
        block.extend_from_slice(&[1, 5, 0, 3, 0, 0, 0]);
        let mut at = block.len() + 25;
        for (kind, data) in &columns {
            block.push(*kind);
            block.extend_from_slice(&(at as u32).to_le_bytes());
            at += data.len();
        }
        columns.iter().for_each(|(_, data)| block.extend_from_slice(data));
        block.push(0);
        block
    }

    #[test]
    fn spans_own_their_keys() {
        let mut seen = Vec::new();
        walk_spans(&spans(), |span| {
            assert_eq!((span.trailer, span.value), (21, &[][..]));
            seen.push([span.start, b"-", span.end, b":", span.suffix].concat());
            Ok(())
        })
        .expect("sound spans");
        assert_eq!(seen, [b"a-c:s9".to_vec(), b"a-c:s".to_vec(), b"e-g:S8".to_vec()]);
    }

    #[test]
    fn every_cut_and_every_flip_is_an_answer_or_an_error() {
        let whole = spans();
        for cut in 0..whole.len() {
            assert!(walk_spans(&whole[..cut], |_| Ok(())).is_err(), "cut at {cut}");
        }
        for bit in 0..whole.len() * 8 {
            let mut block = whole.clone();
            block[bit / 8] ^= 1 << (bit % 8);
            let _answers =
                (walk_spans(&block, |_| Ok(())), walk_index(&block, |_, _| Ok(())), walk_pairs(&block, |_, _| Ok(())));
        }
    }
}
