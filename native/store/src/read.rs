//! Point reads: one version of one key, and metadata records.

use std::ops::Bound;

use heed::types::Bytes;
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::Fault;

use crate::fault::{Doing, Result};
use crate::keys;
use crate::store::Store;

/// What one point operation maps at most: the kernel maps 64 KiB around each of the few pages it reads.
pub(crate) const POINT_BYTES: u64 = 128 << 10;

/// A version of a key.
#[derive(Debug, PartialEq, Eq)]
pub struct Version {
    /// When it was written.
    pub timestamp: Timestamp,
    /// MVCC value; empty = tombstone.
    pub value: Vec<u8>,
}

impl Store {
    /// The newest version at or before `as_of`.
    pub fn get(&self, key: &[u8], as_of: Timestamp) -> Result<Option<Version>> {
        let txn = self.snapshot()?;
        let sought = keys::versioned(key, as_of);
        self.touch(POINT_BYTES);
        // A key that cannot be stored is not there.
        if sought.len() > self.max_key_bytes {
            return Ok(None);
        }
        let mut range = self.mvcc.range(&txn, &(Bound::Included(&sought[..]), Bound::Unbounded)).doing("read")?;
        let Some(entry) = range.next() else { return Ok(None) };
        let (engine, value) = entry.doing("read")?;
        let (user, timestamp) = keys::split(engine)?;
        Ok((user == key).then(|| Version { timestamp, value: value.to_vec() }))
    }

    /// A metadata record.
    pub fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let txn = self.snapshot()?;
        self.touch(POINT_BYTES);
        if key.is_empty() || key.len() > self.max_key_bytes {
            return Ok(None);
        }
        let value = self.meta.get(&txn, key.as_bytes()).doing("read a metadata record")?;
        Ok(value.map(<[u8]>::to_vec))
    }

    /// All metadata records whose name begins with `prefix`, in byte order.
    pub fn meta_list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let txn = self.snapshot()?;
        let table = self.meta.remap_types::<Bytes, Bytes>();
        let mut records = Vec::new();
        let start = if prefix.is_empty() { Bound::Unbounded } else { Bound::Included(prefix.as_bytes()) };
        for record in table.range(&txn, &(start, Bound::Unbounded)).doing("list metadata records")? {
            let (key, value) = record.doing("list metadata records")?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            let key = std::str::from_utf8(key).map_err(|_| Fault::internal("a metadata record's name is not UTF-8"))?;
            records.push((key.to_owned(), value.to_vec()));
        }
        self.touch(POINT_BYTES);
        Ok(records)
    }
}
