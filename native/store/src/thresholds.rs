//! Garbage-collection thresholds: the times at or before which a span can no longer be read.
//!
//! The table `thresholds` holds disjoint spans, keyed by their end key: `end key → threshold, collected, start key`.
//! `collected` is the threshold up to which garbage is gone for certain; it follows the threshold when a collection has
//! reached the end of its span. Both only ever rise. A key in no span has no threshold.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{Database, RoTxn, RwTxn};
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::{Code, Fault};

use crate::changes::{push_time, split_time, unreadable};
use crate::fault::{Doing, Result};
use crate::store::Store;

pub(crate) type ThresholdTable = Database<Bytes, Bytes>;

/// A span of user keys, half-open, and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    start: Vec<u8>,
    end: Vec<u8>,
    threshold: Timestamp,
    collected: Timestamp,
}

impl Piece {
    fn parse(end: &[u8], value: &[u8]) -> Result<Piece> {
        let parse = || {
            let (threshold, rest) = split_time(value)?;
            let (collected, start) = split_time(rest)?;
            Some(Piece { start: start.to_vec(), end: end.to_vec(), threshold, collected })
        };
        parse().ok_or_else(|| unreadable(end))
    }

    fn value(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(24 + self.start.len());
        push_time(&mut value, self.threshold);
        push_time(&mut value, self.collected);
        value.extend_from_slice(&self.start);
        value
    }

    fn joins(&self, next: &Piece) -> bool {
        self.end == next.start && self.threshold == next.threshold && self.collected == next.collected
    }
}

impl Store {
    /// Pieces that overlap [start, end), or with `touching` also those that end or begin at its edges.
    fn pieces(&self, txn: &RoTxn<'_>, start: &[u8], end: &[u8], touching: bool) -> Result<Vec<Piece>> {
        let from = if touching && !start.is_empty() { Bound::Included(start) } else { Bound::Excluded(start) };
        // LMDB has no empty keys, and no piece ends at one.
        let from = if start.is_empty() { Bound::Unbounded } else { from };
        let mut pieces = Vec::new();
        for entry in self.thresholds.range(txn, &(from, Bound::Unbounded)).doing("read the thresholds")? {
            let (key, value) = entry.doing("read the thresholds")?;
            let piece = Piece::parse(key, value)?;
            if piece.start.as_slice() > end || (piece.start == end && !touching) {
                break;
            }
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// The greatest threshold of any key in [start, end).
    pub fn threshold(&self, start: &[u8], end: &[u8]) -> Result<Option<Timestamp>> {
        self.threshold_in(&*self.snapshot()?, start, end)
    }

    fn threshold_in(&self, txn: &RoTxn<'_>, start: &[u8], end: &[u8]) -> Result<Option<Timestamp>> {
        if start >= end {
            return Ok(None);
        }
        Ok(self.pieces(txn, start, end, false)?.into_iter().map(|piece| piece.threshold).max())
    }

    /// The time up to which all garbage of [start, end) is gone; 0 when a part was never collected.
    pub(crate) fn collected(&self, txn: &RoTxn<'_>, start: &[u8], end: &[u8]) -> Result<Timestamp> {
        let (mut at, mut least) = (start.to_vec(), Timestamp::MAX);
        for piece in self.pieces(txn, start, end, false)? {
            if piece.start > at {
                return Ok(Timestamp::default());
            }
            least = least.min(piece.collected);
            at = piece.end;
        }
        Ok(if at.as_slice() < end { Timestamp::default() } else { least })
    }

    /// Refuses a read of versions in (after, as_of], or at `as_of`, of which some may have been collected.
    pub(crate) fn check_readable(
        &self,
        txn: &RoTxn<'_>,
        start: &[u8],
        end: &[u8],
        after: Option<Timestamp>,
        as_of: Timestamp,
    ) -> Result<()> {
        let Some(threshold) = self.threshold_in(txn, start, end)? else { return Ok(()) };
        // The window's start is exclusive: versions at it are not read.
        let earliest = after.map_or(as_of, |after| as_of.min(next(after)));
        if earliest > threshold { Ok(()) } else { Err(too_early(earliest, threshold)) }
    }

    /// Raises the threshold of a span, as part of a commit of its own that is durable after `sync` or the next `commit`: for a
    /// caller that erases what can be read no more.
    pub fn raise_threshold(&self, start: &[u8], end: &[u8], threshold: Timestamp) -> Result<()> {
        let mut writer = self.writer();
        writer.relax(&self.env)?;
        let mut txn = self.env.write_txn().doing("begin to write")?;
        self.raise(&mut txn, start, end, threshold, Timestamp::default())?;
        txn.commit().doing("raise a threshold")
    }

    /// Raises both times of every key in [start, end) to at least the given ones.
    pub(crate) fn raise(
        &self,
        txn: &mut RwTxn<'_>,
        start: &[u8],
        end: &[u8],
        threshold: Timestamp,
        collected: Timestamp,
    ) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        self.check_key_length(end)?;
        let before = self.pieces(txn, start, end, true)?;
        for piece in &before {
            self.thresholds.delete(txn, &piece.end).doing("write the thresholds")?;
        }
        let mut after: Vec<Piece> = Vec::new();
        for piece in raised(before, start, end, threshold, collected) {
            match after.last_mut() {
                Some(last) if last.joins(&piece) => last.end = piece.end,
                _ => after.push(piece),
            }
        }
        for piece in &after {
            self.thresholds.put(txn, &piece.end, &piece.value()).doing("write the thresholds")?;
        }
        Ok(())
    }
}

/// The pieces, cut at the edges of [start, end), raised inside and with its gaps filled.
fn raised(before: Vec<Piece>, start: &[u8], end: &[u8], threshold: Timestamp, collected: Timestamp) -> Vec<Piece> {
    let fresh = |from: &[u8], to: &[u8]| Piece { start: from.to_vec(), end: to.to_vec(), threshold, collected };
    let (mut after, mut at) = (Vec::new(), start.to_vec());
    for piece in before {
        let (inner, outer) = (piece.start.as_slice().max(start).to_vec(), piece.end.as_slice().min(end).to_vec());
        if piece.start.as_slice() < start {
            let edge = piece.end.as_slice().min(start).to_vec();
            after.push(Piece { end: edge, ..piece.clone() });
        }
        if inner < outer {
            if at < inner {
                after.push(fresh(&at, &inner));
            }
            let (threshold, collected) = (piece.threshold.max(threshold), piece.collected.max(collected));
            at.clone_from(&outer);
            after.push(Piece { start: inner, end: outer, threshold, collected });
        }
        if piece.end.as_slice() > end {
            if at.as_slice() < end {
                after.push(fresh(&at, end));
                at = end.to_vec();
            }
            let edge = piece.start.as_slice().max(end).to_vec();
            after.push(Piece { start: edge, ..piece });
        }
    }
    if at.as_slice() < end {
        after.push(fresh(&at, end));
    }
    after
}

fn next(timestamp: Timestamp) -> Timestamp {
    match timestamp.logical.checked_add(1) {
        Some(logical) => Timestamp { logical, ..timestamp },
        None => Timestamp { wall: timestamp.wall.saturating_add(1), logical: 0 },
    }
}

/// CockroachDB's words.
#[cold]
fn too_early(earliest: Timestamp, threshold: Timestamp) -> Fault {
    let (read, least) = (print(earliest), print(threshold));
    Fault::new(Code::Coverage, format!("batch timestamp {read} must be after replica GC threshold {least}"))
        .with("timestamp", read)
        .with("threshold", least)
}

/// Seconds, nanoseconds and the logical part, as CockroachDB prints timestamps in errors.
fn print(timestamp: Timestamp) -> String {
    const NANOS: u64 = 1_000_000_000;
    format!("{}.{:09},{}", timestamp.wall / NANOS, timestamp.wall % NANOS, timestamp.logical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(wall: u64) -> Timestamp {
        Timestamp { wall, logical: 0 }
    }

    #[test]
    fn times_print_as_in_cockroachdb() {
        assert_eq!(print(Timestamp { wall: 1_637_073_234_000_000_012, logical: 1 }), "1637073234.000000012,1");
    }

    proptest! {
        #[test]
        fn raising_is_pointwise(steps in proptest::collection::vec((0u8..20, 0u8..20, 1u64..5, 0u64..3), 1..12)) {
            let mut pieces: Vec<Piece> = Vec::new();
            let mut model = [(0, 0); 20];
            for (a, b, threshold, collected) in steps {
                let (start, end) = (a.min(b), a.max(b) + 1);
                let (inside, outside): (Vec<_>, Vec<_>) =
                    pieces.into_iter().partition(|piece| piece.end[..] >= [start][..] && piece.start[..] <= [end][..]);
                pieces = outside;
                pieces.extend(raised(inside, &[start], &[end], at(threshold), at(collected)));
                pieces.sort_by(|a, b| a.start.cmp(&b.start));
                for key in start..end.min(20) {
                    let (t, c) = &mut model[usize::from(key)];
                    (*t, *c) = (threshold.max(*t), collected.max(*c));
                }
                prop_assert!(pieces.windows(2).all(|pair| pair[0].end <= pair[1].start));
            }
            for key in 0..20u8 {
                let found = pieces.iter().find(|piece| piece.start[..] <= [key][..] && [key][..] < piece.end[..]);
                let times = found.map_or((0, 0), |piece| (piece.threshold.wall, piece.collected.wall));
                prop_assert_eq!(times, model[usize::from(key)]);
            }
        }
    }
}
