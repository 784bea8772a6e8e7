//! Rewriting of user keys by prefix pairs, interleaved components included (crdb-format.md 7.7).
//!
//! Owns finding the pair of a key and the walk over ordered encodings that finds nested `fe ‖ table ‖ index`
//! components. Must not touch versions or values.

use crate::crc_change::CrcChange;
use crate::fault::{Fault, escape_key};
use crate::ordered::{peek_length, read_uvarint};

/// Begins a nested component of an interleaved key, and a tenant prefix.
const INTERLEAVED: u8 = 0xfe;

#[derive(Debug, Clone)]
struct Pair {
    old: Vec<u8>,
    new: Vec<u8>,
    /// The longest other old prefix that is a prefix of this one.
    parent: Option<usize>,
    /// No other old prefix begins with this one.
    leaf: bool,
    /// What the new prefix means for checksums over the key.
    crc: CrcChange,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// It lies under no given prefix, or belongs to an interleaved table that is not among them.
    Outside,
    /// Its prefix was replaced; so many bytes behind it are as they were.
    Prefix(usize),
    /// Components behind its prefix were replaced too.
    Nested,
}

/// Rewrites user keys; remembers the last pair, since keys come sorted.
#[derive(Debug, Clone, Default)]
pub struct KeyRewriter {
    pairs: Vec<Pair>,
    /// Old and new encoded table ids, by old.
    tables: Vec<(u64, Vec<u8>)>,
    last: usize,
}

/// The encoded table id of a prefix, behind its tenant: its value and its place.
fn table_of(prefix: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = prefix;
    if let Some((&INTERLEAVED, after)) = prefix.split_first() {
        let (_, used) = read_uvarint(after)?;
        rest = after.get(used..)?;
    }
    let (table, used) = read_uvarint(rest)?;
    Some((table, rest.get(..used)?))
}

impl KeyRewriter {
    /// Rewrites by `packed` = old, new, old, new, …; where prefixes nest, the longest wins.
    ///
    /// # Errors
    /// `SV_USAGE`: an odd number, an empty or doubled old prefix, or one table mapped to two.
    pub fn new(packed: &[Vec<u8>]) -> Result<Self, Fault> {
        if !packed.len().is_multiple_of(2) {
            return Err(Fault::usage(format!("{} key prefixes to rewrite are no pairs", packed.len())));
        }
        let mut sorted: Vec<(&Vec<u8>, &Vec<u8>)> =
            packed.chunks_exact(2).filter_map(|p| Some((p.first()?, p.get(1)?))).collect();
        sorted.sort_unstable();
        let mut rewriter = Self::default();
        for (old, new) in sorted {
            if old.is_empty() || rewriter.pairs.last().is_some_and(|p| p.old == *old) {
                return Err(Fault::usage(format!("the key prefix {} to rewrite is empty or given twice", escape_key(old))));
            }
            let mut parent = rewriter.pairs.len().checked_sub(1);
            while let Some(pair) = parent.and_then(|p| rewriter.pairs.get_mut(p)) {
                if old.starts_with(&pair.old) {
                    pair.leaf = false;
                    break;
                }
                parent = pair.parent;
            }
            rewriter.pairs.push(Pair {
                old: old.clone(),
                new: new.clone(),
                parent,
                leaf: true,
                crc: CrcChange::new(old, new),
            });
            rewriter.map_table(old, new)?;
        }
        Ok(rewriter)
    }

    fn map_table(&mut self, old: &[u8], new: &[u8]) -> Result<(), Fault> {
        let (Some((table, _)), Some((_, encoded))) = (table_of(old), table_of(new)) else { return Ok(()) };
        match self.tables.binary_search_by_key(&table, |(t, _)| *t) {
            Ok(at) if self.tables.get(at).is_some_and(|(_, e)| e != encoded) => {
                Err(Fault::usage(format!("table {table} is to be rewritten to two tables")))
            }
            Ok(_) => Ok(()),
            Err(at) => {
                self.tables.insert(at, (table, encoded.to_vec()));
                Ok(())
            }
        }
    }

    /// Nothing is to be rewritten, and every key is kept.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn find(&mut self, user: &[u8]) -> Option<&Pair> {
        let hit = self.pairs.get(self.last).is_some_and(|p| p.leaf && user.starts_with(&p.old));
        if !hit {
            let mut at = self.pairs.partition_point(|p| p.old.as_slice() <= user).checked_sub(1);
            // Every old prefix of the key is among the ancestors of the greatest that is not behind the key.
            while let Some(pair) = at.and_then(|at| self.pairs.get(at)) {
                if user.starts_with(&pair.old) {
                    break;
                }
                at = pair.parent;
            }
            self.last = at?;
        }
        self.pairs.get(self.last)
    }

    /// Replaces `out` by the rewritten key.
    #[inline]
    pub fn rewrite(&mut self, user: &[u8], out: &mut Vec<u8>) -> Rewritten {
        out.clear();
        let Some(pair) = self.find(user) else { return Rewritten::Outside };
        out.extend_from_slice(&pair.new);
        let rest = user.get(pair.old.len()..).unwrap_or_default();
        // Without a table among the pairs these are no SQL keys, and nothing in them is a component.
        if self.tables.is_empty() || !rest.contains(&INTERLEAVED) {
            out.extend_from_slice(rest);
            return Rewritten::Prefix(rest.len());
        }
        if self.rewrite_nested(rest, out) { Rewritten::Nested } else { Rewritten::Outside }
    }

    /// What the prefix replaced last changes in the CRC-32 of a message that begins with the key, when `rest` bytes follow
    /// the prefix, those of the key included.
    #[inline]
    pub fn crc_change(&mut self, rest: usize) -> u32 {
        self.pairs.get_mut(self.last).map_or(0, |pair| pair.crc.over(rest))
    }

    /// Copies the columns of a key, and replaces the table of every nested component between them. Bytes that are no
    /// ordered encoding are copied as they are.
    fn rewrite_nested(&self, rest: &[u8], out: &mut Vec<u8>) -> bool {
        let mut rest = rest;
        while let Some((&first, after)) = rest.split_first() {
            let used = if first == INTERLEAVED {
                let table = read_uvarint(after);
                let index = table.and_then(|(_, used)| read_uvarint(after.get(used..)?));
                let (Some((table, used)), Some(_)) = (table, index) else { break };
                let Ok(at) = self.tables.binary_search_by_key(&table, |(t, _)| *t) else { return false };
                out.push(INTERLEAVED);
                out.extend_from_slice(self.tables.get(at).map(|(_, e)| e.as_slice()).unwrap_or_default());
                1 + used
            } else {
                let Some(column) = peek_length(rest).and_then(|n| rest.get(..n)) else { break };
                out.extend_from_slice(column);
                column.len()
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(pairs: &[&[u8]], user: &[u8]) -> Option<Vec<u8>> {
        let packed: Vec<Vec<u8>> = pairs.iter().map(|p| p.to_vec()).collect();
        let mut rewriter = KeyRewriter::new(&packed).expect("sound pairs");
        let mut out = vec![9];
        (rewriter.rewrite(user, &mut out) != Rewritten::Outside).then_some(out)
    }

    #[test]
    fn the_longest_prefix_wins() {
        let pairs: &[&[u8]] = &[b"a", b"A", b"ab", b"B", b"abcd", b"D", b"b", b"b"];
        assert_eq!(rewrite(pairs, b"abz"), Some(b"Bz".to_vec()));
        assert_eq!(rewrite(pairs, b"abcz"), Some(b"Bcz".to_vec()));
        assert_eq!(rewrite(pairs, b"abcd"), Some(b"D".to_vec()));
        assert_eq!(rewrite(pairs, b"ac"), Some(b"Ac".to_vec()));
        assert_eq!(rewrite(pairs, b"c"), None);
        assert_eq!(rewrite(pairs, b"bb"), Some(b"bb".to_vec()));
        let mut rewriter = KeyRewriter::new(&[b"a".to_vec(), b"A".to_vec(), b"ab".to_vec(), b"B".to_vec()]).expect("pairs");
        let mut out = Vec::new();
        for (user, want) in [(&b"aa"[..], &b"Aa"[..]), (b"ab", b"B"), (b"ac", b"Ac"), (b"ab1", b"B1")] {
            assert_eq!(rewriter.rewrite(user, &mut out), Rewritten::Prefix(want.len() - 1));
            assert_eq!(out, want);
        }
    }

    #[test]
    fn nested_components_follow_the_tables() {
        // Tables 53 to 110 and 54 to 111; t3 row 1, then t4 (54) interleaved in it, index 1, row 2, family 0.
        let pairs: &[&[u8]] = &[b"\xbd\x89", b"\xf6\x6e\x89", b"\xbe", b"\xf6\x6f"];
        assert_eq!(rewrite(pairs, b"\xbd\x89\x89\x88"), Some(b"\xf6\x6e\x89\x89\x88".to_vec()));
        assert_eq!(
            rewrite(pairs, b"\xbd\x89\x89\xfe\xbe\x89\x8a\x88"),
            Some(b"\xf6\x6e\x89\x89\xfe\xf6\x6f\x89\x8a\x88".to_vec())
        );
        // A child that is not restored is left out; an fe inside a string is no component.
        assert_eq!(rewrite(pairs, b"\xbd\x89\x89\xfe\xbf\x89\x8a\x88"), None);
        assert_eq!(
            rewrite(pairs, b"\xbd\x89\x12\xfe\xbf\x00\x01\x88"),
            Some(b"\xf6\x6e\x89\x12\xfe\xbf\x00\x01\x88".to_vec())
        );
    }

    #[test]
    fn keys_that_are_not_of_sql_have_no_components() {
        assert_eq!(rewrite(&[b"k/", b"n/"], b"k/\xfe\x89\x89"), Some(b"n/\xfe\x89\x89".to_vec()));
    }

    #[test]
    fn bad_pairs_are_refused() {
        assert!(KeyRewriter::new(&[b"a".to_vec()]).is_err());
        assert!(KeyRewriter::new(&[Vec::new(), b"a".to_vec()]).is_err());
        assert!(KeyRewriter::new(&[b"a".to_vec(), b"b".to_vec(), b"a".to_vec(), b"c".to_vec()]).is_err());
        let two = [b"\xbd\x89".to_vec(), b"\xbe\x89".to_vec(), b"\xbd\x8a".to_vec(), b"\xbf\x8a".to_vec()];
        assert!(KeyRewriter::new(&two).is_err());
    }
}
