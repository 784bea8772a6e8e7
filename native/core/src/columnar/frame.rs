//! The frame of a columnar block (7.1): custom header, number of columns and rows, where each column lies.

use crate::flaw::Flaw;

/// Type byte of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Bits.
    Bool,
    /// Integers.
    Uint,
    /// Slices.
    Bytes,
    /// Sorted slices with shared prefixes.
    PrefixBytes,
}

impl ColumnType {
    fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Bool),
            2 => Some(Self::Uint),
            3 => Some(Self::Bytes),
            4 => Some(Self::PrefixBytes),
            _ => None,
        }
    }
}

/// Place of one column.
#[derive(Debug, Clone, Copy)]
pub struct ColumnPlace {
    kind: ColumnType,
    start: usize,
    end: usize,
}

/// A parsed frame.
#[derive(Debug)]
pub struct Frame {
    /// Rows of the block.
    pub rows: usize,
    columns: Vec<ColumnPlace>,
}

impl Frame {
    /// Reads the frame that follows a custom header of `header` bytes.
    ///
    /// # Errors
    /// Damage.
    pub fn read(block: &[u8], header: usize) -> Result<Self, Flaw> {
        let cut = || Flaw::damaged("is too short for its columns");
        let head = block.get(header..).and_then(|b| b.get(..7)).ok_or_else(cut)?;
        let [version, c0, c1, r0, r1, r2, r3] = head else {
            return Err(cut());
        };
        if *version != 1 {
            return Err(Flaw::damaged_by(format!("has the unknown columnar version {version}")));
        }
        let count = usize::from(u16::from_le_bytes([*c0, *c1]));
        let rows = u32::from_le_bytes([*r0, *r1, *r2, *r3]) as usize;
        // A row differs from every other one by at least a byte, so this bounds every walk over rows.
        if rows > block.len() {
            return Err(Flaw::damaged_by(format!("claims {rows} rows in {} bytes", block.len())));
        }
        let table = block.get(header + 7..).and_then(|b| b.get(..count * 5)).ok_or_else(cut)?;
        let first = header + 7 + count * 5;
        let last = block.len().checked_sub(1).ok_or_else(cut)?;
        let mut columns: Vec<ColumnPlace> = Vec::with_capacity(count);
        for (i, entry) in table.chunks_exact(5).enumerate() {
            let [id, o0, o1, o2, o3] = entry else {
                return Err(cut());
            };
            let kind = ColumnType::from_id(*id)
                .ok_or_else(|| Flaw::damaged_by(format!("has the unknown type {id} in column {i}")))?;
            let start = u32::from_le_bytes([*o0, *o1, *o2, *o3]) as usize;
            let least = columns.last().map_or(first, |c| c.start);
            if start < least || start > last {
                return Err(Flaw::damaged_by(format!("places column {i} at its byte {start}, outside of it")));
            }
            if let Some(previous) = columns.last_mut() {
                previous.end = start;
            }
            columns.push(ColumnPlace { kind, start, end: last });
        }
        Ok(Self { rows, columns })
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Start and end of column `i`, which must be of type `kind`.
    ///
    /// # Errors
    /// Damage: no such column, or another type.
    pub fn column(&self, i: usize, kind: ColumnType) -> Result<(usize, usize), Flaw> {
        match self.columns.get(i) {
            Some(c) if c.kind == kind => Ok((c.start, c.end)),
            Some(c) => Err(Flaw::damaged_by(format!("has column {i} of type {:?} where {kind:?} is needed", c.kind))),
            None => Err(Flaw::damaged_by(format!("has {} columns, column {i} is needed", self.columns.len()))),
        }
    }
}
