//! Index blocks of every format (sst-format.md sections 6 and 7.7): separators, handles, and which of them are wanted.
//!
//! This module must not read the blocks that the handles point to.

use crate::block_iter::{KEY_TRAILER_BYTES, RowFrame, walk_rows};
use crate::columnar;
use crate::engine_key::{self, KeyFlaw};
use crate::flaw::{BlockKind, Flaw};
use crate::footer::{Handle, TRAILER_BYTES};
use crate::reader::TableHead;
use crate::source::{BlockReader, Stop};
use crate::varint;

/// What to do with an index entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing in it is wanted, later ones may be.
    Skip,
    /// It may hold wanted keys.
    Take,
    /// It may hold wanted keys, and nothing after it does.
    TakeAndStop,
}

impl TableHead {
    /// Calls `visit` with the separator (an engine key, without trailer) and the handle of each entry of an index
    /// block.
    ///
    /// # Errors
    /// Damage, or what `visit` returns.
    pub fn walk_index(&self, block: &[u8], mut visit: impl FnMut(&[u8], Handle) -> Result<(), Flaw>) -> Result<(), Flaw> {
        if self.footer.format.columnar_data() {
            return columnar::walk_index(block, visit);
        }
        let trailer = if self.user_key_index { 0 } else { KEY_TRAILER_BYTES };
        let separator = |key: &[u8]| -> Result<usize, Flaw> {
            key.len().checked_sub(trailer).ok_or(Flaw::damaged("has a separator shorter than a trailer"))
        };
        if self.delta_index {
            return walk_delta_index(block, |key, handle| visit(key.get(..separator(key)?).unwrap_or_default(), handle));
        }
        walk_rows(block, |key, value| {
            let (handle, _) = Handle::read(value).ok_or(Flaw::damaged("has an entry without a handle"))?;
            visit(key.get(..separator(key)?).unwrap_or_default(), handle)
        })
    }
}

/// RocksDB's index with delta-encoded handles (6.4): entries have no value length.
fn walk_delta_index(block: &[u8], mut visit: impl FnMut(&[u8], Handle) -> Result<(), Flaw>) -> Result<(), Flaw> {
    let frame = RowFrame::read(block)?;
    let entries = block.get(..frame.entries_end).unwrap_or_default();
    let flaw = || Flaw::damaged("has an entry that reaches beyond its entries");
    let mut key: Vec<u8> = Vec::new();
    let mut last = Handle { offset: 0, length: 0 };
    let mut at = 0;
    while let Some(rest) = entries.get(at..).filter(|rest| !rest.is_empty()) {
        let (shared, a) = varint::read_u32(rest).ok_or_else(flaw)?;
        let (unshared, b) = rest.get(a..).and_then(varint::read_u32).ok_or_else(flaw)?;
        let tail = rest.get(a + b..).and_then(|r| r.get(..unshared as usize)).ok_or_else(flaw)?;
        if shared as usize > key.len() {
            return Err(Flaw::damaged("has an entry that shares more bytes than the previous key has"));
        }
        key.truncate(shared as usize);
        key.extend_from_slice(tail);
        at += a + b + tail.len();
        let value = entries.get(at..).unwrap_or_default();
        let used = if shared == 0 {
            let (handle, used) = Handle::read(value).ok_or_else(flaw)?;
            last = handle;
            used
        } else {
            let (raw, used) = varint::read_u64(value).ok_or_else(flaw)?;
            let delta = (raw >> 1).cast_signed() ^ -((raw & 1).cast_signed());
            let next = last.offset.checked_add(last.length).and_then(|end| end.checked_add(TRAILER_BYTES));
            last =
                Handle { offset: next.ok_or_else(flaw)?, length: last.length.checked_add_signed(delta).ok_or_else(flaw)? };
            used
        };
        at += used;
        visit(&key, last)?;
    }
    Ok(())
}

/// A user key that no key behind a separator lies before; `None` when the separator tells nothing.
///
/// A separator is an engine key. Some writers shorten it bytewise, so that it may lack the 00 sentinel and then reads as
/// a shorter user key than was meant: that is a safe bound of what follows, but none of what comes before, for which
/// only the bytes as they are will do.
#[must_use]
pub fn separator_user_key(separator: &[u8]) -> Option<&[u8]> {
    match engine_key::decode(separator) {
        Ok((user, _)) => Some(user),
        Err(KeyFlaw::NotMvcc) => Some(engine_key::user_key(separator)),
        Err(_) => None,
    }
}

/// Handles collected from index blocks.
pub(crate) struct DataHandles {
    pub(crate) blocks: Vec<Handle>,
    /// Nothing was left out.
    pub(crate) complete: bool,
    done: bool,
}

impl DataHandles {
    pub(crate) fn new() -> Self {
        Self { blocks: Vec::new(), complete: true, done: false }
    }

    /// Collects the wanted handles of every block of `from`; all missing blocks are reported together.
    pub(crate) fn collect(
        &mut self,
        head: &TableHead,
        reader: &mut BlockReader<'_>,
        from: &[Handle],
        want: &dyn Fn(&[u8]) -> Want,
    ) -> Result<(), Stop> {
        let mut missing = Vec::new();
        let mut block = Vec::new();
        for &handle in from {
            match reader.read(&head.footer, handle, BlockKind::Index, &mut block) {
                Ok(_) => {}
                Err(Stop::Missing(windows)) => {
                    missing.extend(windows);
                    continue;
                }
                Err(fault) => return Err(fault),
            }
            let limit = head.footer.offset;
            head.walk_index(&block, |separator, handle| {
                if handle.end_within(limit).is_none() {
                    return Err(Flaw::damaged_by(format!(
                        "places a block at {}+{}, beyond the footer at {limit}",
                        handle.offset, handle.length
                    )));
                }
                let wanted = if self.done { Want::Skip } else { want(separator) };
                match wanted {
                    Want::Skip => self.complete = false,
                    Want::Take => self.blocks.push(handle),
                    Want::TakeAndStop => {
                        self.blocks.push(handle);
                        self.done = true;
                    }
                }
                Ok(())
            })
            .map_err(|flaw| reader.fault(BlockKind::Index, handle.offset, flaw))?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Stop::Missing(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delta_encoded_handles_follow_each_other() {
        // Section 6.4: a full handle (0, 100), then 40 bytes less (zig-zag 79) behind it and its trailer.
        let mut block = vec![0, 1, b'a', 0, 100, 1, 1, b'b', 79];
        block.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
        let mut seen = Vec::new();
        walk_delta_index(&block, |key, handle| {
            seen.push((key.to_vec(), handle));
            Ok(())
        })
        .expect("a sound index");
        let handle = |offset, length| Handle { offset, length };
        assert_eq!(seen, [(b"a".to_vec(), handle(0, 100)), (b"ab".to_vec(), handle(105, 60))]);
        let mut below = block.clone();
        below[8] = 0x7f;
        assert!(walk_delta_index(&below, |_, _| Ok(())).is_ok());
        below[8] = 0x81;
        assert!(walk_delta_index(&below, |_, _| Ok(())).is_err());
    }

    #[test]
    fn separators_without_a_sentinel_bound_only_what_follows() {
        assert_eq!(separator_user_key(b"ab\0"), Some(&b"ab"[..]));
        // Bytewise separator of a key that holds a 00: reads as an odd version of a shorter key.
        assert_eq!(separator_user_key(b"ab\0\x08\x03\x03"), Some(&b"ab"[..]));
        assert_eq!(separator_user_key(b"ab\x09"), None);
    }
}
