//! Engine keys of CockroachDB and their order (crdb-format.md 4.1, sst-format.md 14.1: `cockroach_comparator`).
//!
//! Owns splitting, comparing, encoding and decoding of `userkey 00 [version L]`, and the row prefix of SQL keys.
//! Must not know of blocks or files; of internal keys (8-byte trailer) it knows only the constant trailers.

use std::cmp::Ordering;

/// Bytes of the trailer that makes an internal key of an engine key.
pub const TRAILER_BYTES: usize = 8;
/// Trailer of every point of a backup: sequence 0, kind SET.
pub const SET_TRAILER: [u8; TRAILER_BYTES] = [1, 0, 0, 0, 0, 0, 0, 0];
/// Trailer of a shortened index separator: greatest sequence, kind SEPARATOR (17).
pub const SEPARATOR_TRAILER: [u8; TRAILER_BYTES] = [17, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// A hybrid-logical timestamp: wall nanoseconds, then a logical counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Nanoseconds since 1970.
    pub wall: u64,
    /// Order of events of one nanosecond.
    pub logical: u32,
}

impl Timestamp {
    /// The greatest timestamp.
    pub const MAX: Timestamp = Timestamp { wall: u64::MAX, logical: u32::MAX };
}

/// Why an engine key does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFlaw {
    /// No byte at all.
    Empty,
    /// The last byte names more version bytes than the key has, or 1, which no version has.
    VersionLength,
    /// The byte between user key and version is not 00.
    Sentinel,
    /// The version is none of an MVCC version (0, 8, 12 or 13 bytes).
    NotMvcc,
}

impl KeyFlaw {
    /// The words used in messages.
    pub fn words(self) -> &'static str {
        match self {
            KeyFlaw::Empty => "is empty",
            KeyFlaw::VersionLength => "has a version longer than the key",
            KeyFlaw::Sentinel => "has no 00 between user key and version",
            KeyFlaw::NotMvcc => "has a version that is not a timestamp",
        }
    }
}

/// Length of the prefix: user key and the 00 sentinel, before any version. A malformed key is all prefix.
#[inline]
pub fn split(key: &[u8]) -> usize {
    match key.last() {
        None => 0,
        Some(&last) => key.len().checked_sub(usize::from(last)).filter(|&n| n > 0).unwrap_or(key.len()),
    }
}

/// The user key: the prefix without its sentinel.
#[inline]
pub fn user_key(key: &[u8]) -> &[u8] {
    let prefix = split(key);
    key.get(..prefix.saturating_sub(1)).unwrap_or_default()
}

/// Version bytes without the length byte, in the form that compares: 13 bytes lose the synthetic flag, then 12 bytes
/// with logical 0 lose the logical part.
#[inline]
fn normal_version(suffix: &[u8]) -> &[u8] {
    let version = suffix.get(..suffix.len().saturating_sub(1)).unwrap_or_default();
    let version = if version.len() == 13 { version.get(..12).unwrap_or_default() } else { version };
    match version.split_at_checked(8) {
        Some((wall, [0, 0, 0, 0])) => wall,
        _ => version,
    }
}

/// Order of `cockroach_comparator`: user keys bytewise; of one user key the unversioned first, then newest first.
#[inline]
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (prefix_a, suffix_a) = a.split_at(split(a));
    let (prefix_b, suffix_b) = b.split_at(split(b));
    prefix_a.cmp(prefix_b).then_with(|| compare_suffixes(suffix_a, suffix_b))
}

/// Order of what follows the prefix, length byte included: none first, then newest first.
#[inline]
pub fn compare_suffixes(a: &[u8], b: &[u8]) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => normal_version(b).cmp(normal_version(a)),
    }
}

/// User key and timestamp of an MVCC key; None as timestamp for an unversioned key.
///
/// # Errors
/// The flaw, when the key is malformed or its version is no timestamp.
#[inline]
pub fn decode(key: &[u8]) -> Result<(&[u8], Option<Timestamp>), KeyFlaw> {
    let &last = key.last().ok_or(KeyFlaw::Empty)?;
    if last == 0 {
        return Ok((user_key(key), None));
    }
    let last = usize::from(last);
    if last == 1 || last >= key.len() {
        return Err(KeyFlaw::VersionLength);
    }
    let (prefix, suffix) = key.split_at(key.len() - last);
    let Some((0, user)) = prefix.split_last() else {
        return Err(KeyFlaw::Sentinel);
    };
    let (wall, rest) = suffix.split_first_chunk::<8>().ok_or(KeyFlaw::NotMvcc)?;
    let logical = match rest {
        [_] => 0,
        [a, b, c, d, _] | [a, b, c, d, _, _] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => return Err(KeyFlaw::NotMvcc),
    };
    Ok((user, Some(Timestamp { wall: u64::from_be_bytes(*wall), logical })))
}

/// Appends the engine key of a user key at a timestamp; logical 0 is written in the 8-byte form.
pub fn encode(out: &mut Vec<u8>, user: &[u8], timestamp: Option<Timestamp>) {
    out.extend_from_slice(user);
    out.push(0);
    let Some(timestamp) = timestamp else { return };
    out.extend_from_slice(&timestamp.wall.to_be_bytes());
    if timestamp.logical == 0 {
        out.push(9);
    } else {
        out.extend_from_slice(&timestamp.logical.to_be_bytes());
        out.push(13);
    }
}

/// Length that [`encode`] appends.
#[inline]
pub fn encoded_len(user: &[u8], timestamp: Option<Timestamp>) -> usize {
    user.len()
        + match timestamp {
            None => 1,
            Some(Timestamp { logical: 0, .. }) => 10,
            Some(_) => 14,
        }
}

/// The row prefix of a SQL user key: the key without its column family suffix (crdb-format.md 5.3). A key that has no
/// valid suffix is a row of its own.
#[inline]
pub fn row_prefix(user: &[u8]) -> &[u8] {
    let Some((&last, head)) = user.split_last() else {
        return user;
    };
    // Family f > 0 is `UVA(f) ‖ UVA(len(UVA(f)))`; family 0 is the single byte 0x88. UVA(f) of a u32 takes 1 to 5 bytes.
    match last.checked_sub(0x88) {
        Some(bytes @ 0..=5) => head.len().checked_sub(usize::from(bytes)).and_then(|n| user.get(..n)).unwrap_or(user),
        _ => user,
    }
}

/// The bytewise shortest-ish separator of two keys a < b (LevelDB's rule, sst-format.md 6.2): its length in `a` and
/// whether the last byte is one more than a's; None when `a` itself must be used.
fn bytewise_separator(a: &[u8], b: &[u8]) -> Option<usize> {
    let shared = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (&x, &y) = (a.get(shared)?, b.get(shared)?);
    if x >= y {
        return None;
    }
    if shared + 1 < b.len() || x + 1 < y {
        return Some(shared);
    }
    let tail = a.get(shared + 1..)?;
    tail.iter().position(|&byte| byte != 0xff).map(|n| shared + 1 + n)
}

/// Appends the separator engine key s of the last key `a` of a block and the first key `b` of the next, a <= s < b, and
/// tells whether it was shortened; unshortened it is `a` itself (sst-format.md 6.2 and 14.1).
pub fn separator(out: &mut Vec<u8>, a: &[u8], b: &[u8]) -> bool {
    let (part_a, part_b) = (user_key(a), user_key(b));
    if let Some(at) = bytewise_separator(part_a, part_b) {
        if let Some((&last, head)) = part_a.get(..=at).and_then(<[u8]>::split_last) {
            // The new key `head ‖ last+1 ‖ 00` must not be longer than the key that it replaces.
            if head.len() + 2 <= a.len() {
                out.extend_from_slice(head);
                out.extend_from_slice(&[last + 1, 0]);
                return true;
            }
        }
    }
    out.extend_from_slice(a);
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(user: &[u8], wall: u64, logical: u32) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, user, Some(Timestamp { wall, logical }));
        out
    }

    #[test]
    fn versions_of_8_12_and_13_bytes_decode() {
        let user = b"a\0b".as_slice();
        assert_eq!(decode(&key(user, 7, 0)), Ok((user, Some(Timestamp { wall: 7, logical: 0 }))));
        assert_eq!(decode(&key(user, 7, 9)), Ok((user, Some(Timestamp { wall: 7, logical: 9 }))));
        let synthetic = b"a\0b\0\0\0\0\0\0\0\0\x07\0\0\0\x09\x01\x0e";
        assert_eq!(decode(synthetic), Ok((user, Some(Timestamp { wall: 7, logical: 9 }))));
        assert_eq!(decode(b"a\0"), Ok((b"a".as_slice(), None)));
        assert_eq!(decode(b""), Err(KeyFlaw::Empty));
        assert_eq!(decode(b"a\x09"), Err(KeyFlaw::VersionLength));
        assert_eq!(decode(b"a\0\x01"), Err(KeyFlaw::VersionLength));
        assert_eq!(decode(b"a\x01\0\0\0\0\0\0\0\x07\x09"), Err(KeyFlaw::Sentinel));
        assert_eq!(decode(b"a\0\x07\x02"), Err(KeyFlaw::NotMvcc));
    }

    #[test]
    fn order_is_newest_first_and_unversioned_before() {
        let bare = b"a\0".to_vec();
        let order = [bare, key(b"a", 9, 1), key(b"a", 9, 0), key(b"a", 8, 0), b"a\0\0".to_vec(), key(b"b", 9, 0)];
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
        let long_zero = b"a\0\0\0\0\0\0\0\0\x09\0\0\0\0\x0d";
        assert_eq!(compare(long_zero, &key(b"a", 9, 0)), Ordering::Equal);
        let synthetic = b"a\0\0\0\0\0\0\0\0\x09\0\0\0\x01\x01\x0e";
        assert_eq!(compare(synthetic, &key(b"a", 9, 1)), Ordering::Equal);
    }

    #[test]
    fn row_prefixes_lose_the_family_suffix() {
        assert_eq!(row_prefix(b"\xbd\x89\x8a\x88"), b"\xbd\x89\x8a");
        assert_eq!(row_prefix(b"\xbd\x89\x8a\x8a\x89"), b"\xbd\x89\x8a");
        assert_eq!(row_prefix(b"\xbd\x89\x8a\xf6\x6e\x8a"), b"\xbd\x89\x8a");
        assert_eq!(row_prefix(b"plain"), b"plain");
        assert_eq!(row_prefix(b"\x8b"), b"\x8b");
        assert_eq!(row_prefix(b""), b"");
    }

    #[test]
    fn separators_are_shortened_over_the_user_key_only() {
        let mut out = Vec::new();
        assert!(separator(&mut out, &key(b"abcd", 5, 0), &key(b"abzz", 5, 0)));
        assert_eq!(out, b"abd\0");
        out.clear();
        assert!(!separator(&mut out, &key(b"abc", 5, 0), &key(b"abc", 4, 0)));
        assert_eq!(out, key(b"abc", 5, 0));
    }

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0u8), Just(1), Just(0x88), Just(0xff), any::<u8>()];
        (proptest::collection::vec(byte, 0..6), 0u64..4, 0u32..3).prop_map(|(user, wall, logical)| key(&user, wall, logical))
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(user: Vec<u8>, wall: u64, logical: u32) {
            let timestamp = Timestamp { wall, logical };
            let encoded = key(&user, wall, logical);
            prop_assert_eq!(encoded.len(), encoded_len(&user, Some(timestamp)));
            prop_assert_eq!(user_key(&encoded), &user[..]);
            prop_assert_eq!(decode(&encoded), Ok((&user[..], Some(timestamp))));
        }

        #[test]
        fn order_is_that_of_user_key_then_timestamp_descending(a in keys(), b in keys()) {
            let ((user_a, time_a), (user_b, time_b)) = (decode(&a).unwrap(), decode(&b).unwrap());
            prop_assert_eq!(compare(&a, &b), user_a.cmp(user_b).then(time_b.cmp(&time_a)));
        }

        #[test]
        fn separators_lie_between(a in keys(), b in keys()) {
            prop_assume!(compare(&a, &b) == Ordering::Less);
            let mut s = Vec::new();
            let shortened = separator(&mut s, &a, &b);
            prop_assert!(s.len() <= a.len());
            prop_assert!(compare(&a, &s) != Ordering::Greater);
            prop_assert_eq!(compare(&s, &b), Ordering::Less);
            prop_assert_eq!(shortened, s != a);
        }

        #[test]
        fn no_bytes_panic(a: Vec<u8>, b: Vec<u8>) {
            let _ = (decode(&a), row_prefix(&a), user_key(&a));
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        }
    }
}
