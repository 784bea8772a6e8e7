//! Values stored out of line, in value blocks of the same file (sst-format.md 5.7).

use crate::flaw::{BlockKind, Flaw};
use crate::footer::{Footer, Handle};
use crate::source::{BlockReader, Stop};
use crate::varint;

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueHandle {
    /// Bytes of the value.
    pub length: u32,
    /// Number of the value block.
    pub block: u32,
    /// Offset in the decoded block.
    pub offset: u32,
}

/// What the prefix byte of a value says (5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredValue {
    /// The rest is the value.
    InPlace,
    /// The rest is a handle.
    OutOfLine(ValueHandle),
}

/// Parses a prefix byte and what follows.
///
/// # Errors
/// Damage, or a value in a blob file.
pub fn parse_stored(value: &[u8]) -> Result<StoredValue, Flaw> {
    let (&prefix, rest) = value.split_first().ok_or(Flaw::damaged("has a value without its prefix byte"))?;
    match prefix >> 6 {
        0 => Ok(StoredValue::InPlace),
        2 => {
            let flaw = || Flaw::damaged("has a value handle that is cut");
            let (length, a) = varint::read_u32(rest).ok_or_else(flaw)?;
            let (block, b) = rest.get(a..).and_then(varint::read_u32).ok_or_else(flaw)?;
            let (offset, _) = rest.get(a + b..).and_then(varint::read_u32).ok_or_else(flaw)?;
            Ok(StoredValue::OutOfLine(ValueHandle { length, block, offset }))
        }
        1 => Err(Flaw::unsupported("refers to a value in a blob file, which lies outside of the sst".to_owned())),
        _ => Err(Flaw::damaged_by(format!("has a value with the unknown prefix {prefix:02x}"))),
    }
}

/// Handles of the value blocks of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueIndex {
    blocks: Vec<Handle>,
}

impl ValueIndex {
    /// Reads the value index block.
    ///
    /// # Errors
    /// Damage, or missing bytes.
    pub fn read(reader: &mut BlockReader<'_>, footer: &Footer, handle: Handle, widths: [u8; 3]) -> Result<Self, Stop> {
        let mut block = Vec::new();
        reader.read(footer, handle, BlockKind::ValueIndex, &mut block)?;
        Self::parse(&block, widths, footer.offset).map_err(|flaw| reader.fault(BlockKind::ValueIndex, handle.offset, flaw))
    }

    fn parse(block: &[u8], widths: [u8; 3], limit: u64) -> Result<Self, Flaw> {
        let [a, b, c] = widths.map(usize::from);
        if widths.iter().any(|w| !(1..=8).contains(w)) || !block.len().is_multiple_of(a + b + c) {
            return Err(Flaw::damaged_by(format!("has {} bytes for rows of {a}+{b}+{c}", block.len())));
        }
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
        let mut blocks = Vec::new();
        for (i, row) in block.chunks_exact(a + b + c).enumerate() {
            let (head, length) = row.split_at(a + b);
            let (id, offset) = head.split_at(a);
            let handle = Handle { offset: number(offset), length: number(length) };
            if number(id) != i as u64 || handle.end_within(limit).is_none() {
                return Err(Flaw::damaged_by(format!("has a wrong row {i}")));
            }
            blocks.push(handle);
        }
        Ok(Self { blocks })
    }

    /// Handle of value block `number`.
    ///
    /// # Errors
    /// Damage: there is none.
    pub fn block(&self, number: u32) -> Result<Handle, Flaw> {
        self.blocks
            .get(number as usize)
            .copied()
            .ok_or_else(|| Flaw::damaged_by(format!("refers to value block {number} of {}", self.blocks.len())))
    }

    /// Every value block.
    #[must_use]
    pub fn blocks(&self) -> &[Handle] {
        &self.blocks
    }
}

/// The value block last used, decoded.
#[derive(Debug, Default)]
pub struct ValueCache {
    number: Option<u32>,
    bytes: Vec<u8>,
}

impl ValueCache {
    /// Makes sure that the block of `value` is decoded.
    ///
    /// # Errors
    /// Damage, or missing bytes.
    pub fn load(
        &mut self,
        reader: &mut BlockReader<'_>,
        footer: &Footer,
        index: &ValueIndex,
        value: ValueHandle,
        data_offset: u64,
    ) -> Result<(), Stop> {
        if self.number == Some(value.block) {
            return Ok(());
        }
        let handle = index.block(value.block).map_err(|flaw| reader.fault(BlockKind::Data, data_offset, flaw))?;
        self.number = None;
        reader.read(footer, handle, BlockKind::Value, &mut self.bytes)?;
        self.number = Some(value.block);
        Ok(())
    }

    /// A value of the loaded block.
    ///
    /// # Errors
    /// Damage: the value reaches beyond the block.
    pub fn get(&self, value: ValueHandle) -> Result<&[u8], Flaw> {
        let start = value.offset as usize;
        self.bytes.get(start..start.saturating_add(value.length as usize)).ok_or_else(|| {
            Flaw::damaged_by(format!(
                "refers to {}+{} of a value block of {} bytes",
                value.offset,
                value.length,
                self.bytes.len()
            ))
        })
    }
}
