//! Bounds of the user keys that a merge wants of a file, and what they mean for its blocks and range tombstones.
//!
//! Bounds are un-elided; a file's own keys may lack a prefix. This module must not read files.

use std::cmp::Ordering;

use crate::engine_key::Timestamp;
use crate::index::{Want, separator_user_key};
use crate::key_order;

/// One input file of a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeFile {
    /// For messages; redacted path.
    pub name: String,
    /// Size of the file.
    pub file_bytes: u64,
    /// Position of the layer in the chain; on equal key and timestamp the higher layer wins.
    pub layer: u32,
    /// What was removed from the front of every key of this file.
    pub elided_prefix: Vec<u8>,
    /// First user key of interest; empty = no bound.
    pub start_key: Vec<u8>,
    /// Bound of user keys; empty = none.
    pub end_key: Vec<u8>,
    /// `end_key` itself is of interest.
    pub end_inclusive: bool,
    /// Every read is a round trip, and what comes may have been damaged on its way.
    pub remote: bool,
    /// Bytes of the file's end that are asked for first; 0 = as many as opening most files takes.
    pub tail_bytes: u64,
}

/// User-key bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// First key; empty = none.
    pub start: Vec<u8>,
    /// Last or first-behind key; empty = none.
    pub end: Vec<u8>,
    /// `end` belongs to it.
    pub end_inclusive: bool,
}

impl Bounds {
    /// The keys in both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let start = self.start.clone().max(other.start.clone());
        let narrower = match (self.end.is_empty(), other.end.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => match self.end.cmp(&other.end) {
                Ordering::Less => self,
                Ordering::Greater => other,
                Ordering::Equal if self.end_inclusive => other,
                Ordering::Equal => self,
            },
        };
        Self { start, end: narrower.end.clone(), end_inclusive: narrower.end_inclusive }
    }

    /// No key lies in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.end.is_empty() && (self.start > self.end || (self.start == self.end && !self.end_inclusive))
    }

    /// A key is at or behind the end.
    #[inline]
    #[must_use]
    pub fn ends_before(&self, user: &[u8]) -> bool {
        if self.end.is_empty() {
            return false;
        }
        match key_order::compare(user, &self.end) {
            Ordering::Less => false,
            Ordering::Equal => !self.end_inclusive,
            Ordering::Greater => true,
        }
    }

    /// The part of a range tombstone of a file that lies in the bounds; `prefix` was elided from its keys.
    #[must_use]
    pub fn clip(&self, prefix: &[u8], start: &[u8], end: &[u8], timestamp: Timestamp) -> Option<RangeTombstone> {
        let whole = Self { start: [prefix, start].concat(), end: [prefix, end].concat(), end_inclusive: false };
        let cut = self.intersect(&whole);
        (!cut.is_empty()).then_some(RangeTombstone {
            start: cut.start,
            end: cut.end,
            end_inclusive: cut.end_inclusive,
            timestamp,
        })
    }
}

/// A range tombstone, un-elided and cut to the bounds of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeTombstone {
    /// First user key.
    pub start: Vec<u8>,
    /// First user key no longer covered; empty = none.
    pub end: Vec<u8>,
    /// `end` is covered.
    pub end_inclusive: bool,
    /// Versions at or before it are hidden.
    pub timestamp: Timestamp,
}

/// Whether the block that ends at a separator may hold keys within the bounds.
pub fn judge_separator(bounds: &Bounds, prefix: &[u8], separator: &[u8]) -> Want {
    let order = |key: &[u8], bound: &[u8]| -> Ordering {
        let (head, tail) = bound.split_at_checked(prefix.len()).unwrap_or((bound, &[]));
        prefix.cmp(head).then_with(|| key.cmp(tail))
    };
    if order(separator, &bounds.start) == Ordering::Less {
        return Want::Skip;
    }
    match separator_user_key(separator) {
        Some(user) if !bounds.end.is_empty() => match order(user, &bounds.end) {
            Ordering::Less => Want::Take,
            Ordering::Equal if bounds.end_inclusive => Want::Take,
            Ordering::Equal | Ordering::Greater => Want::TakeAndStop,
        },
        _ => Want::Take,
    }
}
