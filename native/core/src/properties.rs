//! Properties blocks as read from files (sst-format.md section 9).
//!
//! Keeps every pair, and picks out what a reader or a report needs. This module must not decide whether the numbers
//! are right; `verify` does.

use crate::block_iter::walk_rows;
use crate::columnar::walk_pairs;
use crate::flaw::Flaw;
use crate::varint;

/// Every pair of a properties block, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Properties {
    /// Parses a block; names must ascend strictly.
    ///
    /// # Errors
    /// Damage.
    pub fn parse(block: &[u8], columnar: bool) -> Result<Self, Flaw> {
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let visit = |name: &[u8], value: &[u8]| {
            if pairs.last().is_some_and(|(last, _)| last.as_slice() >= name) {
                return Err(Flaw::damaged_by(format!("names {} out of order", String::from_utf8_lossy(name))));
            }
            pairs.push((name.to_vec(), value.to_vec()));
            Ok(())
        };
        if columnar {
            walk_pairs(block, visit)?;
        } else {
            walk_rows(block, visit)?;
        }
        Ok(Self { pairs })
    }

    /// Every name and value.
    #[must_use]
    pub fn pairs(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.pairs
    }

    /// Raw value of a property.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let at = self.pairs.binary_search_by(|(n, _)| n.as_slice().cmp(name.as_bytes())).ok()?;
        self.pairs.get(at).map(|(_, value)| value.as_slice())
    }

    /// A counter.
    ///
    /// # Errors
    /// Damage: the value is no varint.
    pub fn counter(&self, name: &str) -> Result<Option<u64>, Flaw> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match varint::read_u64(value) {
            Some((number, used)) if used == value.len() => Ok(Some(number)),
            _ => Err(Flaw::damaged_by(format!("has no number in {name}"))),
        }
    }

    /// A counter, 0 when absent.
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn counter_or_zero(&self, name: &str) -> Result<u64, Flaw> {
        Ok(self.counter(name)?.unwrap_or(0))
    }

    /// Index type (6.3): 0 binary search, 2 two-level, …
    ///
    /// # Errors
    /// Damage: not four bytes.
    pub fn index_type(&self) -> Result<u32, Flaw> {
        const NAME: &str = "rocksdb.block.based.table.index.type";
        let Some(value) = self.get(NAME) else { return Ok(0) };
        match value.try_into() {
            Ok(four) => Ok(u32::from_le_bytes(four)),
            Err(_) => Err(Flaw::damaged_by(format!("has {} bytes in {NAME}", value.len()))),
        }
    }

    /// The attribute bits that a Pebble 7 footer must repeat (section 2.4).
    ///
    /// # Errors
    /// As [`Self::counter`].
    pub fn attributes(&self) -> Result<u32, Flaw> {
        let any = |names: &[&str]| -> Result<bool, Flaw> {
            for name in names {
                if self.counter_or_zero(name)? > 0 {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let bits = [
            any(&["pebble.num.value-blocks", "pebble.num.values.in.value-blocks"])?,
            any(&["pebble.num.range-key-sets"])?,
            any(&["pebble.num.range-key-unsets"])?,
            any(&["pebble.num.range-key-dels"])?,
            any(&["rocksdb.num.range-deletions"])?,
            self.index_type()? == 2,
            any(&["pebble.num.values.in.blob-files"])?,
            any(&["rocksdb.num.data.blocks"])?,
        ];
        Ok(bits.iter().enumerate().map(|(bit, &set)| u32::from(set) << bit).sum())
    }
}
