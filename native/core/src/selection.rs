//! Which versions of a key a merge emits (crdb-format.md 7.6): newest at or before a time, tombstones, range
//! tombstones, several layers. Pure decisions over keys that come in engine-key order; must not read or write entries.

use crate::cursor::RangeTombstone;
use crate::engine_key::Timestamp;

/// Which versions of a key are emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The newest remaining one.
    Latest,
    /// Every remaining one.
    All,
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is left out.
    Skip,
    /// It is left out together with its key, because it, or a range tombstone above it, deletes the key.
    DropTombstone,
    /// It is emitted.
    Emit,
    /// A tombstone at this time is emitted in its place: a range tombstone hides it.
    EmitTombstone(Timestamp),
    /// A tombstone at this time is emitted before it, then it is judged again.
    TombstoneBefore(Timestamp),
}

/// Options of a selection.
#[derive(Debug, Clone, Copy)]
pub struct SelectionOptions {
    /// Versions after this are skipped.
    pub as_of: Option<Timestamp>,
    /// Versions at or before this are skipped.
    pub after: Option<Timestamp>,
    /// Which of the remaining ones are emitted.
    pub mode: Mode,
    /// In mode latest: leave a deleted key out rather than emit its tombstone.
    pub drop_tombstones: bool,
}

/// The state of the current user key.
#[derive(Debug)]
pub struct Selection {
    options: SelectionOptions,
    key: Vec<u8>,
    begun: bool,
    /// Mode latest: nothing more of this key.
    decided: bool,
    unversioned: bool,
    last: Option<Timestamp>,
    tombstones: Tombstones,
    /// Times of range tombstones over the current key, newest first; those before `next` are emitted.
    covering: Vec<Timestamp>,
    next: usize,
}

/// Range tombstones of all open files, by where they begin.
#[derive(Debug, Default)]
struct Tombstones {
    /// Not reached yet; the last begins first.
    later: Vec<RangeTombstone>,
    /// Begun, not ended.
    active: Vec<RangeTombstone>,
}

impl Tombstones {
    fn add(&mut self, more: Vec<RangeTombstone>) {
        if !more.is_empty() {
            self.later.extend(more);
            self.later.sort_by(|a, b| b.start.cmp(&a.start));
        }
    }

    fn advance(&mut self, user: &[u8]) {
        while self.later.last().is_some_and(|t| t.start.as_slice() <= user) {
            self.active.extend(self.later.pop());
        }
        self.active.retain(|t| t.end.is_empty() || user < t.end.as_slice() || (t.end_inclusive && user == t.end.as_slice()));
    }
}

impl Selection {
    /// A selection before the first key.
    #[must_use]
    pub fn new(options: SelectionOptions) -> Self {
        Self {
            options,
            key: Vec::new(),
            begun: false,
            decided: false,
            unversioned: false,
            last: None,
            tombstones: Tombstones::default(),
            covering: Vec::new(),
            next: 0,
        }
    }

    /// Adds range tombstones of a file, before any key that they cover is judged.
    pub fn add_tombstones(&mut self, more: Vec<RangeTombstone>) {
        self.tombstones.add(more);
    }

    /// The user key is the current one.
    #[inline]
    #[must_use]
    pub fn is_current(&self, user: &[u8]) -> bool {
        self.begun && self.key == user
    }

    /// Begins a user key.
    #[inline]
    pub fn begin(&mut self, user: &[u8]) {
        self.begun = true;
        self.key.clear();
        self.key.extend_from_slice(user);
        self.decided = false;
        self.unversioned = false;
        self.last = None;
        if !self.tombstones.later.is_empty() || !self.tombstones.active.is_empty() {
            self.cover(user);
        }
    }

    #[cold]
    fn cover(&mut self, user: &[u8]) {
        self.tombstones.advance(user);
        self.next = 0;
        self.covering.clear();
        let limit = self.options.as_of.unwrap_or(Timestamp::MAX);
        self.covering.extend(self.tombstones.active.iter().map(|t| t.timestamp).filter(|t| *t <= limit));
        self.covering.sort_unstable_by(|a, b| b.cmp(a));
        self.covering.dedup();
    }

    fn too_old(&self, version: Timestamp) -> bool {
        self.options.after.is_some_and(|after| version <= after)
    }

    /// Judges the next entry of the current user key; entries of equal keys come from the highest layer first.
    #[inline]
    pub fn judge(&mut self, version: Option<Timestamp>, tombstone: bool) -> Choice {
        let Some(version) = version else {
            // Meta data: it has no time, so no option selects by it.
            return if std::mem::replace(&mut self.unversioned, true) { Choice::Skip } else { Choice::Emit };
        };
        if self.decided || self.last == Some(version) || self.options.as_of.is_some_and(|as_of| version > as_of) {
            return Choice::Skip;
        }
        match self.options.mode {
            Mode::Latest => self.judge_latest(version, tombstone),
            Mode::All => self.judge_all(version),
        }
    }

    #[inline]
    fn judge_latest(&mut self, version: Timestamp, tombstone: bool) -> Choice {
        self.decided = true;
        let hidden = self.covering.first().copied().filter(|t| *t >= version);
        if self.too_old(hidden.unwrap_or(version)) {
            return Choice::Skip;
        }
        match hidden {
            Some(_) if self.options.drop_tombstones => Choice::DropTombstone,
            Some(time) => Choice::EmitTombstone(time),
            None if tombstone && self.options.drop_tombstones => Choice::DropTombstone,
            None => Choice::Emit,
        }
    }

    /// A range tombstone becomes one tombstone of each key that has an older version.
    fn judge_all(&mut self, version: Timestamp) -> Choice {
        while let Some(&time) = self.covering.get(self.next).filter(|t| **t >= version) {
            self.next += 1;
            if self.too_old(time) || self.last == Some(time) {
                continue;
            }
            if time == version {
                self.last = Some(version);
                return Choice::EmitTombstone(time);
            }
            return Choice::TombstoneBefore(time);
        }
        self.last = Some(version);
        if self.too_old(version) { Choice::Skip } else { Choice::Emit }
    }
}
