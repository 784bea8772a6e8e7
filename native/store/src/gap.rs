//! Bulk puts into the middle of the table.
//!
//! When LMDB splits a full page because of a put behind its last entry, it leaves the page full; otherwise it halves
//! it. A batch that is put before existing entries of the same page would leave a trail of half full pages, twice the
//! bytes to write and to scan. So the entries that follow on the page step aside until the batch is in.

use std::ops::Bound;

use heed::{MdbError, PutFlags, RwTxn};
use spanvault_core::batch::Batch;
use spanvault_core::engine_key;

use crate::fault::{Doing, Result};
use crate::store::Store;

/// Size of a page: entries of so many bytes certainly reach over its end.
const PAGE_BYTES: usize = 4096;
/// LMDB's bytes of an entry besides key and value.
const NODE_BYTES: usize = 10;
/// A larger value lies in pages of its own and does not count against the page; it is not moved either.
const INLINE_VALUE_BYTES: usize = 2000;
/// Batches below this size are not worth it.
pub(crate) const MIN_BYTES: usize = 16 * PAGE_BYTES;

/// Entries that stepped aside.
#[derive(Default)]
pub(crate) struct Aside(Vec<(Vec<u8>, Vec<u8>)>);

impl Store {
    /// First entry at or after `from` that does not lie on the first page's worth of entries.
    pub(crate) fn first_page(batch: &Batch<'_>, from: usize, to: usize) -> usize {
        let mut used = 0;
        let page = batch.iter().skip(from).take(to - from).take_while(|(key, value)| {
            used += key.len() + value.len() + NODE_BYTES;
            used <= PAGE_BYTES
        });
        from + page.count()
    }

    /// Takes out the entries behind entry `at - 1` of the batch that may share its page, unless one of them lies among
    /// entries `at..to`, which are about to be put.
    pub(crate) fn step_aside(&self, txn: &mut RwTxn<'_>, batch: &Batch<'_>, at: usize, to: usize) -> Result<Aside> {
        let Some(((here, _), (last, _))) = batch.get(at.wrapping_sub(1)).zip(batch.get(to - 1)) else {
            return Ok(Aside::default());
        };
        let mut aside = Aside::default();
        let mut used = 0;
        let behind = (Bound::Excluded(here), Bound::Unbounded);
        for entry in self.mvcc.range(txn, &behind).doing("write")? {
            let (key, value) = entry.doing("write")?;
            if aside.0.is_empty() && engine_key::compare(key, last).is_le() {
                return Ok(aside);
            }
            if used > PAGE_BYTES || value.len() > INLINE_VALUE_BYTES {
                break;
            }
            used += key.len() + value.len() + NODE_BYTES;
            aside.0.push((key.to_vec(), value.to_vec()));
        }
        for (key, _) in &aside.0 {
            self.mvcc.delete(txn, key).doing("write")?;
        }
        Ok(aside)
    }

    /// Puts the entries back in the same transaction. A batch that was not sorted may have brought newer bytes of one: they
    /// win.
    pub(crate) fn step_back(&self, txn: &mut RwTxn<'_>, aside: &Aside) -> Result<()> {
        for (key, value) in &aside.0 {
            match self.mvcc.put_with_flags(txn, PutFlags::NO_OVERWRITE, key, value) {
                Err(heed::Error::Mdb(MdbError::KeyExist)) => {}
                put => put.doing("write")?,
            }
        }
        Ok(())
    }
}
