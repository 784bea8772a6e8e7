//! The order of the files of a merge by their current entries: a binary heap whose least element changes in place.
//!
//! Holds numbers of cursors, not cursors, so that advancing the least one moves nothing else. Must not advance cursors.

use std::cmp::Ordering;

use crate::cursor::FileCursor;
use crate::engine_key::Timestamp;
use crate::entries::Version;

/// The timestamp of a version, if it has one.
#[inline]
pub fn version_of(version: Version) -> Option<Timestamp> {
    match version {
        Version::At(timestamp) => Some(timestamp),
        Version::None | Version::Other => None,
    }
}

/// Entry `a` comes before entry `b`: engine-key order, then the higher layer, then the file added first.
#[inline]
fn before(cursors: &[FileCursor], a: usize, b: usize) -> bool {
    let (Some(x), Some(y)) = (cursors.get(a), cursors.get(b)) else { return false };
    let (p, q) = (x.entries(), y.entries());
    let order = p.user_key().cmp(q.user_key()).then_with(|| match (version_of(p.version()), version_of(q.version())) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(p), Some(q)) => q.cmp(&p),
    });
    order.then_with(|| y.layer().cmp(&x.layer())).then(a.cmp(&b)) == Ordering::Less
}

/// Numbers of the cursors that are at an entry, the least first.
#[derive(Debug, Default)]
pub struct FileHeap {
    order: Vec<usize>,
}

impl FileHeap {
    /// The cursor at the least entry.
    #[inline]
    #[must_use]
    pub fn least(&self) -> Option<usize> {
        self.order.first().copied()
    }

    /// Number of cursors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// No cursor is at an entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Adds a cursor that has come to an entry.
    pub fn push(&mut self, cursors: &[FileCursor], file: usize) {
        self.order.push(file);
        self.sift_up(cursors, self.order.len() - 1);
    }

    fn sift_up(&mut self, cursors: &[FileCursor], at: usize) {
        let mut at = at;
        while at > 0 {
            let parent = (at - 1) / 2;
            match (self.order.get(at), self.order.get(parent)) {
                (Some(&child), Some(&above)) if before(cursors, child, above) => self.order.swap(at, parent),
                _ => return,
            }
            at = parent;
        }
    }

    /// Restores the heap after its least entry has changed.
    #[inline]
    pub fn sift_down(&mut self, cursors: &[FileCursor]) {
        let mut at = 0;
        while let Some(&left) = self.order.get(2 * at + 1) {
            let (mut child, mut least) = (2 * at + 1, left);
            if let Some(&right) = self.order.get(child + 1) {
                if before(cursors, right, left) {
                    (child, least) = (child + 1, right);
                }
            }
            match self.order.get(at) {
                Some(&own) if before(cursors, least, own) => self.order.swap(at, child),
                _ => return,
            }
            at = child;
        }
    }

    /// Removes the least entry.
    pub fn pop(&mut self, cursors: &[FileCursor]) {
        if !self.order.is_empty() {
            self.order.swap_remove(0);
            self.sift_down(cursors);
        }
    }
}
