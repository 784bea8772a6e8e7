//! Writing: bulk ingest, atomic commits, erasing.

use std::ops::{Bound, Range};

use heed::types::Bytes;
use heed::{MdbError, PutFlags, RwTxn};
use spanvault_core::batch::Batch;
use spanvault_core::fault::Fault;

use crate::changes::Ingested;
use crate::durability::UNSYNCED_LIMIT;
use crate::fault::{Doing, Result};
use crate::gap;
use crate::keys;
use crate::read::POINT_BYTES;
use crate::store::Store;
use crate::weighed::Extent;

/// Bytes of keys and values in one transaction of an ingest. Its pages are copied into new memory and written to the file at its
/// end: of this size they stay in the processor's cache from the one to the other and on to the next transaction, while
/// what a commit costs of its own is still nothing.
const INGEST_TXN_BYTES: usize = 2 << 20;

/// Bytes of keys and values of entries [from, to).
fn bytes_between(batch: &Batch<'_>, from: usize, to: usize) -> usize {
    (batch.offsets()[2 * to] - batch.offsets()[2 * from]) as usize
}

/// What entries [from, to) leave in the table when they were appended to it.
fn extent(batch: &Batch<'_>, from: usize, to: usize, ingested: &Ingested<'_>) -> Option<Extent> {
    let ((first, _), (last, _)) = batch.get(from).zip(batch.get(to.checked_sub(1)?))?;
    let Ingested { entries, bytes, .. } = *ingested;
    Some(Extent { first: first.to_vec(), last: last.to_vec(), entries, bytes })
}

/// A put of one metadata record; no value deletes it.
pub struct MetaPut<'a> {
    /// Name of the record.
    pub key: &'a str,
    /// Its new content.
    pub value: Option<&'a [u8]>,
}

impl Store {
    /// Puts a batch in engine-key order in transactions of at most 2 MiB. Durable only after `sync`, or after the
    /// next `commit`. A batch that is not sorted is stored as well, only slower.
    pub fn ingest(&self, batch: &Batch<'_>) -> Result<()> {
        let mut from = 0;
        while from < batch.count() {
            let to = self.ingest_end(batch, from);
            let unsynced = {
                let mut writer = self.writer();
                writer.relax(&self.env)?;
                let mut txn = self.env.write_txn().doing("begin to write")?;
                let mut ingested = Ingested::new();
                let appended = self.put_range(&mut txn, batch, from, to, &mut ingested)?;
                self.record_ingest(&mut txn, &ingested)?;
                let number = txn.id();
                txn.commit().doing("commit an ingest")?;
                if appended {
                    self.weighed.note(number, extent(batch, from, to, &ingested));
                }
                writer.unsynced += bytes_between(batch, from, to) as u64;
                writer.unsynced
            };
            self.begin_writing();
            self.touch((bytes_between(batch, from, to) / 4) as u64);
            if unsynced >= UNSYNCED_LIMIT {
                self.sync()?;
            }
            from = to;
        }
        Ok(())
    }

    /// The end of the transaction that begins at entry `from`.
    fn ingest_end(&self, batch: &Batch<'_>, from: usize) -> usize {
        if bytes_between(batch, from, batch.count()) <= INGEST_TXN_BYTES {
            return batch.count();
        }
        let mut to = from + 1;
        while to < batch.count() && bytes_between(batch, from, to + 1) <= INGEST_TXN_BYTES {
            to += 1;
        }
        to
    }

    /// One transaction: erases the spans, puts the batch (in any order), puts the metadata; durable on return.
    pub fn commit(&self, batch: Option<&Batch<'_>>, clear: &[(&[u8], &[u8])], meta: &[MetaPut<'_>]) -> Result<()> {
        let mut writer = self.writer();
        self.sync_held(&mut writer)?;
        let mut txn = self.env.write_txn().doing("begin to write")?;
        for (key, end_key) in clear {
            self.clear_span(&mut txn, key, end_key)?;
        }
        if let Some(batch) = batch {
            self.put_range(&mut txn, batch, 0, batch.count(), &mut Ingested::new())?;
            self.record_keys(&mut txn, batch)?;
            self.touch((batch.count() as u64 * POINT_BYTES).min(bytes_between(batch, 0, batch.count()) as u64 * 2));
        }
        for put in meta {
            self.put_meta(&mut txn, put)?;
        }
        let number = txn.id();
        txn.commit().doing("commit")?;
        // A commit that puts nothing takes no number.
        if batch.is_none() && clear.is_empty() && meta.iter().any(|put| put.value.is_some()) {
            self.weighed.note(number, None);
        }
        self.touch(POINT_BYTES);
        Ok(())
    }

    fn clear_span(&self, txn: &mut RwTxn<'_>, key: &[u8], end_key: &[u8]) -> Result<()> {
        let (from, to) = (keys::bare(key), keys::bare(end_key));
        if key < end_key {
            let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
            self.mvcc.delete_range(txn, &range).doing("erase a span")?;
        }
        Ok(())
    }

    /// Erases versions of a span, as much as `limit_bytes` of keys and values, in a transaction of its own that is
    /// durable after `sync`. Returns the user key to go on with, or `None` when the span is empty.
    pub fn erase(&self, key: &[u8], end_key: &[u8], limit_bytes: usize) -> Result<Option<Vec<u8>>> {
        let mut writer = self.writer();
        writer.relax(&self.env)?;
        let mut txn = self.env.write_txn().doing("begin to write")?;
        let (from, to) = (keys::bare(key), keys::bare(end_key));
        if key >= end_key {
            return Ok(None);
        }
        let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        let (mut erased, mut resume) = (0, None);
        {
            let mut entries = self.mvcc.range_mut(&mut txn, &range).doing("erase a span")?;
            while let Some(entry) = entries.next() {
                let (engine, value) = entry.doing("erase a span")?;
                if erased >= limit_bytes {
                    resume = Some(keys::split(engine)?.0.to_vec());
                    break;
                }
                erased += engine.len() + value.len();
                // SAFETY: `engine` and `value` are not used after this call.
                unsafe { entries.del_current() }.doing("erase a span")?;
            }
        }
        txn.commit().doing("commit an erasure")?;
        writer.unsynced += erased as u64;
        drop(writer);
        self.touch(erased as u64);
        Ok(resume)
    }

    /// Puts entries [from, to) of a batch: appended when they lie beyond the last key, else in the order given, which
    /// costs least when it is sorted. Returns whether all of them were appended.
    fn put_range<'b>(
        &self,
        txn: &mut RwTxn<'_>,
        batch: &Batch<'b>,
        from: usize,
        to: usize,
        ingested: &mut Ingested<'b>,
    ) -> Result<bool> {
        let at = self.put_entries(txn, batch, from..to, PutFlags::APPEND, ingested)?;
        if at == to {
            return Ok(true);
        }
        if bytes_between(batch, at, to) < gap::MIN_BYTES {
            self.put_entries(txn, batch, at..to, PutFlags::empty(), ingested)?;
            return Ok(false);
        }
        // The first page's worth goes in before others step aside: the page must not become so empty that LMDB
        // merges it with the next.
        let filled = Store::first_page(batch, at, to);
        self.put_entries(txn, batch, at..filled, PutFlags::empty(), ingested)?;
        let aside = self.step_aside(txn, batch, filled, to)?;
        self.put_entries(txn, batch, filled..to, PutFlags::empty(), ingested)?;
        self.step_back(txn, &aside)?;
        Ok(false)
    }

    /// Puts entries with a cursor, which does not descend the tree while it stays on a page. Returns the first entry not
    /// put: with APPEND one that does not lie beyond the last key, else `to`.
    fn put_entries<'b>(
        &self,
        txn: &mut RwTxn<'_>,
        batch: &Batch<'b>,
        range: Range<usize>,
        flags: PutFlags,
        ingested: &mut Ingested<'b>,
    ) -> Result<usize> {
        let mut canonical = Vec::new();
        let mut cursor = self.mvcc.iter_mut(txn).doing("write")?;
        for (index, (key, value)) in batch.iter().enumerate().take(range.end).skip(range.start) {
            let (user, timestamp) = keys::given(key)?;
            let key = keys::canonical(key, user, timestamp, &mut canonical);
            self.check_key_length(key)?;
            // SAFETY: key and value lie in the caller's batch or in `canonical`, never in the memory map.
            let put = unsafe { cursor.put_current_with_options::<Bytes>(flags, key, value) };
            if flags == PutFlags::APPEND && matches!(put, Err(heed::Error::Mdb(MdbError::KeyExist))) {
                return Ok(index);
            }
            put.doing("write")?;
            ingested.note(user, timestamp, value.len());
        }
        Ok(range.end)
    }

    fn put_meta(&self, txn: &mut RwTxn<'_>, put: &MetaPut<'_>) -> Result<()> {
        let key = put.key.as_bytes();
        if key.is_empty() {
            return Err(Fault::usage("a metadata record has an empty name"));
        }
        self.check_key_length(key)?;
        match put.value {
            Some(value) => self.meta.put(txn, key, value).doing("write a metadata record"),
            None => self.meta.delete(txn, key).doing("delete a metadata record").map(|_| ()),
        }
    }
}
