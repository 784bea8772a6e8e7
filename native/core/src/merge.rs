//! The k-way merge over many tables: entries of several layers in engine-key order, selected, rewritten and packed.
//!
//! Owns which files are open and how much of each is buffered, so that memory is bounded by a budget ([`BUDGET_BYTES`], or what
//! the caller sets) whatever their number. Must not read files: it says which windows it needs and is fed.

use crate::batch::{Full, Packer};
use crate::codec::Decompressor;
use crate::cursor::{Bounds, FileCursor, MergeFile, Progress};
use crate::emit::{Emitted, Emitter};
use crate::entries::Version;
use crate::fault::Fault;
use crate::key_order;
use crate::merge_heap::{FileHeap, version_of};
pub use crate::merge_options::{MergeFacts, MergeOptions, MergeStep, Need};
use crate::rewrite::KeyRewriter;
use crate::selection::{Choice, Mode, Selection, SelectionOptions};
use crate::value::{self, Verdict};

/// More of one file is not held: a window and a half of this, or two of three quarters of it.
pub const WINDOW_BYTES: u64 = 6 << 20;
/// Bytes of windows that all files together hold.
pub const BUDGET_BYTES: u64 = 64 << 20;
/// Windows do not shrink below this; they hold at least one block anyway.
const LEAST_WINDOW_BYTES: u64 = 16 << 10;
/// Files that are opened before they are needed, so that the round trips of many small files overlap.
const OPEN_AHEAD: usize = 8;
/// Files that are opened at the same time at most: each holds the end of its file while it is opened.
const OPENING_AT_ONCE: usize = 256;

/// A merge over the files of all layers.
pub struct LayerMerge {
    bounds: Bounds,
    verify: bool,
    cursors: Vec<FileCursor>,
    /// Files not started yet; the last begins first.
    pending: Vec<usize>,
    /// Files started that have no current entry.
    waiting: Vec<usize>,
    /// Files at an entry.
    heap: FileHeap,
    started: bool,
    window: u64,
    /// Bytes of windows that all files together hold.
    budget: u64,
    codec: Decompressor,
    selection: Selection,
    emitter: Emitter,
    /// What was chosen for the least entry, until it is written.
    choice: Option<Choice>,
    /// The sum that checking the least entry has computed.
    sum: Option<u32>,
    /// File of the entry judged last.
    judged: Option<usize>,
    facts: MergeFacts,
    failed: Option<Fault>,
}

impl LayerMerge {
    /// A merge without files.
    ///
    /// # Errors
    /// `SV_USAGE` for options that contradict each other.
    pub fn new(options: &MergeOptions) -> Result<Self, Fault> {
        if options.rewrite_timestamp.is_some() && options.mode == Mode::All {
            return Err(Fault::usage("all versions of a key cannot be rewritten to one timestamp"));
        }
        let bounds = Bounds { start: options.start_key.clone(), end: options.end_key.clone(), end_inclusive: false };
        let rewriter = KeyRewriter::new(&options.rewrites)?;
        Ok(Self {
            bounds,
            verify: options.verify_checksums,
            cursors: Vec::new(),
            pending: Vec::new(),
            waiting: Vec::new(),
            heap: FileHeap::default(),
            started: false,
            window: WINDOW_BYTES,
            budget: BUDGET_BYTES,
            codec: Decompressor::new(),
            selection: Selection::new(SelectionOptions {
                as_of: options.as_of,
                after: options.after,
                mode: options.mode,
                drop_tombstones: options.drop_tombstones,
            }),
            emitter: Emitter::new(rewriter, options.rewrite_timestamp, options.checksums),
            choice: None,
            sum: None,
            judged: None,
            facts: MergeFacts::default(),
            failed: None,
        })
    }

    /// Prefixes (`[fe tenant] table index`) of emitted primary indexes whose id is not 1, for the counts.
    pub fn set_primaries(&mut self, prefixes: Vec<Vec<u8>>) {
        self.emitter.set_primaries(prefixes);
    }

    /// Bytes of windows that all files together hold, instead of [`BUDGET_BYTES`]: less where small reads cost little.
    pub fn set_budget(&mut self, bytes: u64) {
        self.budget = bytes;
    }

    /// Adds an input file before the first call of `next`; its number.
    ///
    /// # Errors
    /// `SV_USAGE` after the merge has begun.
    pub fn add_file(&mut self, file: MergeFile) -> Result<usize, Fault> {
        if self.started {
            return Err(Fault::usage(format!("file {} was added to a merge that has begun", file.name)));
        }
        self.cursors.push(FileCursor::new(file, &self.bounds));
        Ok(self.cursors.len() - 1)
    }

    /// Hands in bytes that were asked for, whole or front part first.
    ///
    /// # Errors
    /// `SV_USAGE` for bytes that were not asked for.
    pub fn feed(&mut self, file: usize, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let Some(cursor) = self.cursors.get_mut(file) else {
            return Err(Fault::usage(format!("bytes of file {file} were handed in, the merge has {}", self.cursors.len())));
        };
        cursor.feed(offset, bytes)?;
        self.facts.bytes_read += bytes.len() as u64;
        Ok(())
    }

    /// Counters so far.
    #[must_use]
    pub fn facts(&self) -> MergeFacts {
        let (rows, index_entries) = self.emitter.rows();
        let blocks_read = self.cursors.iter().map(FileCursor::blocks_read).sum();
        MergeFacts { blocks_read, rows, index_entries, bytes_emitted: self.emitter.bytes(), ..self.facts }
    }

    /// Fills a batch, or says what is needed. After an error every further call repeats it.
    ///
    /// # Errors
    /// `SV_CORRUPT_SST`, `SV_CORRUPT_VALUE`, `SV_UNSUPPORTED_FORMAT`, naming file and block or key; `SV_USAGE` for
    /// buffers that hold no entry; `SV_INTERNAL` when rewriting breaks the order.
    pub fn next(&mut self, bytes: &mut [u8], offsets: &mut [u32]) -> Result<MergeStep, Fault> {
        self.next_behind(bytes, offsets, 0)
    }

    /// As `next`, behind the `held` entries that the batch holds already: a merge that had to wait for bytes fills up what it
    /// began. The counts of a `Batch` step are those of the whole batch; one with no new entry is full.
    ///
    /// # Errors
    /// As `next`.
    pub fn next_behind(&mut self, bytes: &mut [u8], offsets: &mut [u32], held: usize) -> Result<MergeStep, Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let step = self.run(&mut Packer::resume(bytes, offsets, held)?);
        if let Err(fault) = &step {
            self.failed = Some(fault.clone());
        }
        step
    }

    fn run(&mut self, packer: &mut Packer<'_>) -> Result<MergeStep, Fault> {
        let held = packer.count();
        self.start();
        self.open_ahead()?;
        if self.cursors.iter().any(FileCursor::has_fresh) {
            return Ok(MergeStep::Need(self.needs(true)));
        }
        loop {
            if !self.waiting.is_empty() || self.next_is_due() {
                self.settle()?;
                if !self.waiting.is_empty() {
                    if packer.count() > held {
                        break;
                    }
                    self.open_ahead()?;
                    return Ok(MergeStep::Need(self.needs(false)));
                }
            }
            let Some(least) = self.heap.least() else { break };
            match self.step(least, packer)? {
                None => {}
                Some(Full::Batch) => return Ok(MergeStep::of(packer)),
                Some(Full::Entry(bytes)) => return Ok(MergeStep::Grow(bytes)),
            }
        }
        Ok(if packer.count() > held { MergeStep::of(packer) } else { MergeStep::Done })
    }

    fn start(&mut self) {
        if self.started {
            return;
        }
        self.started = true;
        let cursors = &self.cursors;
        let bound = |i: &usize| cursors.get(*i).map_or(&[][..], FileCursor::start_bound);
        self.pending = (0..cursors.len()).filter(|&i| cursors.get(i).is_some_and(|c| !c.at_end())).collect();
        self.pending.sort_by(|a, b| bound(b).cmp(bound(a)));
        self.size_windows();
    }

    /// Shares the budget among the files in use; a file may hold one window and a half.
    fn size_windows(&mut self) {
        let active = self.heap.len() + self.waiting.len() + self.pending.len().min(OPEN_AHEAD);
        let share = self.budget / (active as u64 * 3 / 2).max(1);
        self.window = share.clamp(LEAST_WINDOW_BYTES, WINDOW_BYTES);
    }

    /// The next pending file may hold a key that is not behind the least entry.
    #[inline]
    fn next_is_due(&self) -> bool {
        let Some(next) = self.pending.last().and_then(|&i| self.cursors.get(i)) else { return false };
        match self.heap.least().and_then(|i| self.cursors.get(i)) {
            Some(least) => key_order::compare(next.start_bound(), least.entries().user_key()).is_le(),
            None => true,
        }
    }

    /// Opens the files that begin next without waiting for them.
    fn open_ahead(&mut self) -> Result<(), Fault> {
        for &i in self.pending.iter().rev().take(OPEN_AHEAD) {
            if let Some(cursor) = self.cursors.get_mut(i) {
                cursor.prepare(self.window, &mut self.codec)?;
            }
        }
        Ok(())
    }

    /// Starts the files that are due, and advances those that wait, until all are at an entry or at their end, or some
    /// cannot go on.
    #[cold]
    fn settle(&mut self) -> Result<(), Fault> {
        loop {
            while self.waiting.len() < OPENING_AT_ONCE && self.next_is_due() {
                // With no entry yet, every file that begins where the first waiting one does is due; later ones are not.
                if let (true, Some(&first)) = (self.heap.is_empty(), self.waiting.first()) {
                    let bound = |i: usize| self.cursors.get(i).map(FileCursor::start_bound);
                    if self.pending.last().is_some_and(|&next| bound(next) > bound(first)) {
                        break;
                    }
                }
                self.waiting.extend(self.pending.pop());
            }
            self.size_windows();
            let mut blocked = Vec::new();
            for i in std::mem::take(&mut self.waiting) {
                match self.advance(i)? {
                    Progress::Entry => self.heap.push(&self.cursors, i),
                    Progress::Blocked => blocked.push(i),
                    Progress::End => {}
                }
            }
            self.waiting = blocked;
            if !self.waiting.is_empty() || !self.next_is_due() {
                return Ok(());
            }
        }
    }

    #[inline]
    fn advance(&mut self, i: usize) -> Result<Progress, Fault> {
        let Some(cursor) = self.cursors.get_mut(i) else { return Ok(Progress::End) };
        let progress = cursor.advance(self.window, &mut self.codec)?;
        if cursor.has_tombstones() {
            self.selection.add_tombstones(cursor.take_tombstones());
        }
        Ok(progress)
    }

    /// Judges and writes the least entry, and moves on; what is full, when it could not be written.
    #[inline]
    fn step(&mut self, least: usize, packer: &mut Packer<'_>) -> Result<Option<Full>, Fault> {
        let choice = match self.choice {
            Some(choice) => choice,
            None => self.judge(least)?,
        };
        let Some(cursor) = self.cursors.get(least) else { return Ok(None) };
        let entries = cursor.entries();
        let emitted = match choice {
            Choice::Skip => None,
            Choice::DropTombstone => {
                self.facts.tombstones_dropped += 1;
                None
            }
            Choice::Emit => {
                let (user, version) = (entries.user_key(), version_of(entries.version()));
                Some(self.emitter.write(packer, user, version, cursor.value()?, self.sum)?)
            }
            Choice::EmitTombstone(time) | Choice::TombstoneBefore(time) => {
                Some(self.emitter.write(packer, entries.user_key(), Some(time), &[], None)?)
            }
        };
        match emitted {
            None => {}
            Some(Emitted::Written) => self.facts.entries_emitted += 1,
            Some(Emitted::Outside) => self.facts.keys_outside_rewrites += 1,
            Some(Emitted::Full(full)) => {
                self.choice = Some(choice);
                return Ok(Some(full));
            }
        }
        self.choice = None;
        if let Choice::TombstoneBefore(_) = choice {
            self.choice = Some(self.choose(least)?);
            return Ok(None);
        }
        match self.advance(least)? {
            Progress::Entry => self.heap.sift_down(&self.cursors),
            progress => {
                self.heap.pop(&self.cursors);
                if progress == Progress::Blocked {
                    self.waiting.push(least);
                }
            }
        }
        Ok(None)
    }

    /// Judges an entry for the first time.
    #[inline]
    fn judge(&mut self, least: usize) -> Result<Choice, Fault> {
        self.facts.entries_read += 1;
        if let Some(cursor) = self.cursors.get(least) {
            let entries = cursor.entries();
            let user = entries.user_key();
            let same =
                if self.judged == Some(least) { entries.same_user_as_before() } else { self.selection.is_current(user) };
            if !same {
                self.selection.begin(user);
            }
            self.sum = None;
            if self.verify && entries.version() != Version::None {
                let verdict = value::verify(user, cursor.value()?);
                if let Verdict::Verified(sum) = verdict.map_err(|fault| fault.within(&format!("sst {}", cursor.name())))? {
                    self.sum = Some(sum);
                }
            }
            self.judged = Some(least);
        }
        self.choose(least)
    }

    #[inline]
    fn choose(&mut self, least: usize) -> Result<Choice, Fault> {
        let Some(cursor) = self.cursors.get(least) else { return Ok(Choice::Skip) };
        let version = version_of(cursor.entries().version());
        let tombstone = value::is_tombstone(cursor.value()?);
        Ok(self.selection.judge(version, tombstone))
    }

    fn needs(&mut self, fresh: bool) -> Vec<Need> {
        let mut needs = Vec::new();
        for (file, cursor) in self.cursors.iter_mut().enumerate() {
            cursor
                .windows_mut()
                .wanted(fresh, |w, again| needs.push(Need { file, offset: w.offset, length: w.length, again }));
        }
        needs
    }
}
