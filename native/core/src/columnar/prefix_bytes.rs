//! Sorted slices that share prefixes (7.5): one for the block, one for each bundle of rows.

use crate::columnar::column::{UintColumn, offsets};
use crate::flaw::Flaw;

/// A prefix-bytes column.
#[derive(Debug, Clone, Copy)]
pub struct PrefixBytesColumn {
    offsets: UintColumn,
    data: usize,
    shift: u32,
}

impl PrefixBytesColumn {
    /// Opens a column of `rows` slices.
    ///
    /// # Errors
    /// Damage.
    pub fn read(block: &[u8], start: usize, end: usize, rows: usize) -> Result<Self, Flaw> {
        if rows == 0 {
            let (offsets, data) = UintColumn::read(block, start, end, 0)?;
            return Ok(Self { offsets, data, shift: 0 });
        }
        let shift = block.get(start..end).and_then(<[u8]>::first).copied().unwrap_or(0xff);
        if shift > 20 {
            return Err(Flaw::damaged_by(format!("has a prefix column of bundle size 2^{shift}")));
        }
        let bundles = rows.div_ceil(1 << shift);
        let count = rows.checked_add(bundles).and_then(|n| n.checked_add(1)).ok_or(Flaw::damaged("has too many rows"))?;
        let (offsets, data) = offsets(block, start + 1, end, count)?;
        Ok(Self { offsets, data, shift: u32::from(shift) })
    }

    #[inline]
    fn slice<'a>(&self, block: &'a [u8], k: usize) -> &'a [u8] {
        let from = self.offsets.get(block, k) as usize;
        let to = self.offsets.get(block, k + 1) as usize;
        block.get(self.data + from..self.data + to).unwrap_or_default()
    }

    /// Appends the key of `row` to `out`.
    #[inline]
    pub fn append(&self, block: &[u8], row: usize, out: &mut Vec<u8>) {
        let bundle = row >> self.shift;
        let head = self.offsets.get(block, 0) as usize;
        out.extend_from_slice(block.get(self.data..self.data + head).unwrap_or_default());
        out.extend_from_slice(self.slice(block, bundle * ((1 << self.shift) + 1)));
        // An empty suffix repeats the key of the row before it, within the bundle.
        let first = bundle << self.shift;
        let mut at = row;
        let mut suffix = self.slice(block, 1 + bundle + at);
        while suffix.is_empty() && at > first {
            at -= 1;
            suffix = self.slice(block, 1 + bundle + at);
        }
        out.extend_from_slice(suffix);
    }
}
