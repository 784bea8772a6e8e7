//! Columnar data blocks (7.6): engine keys rebuilt from their columns, values, trailers.

use std::ops::Range;

use crate::columnar::column::{BoolColumn, BytesColumn, UintColumn};
use crate::columnar::frame::{ColumnType, Frame};
use crate::columnar::prefix_bytes::PrefixBytesColumn;
use crate::flaw::Flaw;

/// How keys are split into columns; the property `pebble.colblk.schema` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySchema {
    /// `DefaultKeySchema(<comparer>,16)`: prefix and suffix.
    Default,
    /// `crdb1`: roach key, wall time, logical, other version.
    Crdb1,
}

impl KeySchema {
    /// The schema of that name.
    ///
    /// # Errors
    /// A name that is not known.
    pub fn named(name: &[u8]) -> Result<Self, Flaw> {
        if name == b"crdb1" {
            return Ok(Self::Crdb1);
        }
        if name.starts_with(b"DefaultKeySchema(") {
            return Ok(Self::Default);
        }
        Err(Flaw::unsupported(format!("names the unknown key schema {}", String::from_utf8_lossy(name))))
    }

    fn header_bytes(self) -> usize {
        match self {
            Self::Default => 0,
            Self::Crdb1 => 1,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum KeyColumns {
    Default { suffix: BytesColumn },
    Crdb1 { wall: UintColumn, logical: UintColumn, untyped: BytesColumn },
}

/// The columns of an opened data block.
#[derive(Debug, Clone, Copy)]
pub struct DataBlock {
    /// Number of points.
    pub rows: usize,
    prefix: PrefixBytesColumn,
    key: KeyColumns,
    trailers: UintColumn,
    values: BytesColumn,
    external: BoolColumn,
}

impl DataBlock {
    /// Opens a block: checks every column's place and offsets.
    ///
    /// # Errors
    /// Damage.
    pub fn open(block: &[u8], schema: KeySchema, tiering: bool) -> Result<Self, Flaw> {
        let frame = Frame::read(block, schema.header_bytes() + 4)?;
        let rows = frame.rows;
        let (start, end) = frame.column(0, ColumnType::PrefixBytes)?;
        let prefix = PrefixBytesColumn::read(block, start, end, rows)?;
        let (key, first) = match schema {
            KeySchema::Default => {
                let (start, end) = frame.column(1, ColumnType::Bytes)?;
                (KeyColumns::Default { suffix: BytesColumn::read(block, start, end, rows)? }, 2)
            }
            KeySchema::Crdb1 => {
                let (start, end) = frame.column(1, ColumnType::Uint)?;
                let (wall, _) = UintColumn::read(block, start, end, rows)?;
                let (start, end) = frame.column(2, ColumnType::Uint)?;
                let (logical, _) = UintColumn::read(block, start, end, rows)?;
                let (start, end) = frame.column(3, ColumnType::Bytes)?;
                let untyped = BytesColumn::read(block, start, end, rows)?;
                (KeyColumns::Crdb1 { wall, logical, untyped }, 4)
            }
        };
        let wanted = first + if tiering { 8 } else { 5 };
        if frame.columns() != wanted {
            return Err(Flaw::damaged_by(format!("has {} columns where {wanted} are needed", frame.columns())));
        }
        let (start, end) = frame.column(first, ColumnType::Uint)?;
        let (trailers, _) = UintColumn::read(block, start, end, rows)?;
        let (start, end) = frame.column(first + 2, ColumnType::Bytes)?;
        let values = BytesColumn::read(block, start, end, rows)?;
        let (start, end) = frame.column(first + 3, ColumnType::Bool)?;
        let external = BoolColumn::read(block, start, end, rows)?;
        Ok(Self { rows, prefix, key, trailers, values, external })
    }

    /// Appends the engine (or plain) key of `row`, without trailer, to `out`.
    #[inline]
    pub fn append_key(&self, block: &[u8], row: usize, out: &mut Vec<u8>) {
        self.prefix.append(block, row, out);
        match &self.key {
            KeyColumns::Default { suffix } => out.extend_from_slice(suffix.get(block, row)),
            KeyColumns::Crdb1 { wall, logical, untyped } => {
                out.push(0);
                let version = untyped.get(block, row);
                if !version.is_empty() {
                    out.extend_from_slice(version);
                    out.push((version.len() + 1).min(255) as u8);
                    return;
                }
                let (wall, logical) = (wall.get(block, row), logical.get(block, row));
                if logical != 0 {
                    out.extend_from_slice(&wall.to_be_bytes());
                    out.extend_from_slice(&(logical as u32).to_be_bytes());
                    out.push(13);
                } else if wall != 0 {
                    out.extend_from_slice(&wall.to_be_bytes());
                    out.push(9);
                }
            }
        }
    }

    /// `seq << 8 | kind` of `row`.
    #[inline]
    #[must_use]
    pub fn trailer(&self, block: &[u8], row: usize) -> u64 {
        self.trailers.get(block, row)
    }

    /// Where the value of `row` lies in the block.
    #[inline]
    #[must_use]
    pub fn value(&self, block: &[u8], row: usize) -> Range<usize> {
        self.values.range(block, row)
    }

    /// The value of `row` is a prefix byte and a handle.
    #[inline]
    #[must_use]
    pub fn is_external(&self, block: &[u8], row: usize) -> bool {
        self.external.get(block, row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 18.2: apple, apricot, banana in the default schema.
    fn worked_example() -> Vec<u8> {
        let mut b = vec![7, 0, 0, 0, 1, 7, 0, 3, 0, 0, 0];
        for (kind, at) in [(4u8, 0x2eu32), (3, 0x47), (2, 0x48), (1, 0x4c), (3, 0x60), (1, 0x6b), (1, 0x6c)] {
            b.push(kind);
            b.extend_from_slice(&at.to_le_bytes());
        }
        b.extend_from_slice(&[4, 1, 0, 0, 5, 12, 18]);
        b.extend_from_slice(b"appleapricotbanana");
        b.push(0);
        b.extend_from_slice(&[1, 1, 1, 1]);
        b.extend_from_slice(&[0, 0, 0, 0]);
        b.extend_from_slice(&7u64.to_le_bytes());
        b.extend_from_slice(&1u64.to_le_bytes());
        b.extend_from_slice(&[1, 0, 1, 3, 6]);
        b.extend_from_slice(b"122333");
        b.extend_from_slice(&[1, 1, 0]);
        b
    }

    #[test]
    fn reads_the_worked_example() {
        let block = worked_example();
        assert_eq!(block.len(), 110);
        let data = DataBlock::open(&block, KeySchema::Default, false).expect("section 18.2");
        let rows: Vec<(Vec<u8>, Vec<u8>, u64)> = (0..data.rows)
            .map(|row| {
                let mut key = Vec::new();
                data.append_key(&block, row, &mut key);
                (key, block[data.value(&block, row)].to_vec(), data.trailer(&block, row))
            })
            .collect();
        assert_eq!(
            rows,
            [
                (b"apple".to_vec(), b"1".to_vec(), 1),
                (b"apricot".to_vec(), b"22".to_vec(), 1),
                (b"banana".to_vec(), b"333".to_vec(), 1)
            ]
        );
    }

    #[test]
    fn every_cut_and_every_flip_is_an_answer_or_an_error() {
        let whole = worked_example();
        let read = |block: &[u8]| {
            for schema in [KeySchema::Default, KeySchema::Crdb1] {
                if let Ok(data) = DataBlock::open(block, schema, false) {
                    for row in 0..data.rows {
                        data.append_key(block, row, &mut Vec::new());
                        let _value = block.get(data.value(block, row));
                    }
                }
            }
        };
        for cut in 0..whole.len() {
            read(&whole[..cut]);
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut b = whole.clone();
                b[at] ^= 1 << bit;
                read(&b);
            }
        }
    }
}
