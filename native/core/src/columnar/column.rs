//! Columns of integers, bits and slices (7.2 to 7.4), kept as positions into their block.

use std::ops::Range;

use crate::flaw::Flaw;

fn outside() -> Flaw {
    Flaw::damaged("has a column that reaches beyond its end")
}

/// Integers of one width above a base.
#[derive(Debug, Clone, Copy)]
pub struct UintColumn {
    at: usize,
    width: usize,
    base: u64,
    rows: usize,
}

impl UintColumn {
    /// Opens a column of `rows` integers that begins at `start`; also tells where it ends.
    ///
    /// # Errors
    /// Damage: it does not end before `end`, or its encoding is unknown.
    pub fn read(block: &[u8], start: usize, end: usize, rows: usize) -> Result<(Self, usize), Flaw> {
        let empty = Self { at: start, width: 0, base: 0, rows };
        if rows == 0 {
            return Ok((empty, start));
        }
        let column = block.get(start..end).ok_or_else(outside)?;
        let encoding = *column.first().ok_or_else(outside)?;
        let width = usize::from(encoding & 0x7f);
        if !matches!(width, 0 | 1 | 2 | 4 | 8) {
            return Err(Flaw::damaged_by(format!("has an integer column of the unknown encoding {encoding:02x}")));
        }
        let mut at = start + 1;
        let mut base = 0;
        if encoding & 0x80 != 0 {
            let eight: [u8; 8] = column.get(1..9).and_then(|b| b.try_into().ok()).ok_or_else(outside)?;
            base = u64::from_le_bytes(eight);
            at += 8;
        }
        if width == 0 {
            return Ok((Self { base, ..empty }, at));
        }
        at = at.next_multiple_of(width);
        let stop = rows.checked_mul(width).and_then(|n| at.checked_add(n)).ok_or_else(outside)?;
        if stop > end {
            return Err(outside());
        }
        Ok((Self { at, width, base, rows }, stop))
    }

    /// Integer `i`; 0 beyond the last row, which no caller asks for.
    #[inline]
    #[must_use]
    pub fn get(&self, block: &[u8], i: usize) -> u64 {
        debug_assert!(i < self.rows);
        let at = self.at + i * self.width;
        let stored = match self.width {
            0 => 0,
            1 => block.get(at).map_or(0, |&b| u64::from(b)),
            2 => fixed::<2>(block, at).map_or(0, |b| u64::from(u16::from_le_bytes(b))),
            4 => fixed::<4>(block, at).map_or(0, |b| u64::from(u32::from_le_bytes(b))),
            _ => fixed::<8>(block, at).map_or(0, u64::from_le_bytes),
        };
        self.base.wrapping_add(stored)
    }
}

#[inline]
fn fixed<const N: usize>(block: &[u8], at: usize) -> Option<[u8; N]> {
    block.get(at..at + N)?.try_into().ok()
}

/// Bits.
#[derive(Debug, Clone, Copy)]
pub struct BoolColumn {
    /// Where the words begin; `None` when all bits are false.
    words: Option<usize>,
}

impl BoolColumn {
    /// Opens a column of `rows` bits.
    ///
    /// # Errors
    /// Damage.
    pub fn read(block: &[u8], start: usize, end: usize, rows: usize) -> Result<Self, Flaw> {
        if rows == 0 {
            return Ok(Self { words: None });
        }
        match block.get(start..end).and_then(<[u8]>::first) {
            Some(1) => Ok(Self { words: None }),
            Some(0) => {
                let at = (start + 1).next_multiple_of(8);
                if at.checked_add(rows.div_ceil(64) * 8).is_none_or(|stop| stop > end) {
                    return Err(outside());
                }
                Ok(Self { words: Some(at) })
            }
            Some(other) => Err(Flaw::damaged_by(format!("has a bit column of the unknown encoding {other:02x}"))),
            None => Err(outside()),
        }
    }

    /// Bit `i`.
    #[inline]
    #[must_use]
    pub fn get(&self, block: &[u8], i: usize) -> bool {
        self.words.is_some_and(|at| block.get(at + i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1))
    }
}

/// Slices.
#[derive(Debug, Clone, Copy)]
pub struct BytesColumn {
    offsets: UintColumn,
    data: usize,
}

impl BytesColumn {
    /// Opens a column of `rows` slices and checks that their offsets ascend and end inside the column.
    ///
    /// # Errors
    /// Damage.
    pub fn read(block: &[u8], start: usize, end: usize, rows: usize) -> Result<Self, Flaw> {
        if rows == 0 {
            let (offsets, _) = UintColumn::read(block, start, end, 0)?;
            return Ok(Self { offsets, data: start });
        }
        let slices = rows.checked_add(1).ok_or_else(outside)?;
        let (offsets, data) = offsets(block, start, end, slices)?;
        if offsets.get(block, 0) != 0 {
            return Err(Flaw::damaged("has a slice column that does not begin at 0"));
        }
        Ok(Self { offsets, data })
    }

    /// Where slice `i` lies in the block.
    #[inline]
    #[must_use]
    pub fn range(&self, block: &[u8], i: usize) -> Range<usize> {
        let from = self.offsets.get(block, i) as usize;
        let to = self.offsets.get(block, i + 1) as usize;
        self.data + from..self.data + to
    }

    /// Slice `i`.
    #[inline]
    #[must_use]
    pub fn get<'a>(&self, block: &'a [u8], i: usize) -> &'a [u8] {
        block.get(self.range(block, i)).unwrap_or_default()
    }
}

/// Opens an integer column of `count` offsets, and checks that they ascend and that the data after it holds them all;
/// also tells where that data begins.
///
/// # Errors
/// Damage.
pub fn offsets(block: &[u8], start: usize, end: usize, count: usize) -> Result<(UintColumn, usize), Flaw> {
    let (column, data) = UintColumn::read(block, start, end, count)?;
    let room = end.checked_sub(data).ok_or_else(outside)? as u64;
    let mut previous = 0;
    if column.width == 0 {
        // All equal; the number of rows may be absurd, so it is not walked.
        previous = column.base;
    } else {
        for i in 0..count {
            let offset = column.get(block, i);
            if offset < previous {
                return Err(Flaw::damaged("has a slice column whose offsets descend"));
            }
            previous = offset;
        }
    }
    if previous > room {
        return Err(outside());
    }
    Ok((column, data))
}
