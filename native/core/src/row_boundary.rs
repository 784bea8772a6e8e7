//! Where a file may end, and what CockroachDB counts as a row (crdb-format.md 5.3, 6.8, 7.1).
//!
//! Owns the two boundary rules and the row counter. Must not know of blocks or sizes.

use crate::engine_key::{row_prefix, user_key};
use crate::fault::{Fault, Result};

/// Which neighbours never lie in different files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowBoundary {
    /// All column families of a SQL row and all versions of a key.
    Sql,
    /// All versions of a key.
    Key,
}

impl RowBoundary {
    /// The rule named `sql` or `key`.
    ///
    /// # Errors
    /// `SV_USAGE` for another name.
    pub fn parse(name: &str) -> Result<RowBoundary> {
        match name {
            "sql" => Ok(RowBoundary::Sql),
            "key" => Ok(RowBoundary::Key),
            _ => Err(Fault::usage(format!("row boundary {name:?} is neither sql nor key"))),
        }
    }

    /// True when a file may end between two neighbouring engine keys.
    pub fn between(self, last: &[u8], next: &[u8]) -> bool {
        let (last, next) = (user_key(last), user_key(next));
        match self {
            RowBoundary::Key => last != next,
            RowBoundary::Sql => last != next && row_prefix(last) != row_prefix(next),
        }
    }
}

/// Index id of a primary index, until TRUNCATE or ALTER gives it another.
const PRIMARY: u64 = 1;
/// `header` of a key that is no SQL key: no other key shares that many bytes with it.
const NO_HEADER: usize = usize::MAX;

/// Counts rows as CockroachDB's `RowCounter` does: a change of the row prefix (table, index, key columns, without the
/// column family suffix) is one row of the primary index or one entry of another. Keys without a suffix do not count.
#[derive(Debug)]
pub(crate) struct RowCounter {
    /// Length of tenant, table and index id of the last key.
    header: usize,
    primary: bool,
    /// `[fe tenant] table index` of primary indexes with other ids than 1.
    pub(crate) primaries: Vec<Vec<u8>>,
    /// Length of the row prefix of the last key; 0 when it did not count.
    row: usize,
    /// Rows or entries of the index of the last key, which are not in the sums yet.
    fresh: u64,
    rows: u64,
    index_entries: u64,
}

impl Default for RowCounter {
    fn default() -> RowCounter {
        RowCounter::new()
    }
}

impl RowCounter {
    pub(crate) fn new() -> RowCounter {
        RowCounter { header: NO_HEADER, primary: false, primaries: Vec::new(), row: 0, fresh: 0, rows: 0, index_entries: 0 }
    }

    /// Counts the next user key, which shares its first `shared` bytes with the one before.
    #[inline(always)]
    pub(crate) fn count(&mut self, user: &[u8], shared: usize) {
        if shared < self.header {
            self.enter(user);
            if self.header == NO_HEADER {
                return;
            }
        }
        let row = row_prefix(user).len();
        if row == user.len() || row < self.header {
            self.row = 0;
            return;
        }
        let new = row != self.row || shared < row;
        self.row = row;
        self.fresh += u64::from(new);
    }

    /// Rows of primary indexes and entries of others, so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let (rows, entries) = if self.primary { (self.fresh, 0) } else { (0, self.fresh) };
        (self.rows + rows, self.index_entries + entries)
    }

    /// Learns table and index of a key that lies in another index than the one before.
    #[cold]
    fn enter(&mut self, user: &[u8]) {
        (self.rows, self.index_entries) = self.counts();
        self.fresh = 0;
        self.row = 0;
        self.header = NO_HEADER;
        // Table ids are ascending uvarints, a tenant prefix is 0xfe: no other first byte begins a SQL key.
        if user.first().is_some_and(|&byte| byte >= 0x88) {
            if let Some((header, index)) = sql_header(user) {
                self.header = header;
                let prefix = user.get(..header).unwrap_or_default();
                self.primary = index == PRIMARY || self.primaries.iter().any(|primary| primary == prefix);
            }
        }
    }
}

/// Length of `[fe tenant] table index` at the front of a SQL key, and the index id.
fn sql_header(user: &[u8]) -> Option<(usize, u64)> {
    let mut at = 0;
    if user.first() == Some(&0xfe) {
        at = 1 + ascending_uvarint(user.get(1..)?)?.1;
    }
    at += ascending_uvarint(user.get(at..)?)?.1;
    let (index, length) = ascending_uvarint(user.get(at..)?)?;
    Some((at + length, index))
}

/// Value and length of an ascending uvarint (crdb-format.md 5.1).
fn ascending_uvarint(bytes: &[u8]) -> Option<(u64, usize)> {
    let (&tag, rest) = bytes.split_first()?;
    match tag {
        0x88..=0xf5 => Some((u64::from(tag - 0x88), 1)),
        0xf6..=0xfd => {
            let n = usize::from(tag - 0xf5);
            let value = rest.get(..n)?.iter().fold(0u64, |v, &byte| v << 8 | u64::from(byte));
            Some((value, 1 + n))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(keys: &[&[u8]]) -> (u64, u64) {
        let mut counter = RowCounter::new();
        let mut previous: &[u8] = &[];
        for &key in keys {
            let shared = previous.iter().zip(key).take_while(|(a, b)| a == b).count();
            counter.count(key, shared);
            previous = key;
        }
        counter.counts()
    }

    #[test]
    fn families_and_versions_of_a_row_count_once() {
        let keys: [&[u8]; 7] = [
            b"\xbd\x89\x8a\x88",
            b"\xbd\x89\x8a\x88",
            b"\xbd\x89\x8a\x89\x89",
            b"\xbd\x89\x8b\x8a\x89",
            b"\xbd\x8a\x12a\0\x01\x8a\x88",
            b"\xbd\x8a\x12b\0\x01\x8a\x88",
            b"\xbe\x89\xf6\x6e\x88",
        ];
        assert_eq!(counted(&keys), (3, 2));
    }

    #[test]
    fn tenants_are_seen_through_and_foreign_keys_do_not_count() {
        assert_eq!(counted(&[b"\xfe\x92\xf6\x70\x89\x8a\x88", b"\xfe\x92\xf6\x70\x8a\x8a\x88"]), (1, 1));
        assert_eq!(counted(&[b"", b"\x01k\x88", b"abc\x88", b"\xfe", b"\xff\xff"]), (0, 0));
    }

    #[test]
    fn a_primary_index_may_have_another_id() {
        let mut counter = RowCounter::new();
        counter.primaries = vec![b"\xbd\x8b".to_vec()];
        for key in [b"\xbd\x8a\x8a\x88", b"\xbd\x8b\x8a\x88", b"\xbd\x8b\x8b\x88", b"\xbe\x8b\x8a\x88"] {
            counter.count(key, 1);
        }
        assert_eq!(counter.counts(), (2, 2));
    }

    #[test]
    fn a_file_ends_between_rows_only() {
        let at = |user: &[u8], wall: u8| [user, &[0, 0, 0, 0, 0, 0, 0, 0, wall, 9]].concat();
        let (a, b) = (b"\xbd\x89\x8a\x88".as_slice(), b"\xbd\x89\x8a\x89\x89".as_slice());
        let c = b"\xbd\x89\x8b\x88".as_slice();
        for (last, next, sql, key) in [(a, a, false, false), (a, b, false, true), (b, c, true, true)] {
            assert_eq!(RowBoundary::Sql.between(&at(last, 2), &at(next, 1)), sql);
            assert_eq!(RowBoundary::Key.between(&at(last, 2), &at(next, 1)), key);
        }
    }
}
