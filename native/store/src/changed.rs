//! Reading the change index: the regions of a span that may hold versions of a window, in key order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;

use heed::types::Bytes;
use heed::{RoRange, RoTxn};
use spanvault_core::engine_key::Timestamp;

use crate::changes::{EXTENT, KEY, PREFIX_BYTES, entry_key, parse_extent, split_time, unreadable};
use crate::fault::{Doing, Result};
use crate::keys::successor;
use crate::store::Store;

/// Extents kept of one span; more are joined pairwise, which makes them wider and never wrong.
const MAX_EXTENTS: usize = 4096;

/// A half-open span of user keys and a window of time, (after, as_of].
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) start_key: &'a [u8],
    pub(crate) end_key: &'a [u8],
    pub(crate) after: Timestamp,
    pub(crate) as_of: Timestamp,
}

/// User keys that may have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Region<'t> {
    /// One.
    Key(&'t [u8]),
    /// Some of those from the first to the second, which is exclusive.
    Extent(&'t [u8], &'t [u8]),
}

/// What the index knows of a span and a window.
pub(crate) struct Changed {
    runs: Vec<u64>,
    /// Half-open, inside of the span, sorted and disjoint.
    extents: Vec<(Vec<u8>, Vec<u8>)>,
    after: Timestamp,
    end_key: Vec<u8>,
    /// Bytes of the index that were read to find this.
    pub(crate) read: u64,
}

impl Changed {
    /// Asks the index; `None` when it does not reach back to the window's start.
    pub(crate) fn find(store: &Store, txn: &RoTxn<'_>, wanted: Wanted<'_>) -> Result<Option<Changed>> {
        if store.mark(txn)?.is_none_or(|mark| mark > wanted.after) {
            return Ok(None);
        }
        let Wanted { after, as_of, end_key, .. } = wanted;
        let mut changed = Changed { runs: Vec::new(), extents: Vec::new(), after, end_key: end_key.to_vec(), read: 0 };
        for run in store.runs(txn)? {
            changed.read += (2 * PREFIX_BYTES + 24) as u64;
            if run.times.meet(after, as_of) {
                changed.runs.push(run.number);
                changed.find_extents(store, txn, run.number, wanted)?;
            }
        }
        join(&mut changed.extents);
        Ok(Some(changed))
    }

    /// Extents are disjoint and keyed by their last key: the first that may reach into the span is the first that ends
    /// in or behind it.
    fn find_extents(&mut self, store: &Store, txn: &RoTxn<'_>, run: u64, wanted: Wanted<'_>) -> Result<()> {
        let from = entry_key(EXTENT, run, wanted.start_key);
        let to = entry_key(EXTENT, run + 1, b"");
        let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        for entry in store.changes.range(txn, &range).doing("read the change index")? {
            let (key, value) = entry.doing("read the change index")?;
            self.read += (key.len() + value.len()) as u64;
            let (times, first) = parse_extent(key, value)?;
            if first >= wanted.end_key {
                break;
            }
            if times.meet(wanted.after, wanted.as_of) {
                let end = successor(&key[PREFIX_BYTES..]).min(wanted.end_key.to_vec());
                self.extents.push((first.max(wanted.start_key).to_vec(), end));
                if self.extents.len() > 2 * MAX_EXTENTS {
                    join(&mut self.extents);
                }
            }
        }
        Ok(())
    }

    /// The regions at or after a user key.
    pub(crate) fn regions<'t>(&'t self, store: &'t Store, txn: &'t RoTxn<'_>, from: &[u8]) -> Result<Regions<'t>> {
        let mut regions = Regions {
            changed: self,
            store,
            txn,
            heads: BinaryHeap::with_capacity(self.runs.len()),
            next_extent: self.extents.partition_point(|(_, end)| end.as_slice() <= from),
            read: 0,
        };
        for &run in &self.runs {
            regions.open(run, from)?;
        }
        Ok(regions)
    }
}

/// Sorts, joins what overlaps or touches, and when that leaves too many, neighbours.
fn join(extents: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    extents.sort_unstable();
    extents.dedup_by(|(first, end), (_, before)| {
        let meets = *first <= *before;
        if meets && *end > *before {
            std::mem::swap(end, before);
        }
        meets
    });
    if extents.len() > MAX_EXTENTS {
        let pairs = extents.chunks(2).filter_map(|pair| Some((pair.first()?.0.clone(), pair.last()?.1.clone())));
        *extents = pairs.collect();
    }
}

/// The changed keys of one run from some key on, the least of them first in line.
struct Head<'t> {
    key: &'t [u8],
    run: u64,
    rest: RoRange<'t, Bytes, Bytes>,
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(other.key)
    }
}

/// Merges the runs' keys and the extents.
pub(crate) struct Regions<'t> {
    changed: &'t Changed,
    store: &'t Store,
    txn: &'t RoTxn<'t>,
    heads: BinaryHeap<Reverse<Head<'t>>>,
    next_extent: usize,
    /// Bytes of the index that were read.
    pub(crate) read: u64,
}

impl<'t> Regions<'t> {
    /// The next region; regions are disjoint and ascend.
    pub(crate) fn next(&mut self) -> Result<Option<Region<'t>>> {
        let extent = self.changed.extents.get(self.next_extent);
        let key = self.heads.peek().map(|Reverse(head)| head.key);
        let region = match (key, extent) {
            (None, None) => return Ok(None),
            (Some(key), None) => Region::Key(key),
            (Some(key), Some((first, _))) if key < first.as_slice() => Region::Key(key),
            (_, Some((first, end))) => {
                self.next_extent += 1;
                Region::Extent(first, end)
            }
        };
        while let Some(Reverse(head)) = self.heads.pop() {
            match region {
                // Behind the key itself the next entry is the next key; behind an extent it may be far.
                Region::Key(key) if head.key == key => self.advance(head.run, head.rest)?,
                Region::Extent(_, end) if head.key < end => self.open(head.run, end)?,
                _ => {
                    self.heads.push(Reverse(head));
                    break;
                }
            }
        }
        Ok(Some(region))
    }

    fn open(&mut self, run: u64, from: &[u8]) -> Result<()> {
        let from = entry_key(KEY, run, from);
        let to = entry_key(KEY, run, &self.changed.end_key);
        let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
        let rest = self.store.changes.range(self.txn, &range).doing("read the change index")?;
        self.advance(run, rest)
    }

    /// Puts a run back in line with its next key that changed since the window's start.
    fn advance(&mut self, run: u64, mut rest: RoRange<'t, Bytes, Bytes>) -> Result<()> {
        while let Some(entry) = rest.next() {
            let (key, value) = entry.doing("read the change index")?;
            self.read += (key.len() + value.len()) as u64;
            let (newest, _) = split_time(value).ok_or_else(|| unreadable(key))?;
            if newest > self.changed.after {
                self.heads.push(Reverse(Head { key: &key[PREFIX_BYTES..], run, rest }));
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::join;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn joined_extents_are_disjoint_and_lose_no_key(spans in proptest::collection::vec((0u8..200, 0u8..20), 0..40)) {
            let mut extents: Vec<_> = spans.iter().map(|&(first, length)| (vec![first], vec![first + length + 1])).collect();
            join(&mut extents);
            prop_assert!(extents.windows(2).all(|pair| pair[0].1 < pair[1].0));
            for key in 0..=255u8 {
                let before = spans.iter().any(|&(first, length)| (first..=first + length).contains(&key));
                let after = extents.iter().any(|(first, end)| (first[0]..end[0]).contains(&key));
                prop_assert_eq!(before, after);
            }
        }
    }
}
