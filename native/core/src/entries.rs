//! The entries of decoded data blocks, one after the other: keys rebuilt and checked for order, values located.
//!
//! Owns the block and the key of the current entry, so that a pull-based cursor can stop anywhere; no entry costs an
//! allocation. This module must not fetch blocks.

use std::cmp::Ordering;
use std::ops::Range;

use crate::block_iter::{KEY_TRAILER_BYTES, RowFrame, read_entry};
use crate::columnar::DataBlock;
use crate::engine_key::{self, KeyFlaw, Timestamp};
use crate::fault::escape_key;
use crate::flaw::Flaw;
use crate::footer::Format;
use crate::key_order;
use crate::reader::{Comparer, TableHead};
use crate::value_block::{StoredValue, ValueHandle, parse_stored};

/// Kind of a point that sets a value, the only one in backups.
pub const KIND_SET: u8 = 1;

/// Version of an engine key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// None: meta data, never a row.
    None,
    /// An MVCC version.
    At(Timestamp),
    /// A lock or something else that is no timestamp.
    Other,
}

/// Where the value of the current entry lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePlace {
    /// In the data block.
    Block(Range<usize>),
    /// In a value block.
    OutOfLine(ValueHandle),
}

#[derive(Debug)]
enum Rows {
    None,
    Row { at: usize, end: usize },
    Columnar { block: Box<DataBlock>, row: usize },
}

/// Sums over all entries of a file, as its properties state them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntrySums {
    /// Points.
    pub entries: u64,
    /// Keys as stored (without elided prefix), trailers included.
    pub raw_key_bytes: u64,
    /// Values, without prefix bytes.
    pub raw_value_bytes: u64,
}

/// Entries of the data blocks of one file.
#[derive(Debug)]
pub struct Entries {
    /// The decoded block; replaced through [`Entries::block_mut`].
    block: Vec<u8>,
    rows: Rows,
    /// Elided prefix ‖ internal key.
    key: Vec<u8>,
    previous: Vec<u8>,
    prefix: usize,
    user: usize,
    version: Version,
    trailer: u64,
    same_user: bool,
    first_of_block: bool,
    value: ValuePlace,
    sums: EntrySums,
    /// Equal engine keys with descending sequence numbers are allowed, as in files of a live store.
    allow_overwrites: bool,
}

impl Entries {
    /// Entries of a file from whose keys `prefix` was removed.
    #[must_use]
    pub fn new(prefix: &[u8], allow_overwrites: bool) -> Self {
        Self {
            block: Vec::new(),
            rows: Rows::None,
            key: prefix.to_vec(),
            previous: prefix.to_vec(),
            prefix: prefix.len(),
            user: 0,
            version: Version::None,
            trailer: 0,
            same_user: false,
            first_of_block: true,
            value: ValuePlace::Block(0..0),
            sums: EntrySums::default(),
            allow_overwrites,
        }
    }

    /// Where the next block is decoded to; [`Entries::open_block`] must follow.
    pub fn block_mut(&mut self) -> &mut Vec<u8> {
        self.rows = Rows::None;
        &mut self.block
    }

    /// Frees the block of a file that is finished.
    pub fn release(&mut self) {
        self.rows = Rows::None;
        self.block = Vec::new();
    }

    /// Begins the decoded block.
    ///
    /// # Errors
    /// Damage.
    pub fn open_block(&mut self, head: &TableHead) -> Result<(), Flaw> {
        self.first_of_block = true;
        self.rows = if head.footer.format.columnar_data() {
            let block = DataBlock::open(&self.block, head.schema, head.footer.format.has_tiering())?;
            Rows::Columnar { block: Box::new(block), row: 0 }
        } else {
            let frame = RowFrame::read(&self.block)?;
            Rows::Row { at: 0, end: frame.entries_end }
        };
        Ok(())
    }

    /// Moves to the next entry of the block; `false` at its end.
    ///
    /// # Errors
    /// Damage, entries out of order included.
    #[inline]
    pub fn advance(&mut self, head: &TableHead) -> Result<bool, Flaw> {
        let (equal, raw, prefixed) = match &mut self.rows {
            Rows::None => return Ok(false),
            Rows::Row { at, end } => {
                if *at >= *end {
                    self.rows = Rows::None;
                    return Ok(false);
                }
                let entry = read_entry(&self.block, *at, *end)?;
                *at = entry.next();
                let had = if self.first_of_block { self.prefix } else { self.key.len() };
                let base = self.prefix + entry.shared;
                std::mem::swap(&mut self.key, &mut self.previous);
                self.key.clear();
                let Some(kept) = self.previous.get(..base).filter(|_| base <= had) else {
                    return Err(Flaw::damaged("has an entry that shares more bytes than the previous key has"));
                };
                self.key.extend_from_slice(kept);
                self.key.extend_from_slice(self.block.get(entry.tail.clone()).unwrap_or_default());
                (base, entry.value, head.footer.format.has_value_prefix())
            }
            Rows::Columnar { block, row } => {
                if *row >= block.rows {
                    self.rows = Rows::None;
                    return Ok(false);
                }
                std::mem::swap(&mut self.key, &mut self.previous);
                self.key.clear();
                self.key.extend_from_slice(self.previous.get(..self.prefix).unwrap_or_default());
                block.append_key(&self.block, *row, &mut self.key);
                self.key.extend_from_slice(&block.trailer(&self.block, *row).to_le_bytes());
                let (value, external) = (block.value(&self.block, *row), block.is_external(&self.block, *row));
                *row += 1;
                (self.prefix, value, external)
            }
        };
        self.first_of_block = false;
        self.accept_key(head, equal)?;
        self.accept_value(raw, prefixed, matches!(self.rows, Rows::Columnar { .. }))?;
        self.sums.entries += 1;
        Ok(true)
    }

    /// Splits the new key and compares it with the previous one, with which it shares at least `equal` bytes.
    #[inline]
    fn accept_key(&mut self, head: &TableHead, equal: usize) -> Result<(), Flaw> {
        let end = match self.key.split_last_chunk::<KEY_TRAILER_BYTES>() {
            Some((engine, trailer)) if engine.len() >= self.prefix => {
                let mut trailer = u64::from_le_bytes(*trailer);
                if head.footer.format == Format::Pebble(4) {
                    trailer &= !0x40;
                }
                let before = std::mem::replace(&mut self.trailer, trailer);
                (engine.len(), before)
            }
            _ => return Err(Flaw::damaged("has a key shorter than a trailer")),
        };
        let (length, trailer_before) = end;
        self.sums.raw_key_bytes += (self.key.len() - self.prefix) as u64;
        let engine = self.key.get(..length).unwrap_or_default();
        let (user_before, version_before) = (self.user, self.version);
        if head.comparer == Some(Comparer::Bytewise) {
            (self.user, self.version) = (length, Version::None);
        } else {
            (self.user, self.version) = split_key(engine, self.prefix)?;
        }
        if self.sums.entries == 0 {
            self.same_user = false;
            return Ok(());
        }
        let skip = equal.min(user_before).min(self.user);
        let old = self.previous.get(skip..user_before).unwrap_or_default();
        let new = engine.get(skip..self.user).unwrap_or_default();
        let users = match (old.first(), new.first()) {
            // Where the block says how far the keys agree, the next byte decides.
            (Some(x), Some(y)) if x != y => x.cmp(y),
            _ => key_order::compare(old, new),
        };
        let order = users.then_with(|| match (version_before, self.version) {
            (Version::At(old), Version::At(new)) => new.cmp(&old),
            (Version::None, Version::None) => Ordering::Equal,
            _ => engine_key::compare(self.previous_engine(), engine),
        });
        self.same_user = users.is_eq();
        match order {
            Ordering::Less => Ok(()),
            Ordering::Equal if self.allow_overwrites && trailer_before > self.trailer => Ok(()),
            Ordering::Equal => Err(self.disorder("twice")),
            Ordering::Greater => Err(self.disorder("out of order")),
        }
    }

    #[inline]
    fn accept_value(&mut self, raw: Range<usize>, prefixed: bool, columnar: bool) -> Result<(), Flaw> {
        self.value = if prefixed && (columnar || self.kind() == KIND_SET) {
            match parse_stored(self.block.get(raw.clone()).unwrap_or_default())? {
                StoredValue::InPlace => ValuePlace::Block(raw.start + 1..raw.end),
                StoredValue::OutOfLine(handle) => ValuePlace::OutOfLine(handle),
            }
        } else {
            ValuePlace::Block(raw)
        };
        self.sums.raw_value_bytes += match &self.value {
            ValuePlace::Block(range) => range.len() as u64,
            ValuePlace::OutOfLine(handle) => u64::from(handle.length),
        };
        Ok(())
    }

    fn previous_engine(&self) -> &[u8] {
        self.previous.get(..self.previous.len().saturating_sub(KEY_TRAILER_BYTES)).unwrap_or_default()
    }

    #[cold]
    fn disorder(&self, how: &str) -> Flaw {
        Flaw::damaged_by(format!(
            "holds keys {how}: {} after {}",
            escape_key(self.engine_key()),
            escape_key(self.previous_engine())
        ))
    }

    /// The engine key with its elided prefix.
    #[inline]
    #[must_use]
    pub fn engine_key(&self) -> &[u8] {
        self.key.get(..self.key.len().saturating_sub(KEY_TRAILER_BYTES)).unwrap_or_default()
    }

    /// The user key with its elided prefix.
    #[inline]
    #[must_use]
    pub fn user_key(&self) -> &[u8] {
        self.key.get(..self.user).unwrap_or_default()
    }

    /// The version.
    #[inline]
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Kind of the entry.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> u8 {
        (self.trailer & 0xff) as u8
    }

    /// The user key is that of the entry before, in this block or an earlier one.
    #[inline]
    #[must_use]
    pub fn same_user_as_before(&self) -> bool {
        self.same_user
    }

    /// Where the value lies.
    #[inline]
    #[must_use]
    pub fn value_place(&self) -> &ValuePlace {
        &self.value
    }

    /// The value, when it lies in the block; empty otherwise.
    #[inline]
    #[must_use]
    pub fn value_in_block(&self) -> &[u8] {
        match &self.value {
            ValuePlace::Block(range) => self.block.get(range.clone()).unwrap_or_default(),
            ValuePlace::OutOfLine(_) => &[],
        }
    }

    /// The decoded block.
    #[must_use]
    pub fn block(&self) -> &[u8] {
        &self.block
    }

    /// Sums so far.
    #[must_use]
    pub fn sums(&self) -> EntrySums {
        self.sums
    }
}

/// Length of the user key, and the version; the version must not reach into the elided prefix.
#[inline]
fn split_key(engine: &[u8], prefix: usize) -> Result<(usize, Version), Flaw> {
    let (user, version) = match engine_key::decode(engine) {
        Ok((user, None)) => (user.len(), Version::None),
        Ok((user, Some(timestamp))) => (user.len(), Version::At(timestamp)),
        Err(KeyFlaw::NotMvcc) => (engine_key::user_key(engine).len(), Version::Other),
        Err(flaw) => {
            return Err(Flaw::damaged_by(format!("holds the key {}, which {}", escape_key(engine), flaw.words())));
        }
    };
    if user < prefix {
        return Err(Flaw::damaged_by(format!("holds the key {}, which is too short", escape_key(engine))));
    }
    Ok((user, version))
}
