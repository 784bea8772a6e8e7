//! The walk of one call of a scan: version by version in table order, through a span or from change to change.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{RoRange, RoTxn};
use spanvault_core::ahead::ask;
use spanvault_core::batch::{Full, Packer};
use spanvault_core::engine_key::{self, Timestamp};

use crate::changed::{Changed, Region};
use crate::fault::{Doing, Result};
use crate::keys;
use crate::order::EngineOrder;
use crate::resident::Touched;
use crate::scan::{ScanMode, ScanOptions};
use crate::store::Store;

/// Bytes of versions that one call visits without selecting them: bounds its time.
const SKIP_BYTES: u64 = 8 << 20;

/// LMDB's page, and what lies in it before a key.
const PAGE: usize = 4096;
const NODE_HEADER: usize = 8;

type Entries<'t> = RoRange<'t, Bytes, Bytes, EngineOrder>;

/// Where a walk stopped before its end, and why when an entry did not fit.
pub(crate) type Stop = (Bound<Vec<u8>>, Option<Full>);

/// Takes what a walk selects, in order.
pub(crate) trait Taker<'t> {
    /// Takes one version, or says why it does not: the walk then stops before it. `visited` is what this walk has looked at
    /// before it.
    fn push(&mut self, engine: &'t [u8], value: &'t [u8], visited: u64) -> std::result::Result<(), Full>;
}

impl<'t> Taker<'t> for Packer<'_> {
    #[inline]
    fn push(&mut self, engine: &'t [u8], value: &'t [u8], _visited: u64) -> std::result::Result<(), Full> {
        Packer::push(self, engine, value)
    }
}

/// One call's progress; `settled` and the numbers outlive it.
pub(crate) struct Walk<'t, 'w, T> {
    pub(crate) options: &'t ScanOptions,
    pub(crate) taker: &'w mut T,
    /// User key whose newest wanted version is already decided (mode `Latest`).
    pub(crate) settled: Option<&'t [u8]>,
    pub(crate) skipped: u64,
    pub(crate) visited: u64,
    pub(crate) touched: &'w mut Touched,
}

impl<'t, T: Taker<'t>> Walk<'t, '_, T> {
    /// Visits every version before the user key `end`.
    pub(crate) fn through(&mut self, entries: Entries<'t>, end: &[u8]) -> Result<Option<Stop>> {
        let mut current = self.settled;
        let end = End::of(end);
        for entry in entries {
            let (engine, value) = entry.doing("scan")?;
            ask_next_page(engine);
            let (user, timestamp) = keys::split(engine)?;
            if !current.is_some_and(|current| same(current, user)) {
                if !end.is_after(user) {
                    break;
                }
                current = Some(user);
                self.settled = None;
            }
            let stop = self.visit(engine, value, user, timestamp);
            if stop.is_some() {
                return Ok(stop);
            }
        }
        Ok(None)
    }

    /// Selects or skips one version. A key that is settled must be the one visited.
    #[inline(always)]
    fn visit(&mut self, engine: &'t [u8], value: &'t [u8], user: &'t [u8], timestamp: Timestamp) -> Option<Stop> {
        let options = self.options;
        let latest = options.mode == ScanMode::Latest;
        let size = (engine.len() + value.len()) as u64;
        let wanted = self.settled.is_none() && timestamp <= options.as_of;
        let in_window = wanted && options.after.is_none_or(|after| timestamp > after);
        let dropped = latest && options.drop_tombstones && value.is_empty();
        if in_window && !dropped {
            if let Err(full) = self.taker.push(engine, value, self.visited) {
                return Some((Bound::Included(engine.to_vec()), Some(full)));
            }
        } else {
            self.skipped += size;
        }
        if wanted && latest {
            // Selected, dropped or too old: in each case no older version of this key matters.
            self.settled = Some(user);
        }
        self.visited += size;
        self.touched.note(engine, value);
        (self.skipped >= SKIP_BYTES).then(|| (Bound::Excluded(engine.to_vec()), None))
    }

    /// Visits the versions in the window, from `position` on, of what the index names.
    pub(crate) fn changes(
        &mut self,
        store: &'t Store,
        txn: &'t RoTxn<'_>,
        changed: &'t Changed,
        position: &Bound<Vec<u8>>,
    ) -> Result<Option<Stop>> {
        let (Bound::Included(from) | Bound::Excluded(from)) = position else {
            return Ok(None);
        };
        let mut regions = changed.regions(store, txn, engine_key::user_key(from))?;
        let mut behind = None;
        let mut read = 0;
        while let Some(region) = regions.next()? {
            let stop = match region {
                Region::Key(key) => {
                    let newest = keys::versioned_at_most(key, self.options.as_of);
                    let at = match behind.take().filter(|behind: &Behind<'_>| behind.user == key) {
                        Some(behind) => Some(behind),
                        None => Behind::seek(store, txn, later(position, &newest))?,
                    };
                    at.map_or(Ok(None), |at| self.key(at, key, &mut behind))?
                }
                Region::Extent(first, end) => {
                    let first = keys::bare(first);
                    let range = (later(position, &first), Bound::Unbounded);
                    let entries = store.mvcc.range(txn, &range).doing("scan")?;
                    self.through(entries, end)?
                }
            };
            self.count(regions.read - read);
            read = regions.read;
            if stop.is_some() {
                return Ok(stop);
            }
            if self.skipped >= SKIP_BYTES {
                self.settled = None;
                let next = match region {
                    Region::Key(key) => keys::bare(&keys::successor(key)),
                    Region::Extent(_, end) => keys::bare(end),
                };
                return Ok(Some((Bound::Included(next), None)));
            }
        }
        self.count(regions.read - read);
        Ok(None)
    }

    fn count(&mut self, index_bytes: u64) {
        self.visited += index_bytes;
        self.skipped += index_bytes;
    }

    /// Visits the versions of one key, down to the last that matters, and leaves behind where the table goes on: the next
    /// changed key may be the next key.
    fn key(&mut self, mut at: Behind<'t>, key: &[u8], behind: &mut Option<Behind<'t>>) -> Result<Option<Stop>> {
        if self.settled.is_some_and(|settled| settled != key) {
            self.settled = None;
        }
        let after = self.options.after.unwrap_or_default();
        let mut done = false;
        loop {
            if at.user != key {
                self.visited += at.engine.len() as u64;
                *behind = Some(at);
                return Ok(None);
            }
            // One step beyond the last version that matters, no more: many old ones may follow.
            if done {
                return Ok(None);
            }
            let stop = self.visit(at.engine, at.value, at.user, at.timestamp);
            if stop.is_some() {
                return Ok(stop);
            }
            done = self.settled.is_some() || at.timestamp <= after;
            match at.step()? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
    }
}

/// An entry that was read and not visited yet, and what follows it.
struct Behind<'t> {
    engine: &'t [u8],
    value: &'t [u8],
    user: &'t [u8],
    timestamp: Timestamp,
    rest: Entries<'t>,
}

impl<'t> Behind<'t> {
    fn seek(store: &'t Store, txn: &'t RoTxn<'_>, from: Bound<&[u8]>) -> Result<Option<Self>> {
        Self::read(store.mvcc.range(txn, &(from, Bound::Unbounded)).doing("scan")?)
    }

    fn read(mut rest: Entries<'t>) -> Result<Option<Self>> {
        let Some(entry) = rest.next() else {
            return Ok(None);
        };
        let (engine, value) = entry.doing("scan")?;
        let (user, timestamp) = keys::split(engine)?;
        Ok(Some(Behind { engine, value, user, timestamp, rest }))
    }

    fn step(self) -> Result<Option<Self>> {
        Self::read(self.rest)
    }
}

/// The later of a position and an engine key.
fn later<'a>(position: &'a Bound<Vec<u8>>, key: &'a [u8]) -> Bound<&'a [u8]> {
    match position {
        Bound::Included(at) | Bound::Excluded(at) if engine_key::compare(at, key).is_ge() => {
            position.as_ref().map(Vec::as_slice)
        }
        _ => Bound::Included(key),
    }
}

/// Asks for an entry of the next page of a table that was filled in order: it lies there about where this one lies here. Its
/// header and its key are all that a walk waits for.
#[inline]
fn ask_next_page(engine: &[u8]) {
    ask((engine.as_ptr() as usize).wrapping_add(PAGE - NODE_HEADER));
}

/// Equality that looks at the end first, where the keys of neighbouring rows differ.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(x), Some(y)) => x == y && a == b,
        // A call for fewer bytes than that costs more than the comparison.
        _ => match (a.last_chunk::<4>(), b.last_chunk::<4>()) {
            (Some(x), Some(y)) => x == y && a.first_chunk::<4>() == b.first_chunk::<4>(),
            _ => a == b,
        },
    }
}

/// A key's first eight bytes as a number, zeroes where it has fewer: keys with different numbers are in their order.
#[inline]
fn head_of(key: &[u8]) -> u64 {
    if let Some(head) = key.first_chunk::<8>() {
        return u64::from_be_bytes(*head);
    }
    match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            // The last four bytes begin among the first four.
            let rest = u64::from(u32::from_be_bytes(*last)) << (8 * (8 - key.len()));
            u64::from(u32::from_be_bytes(*first)) << 32 | rest & u64::from(u32::MAX)
        }
        _ => key.iter().zip([56, 48, 40]).fold(0, |head, (&byte, shift)| head | u64::from(byte) << shift),
    }
}

/// Tells keys before an end, mostly by their first eight bytes.
#[derive(Clone, Copy)]
struct End<'e> {
    key: &'e [u8],
    head: u64,
}

impl<'e> End<'e> {
    fn of(key: &'e [u8]) -> Self {
        End { key, head: head_of(key) }
    }

    /// `key < end`.
    #[inline]
    fn is_after(self, key: &[u8]) -> bool {
        match head_of(key) {
            head if head != self.head => head < self.head,
            _ => key < self.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{End, same};
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xff)], 0..12)
    }

    proptest! {
        #[test]
        fn short_cuts_change_no_answer(a in key(), b in key(), tail in key()) {
            let c = [a.as_slice(), &tail].concat();
            for (x, y) in [(&a, &b), (&b, &a), (&a, &c), (&c, &a), (&a, &a)] {
                prop_assert_eq!((same(x, y), End::of(y).is_after(x)), (x == y, x < y));
            }
        }
    }
}
