//! Packed batches: `key_0 value_0 key_1 value_1 …` in one buffer, with an array of 2·count+1 offsets.
//!
//! Owns the layout of `Batch` in src/native/contract.ts, its checks and its packing. Must not interpret keys or values.

use crate::fault::{Fault, Result};

/// A view of a packed batch whose offsets ascend and stay within its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    bytes: &'a [u8],
    offsets: &'a [u32],
}

impl<'a> Batch<'a> {
    /// Checks every offset of the first `count` entries; `offsets` and `bytes` may be longer than needed.
    ///
    /// # Errors
    /// `SV_USAGE` naming the first offset that is missing, descends or lies outside.
    pub fn new(bytes: &'a [u8], offsets: &'a [u32], count: usize) -> Result<Batch<'a>> {
        let needed = count.checked_mul(2).and_then(|n| n.checked_add(1));
        let Some(offsets) = needed.and_then(|n| offsets.get(..n)) else {
            return Err(Fault::usage(format!("a batch of {count} entries has only {} offsets", offsets.len())));
        };
        // Two passes without branches inside: the compiler makes vector code of both.
        let ascending = offsets.windows(2).fold(true, |ok, pair| ok & (pair[0] <= pair[1]));
        let last = offsets.last().map_or(0, |&o| o as usize);
        if !ascending || last > bytes.len() {
            return Err(Batch::flaw(bytes, offsets));
        }
        Ok(Batch { bytes, offsets })
    }

    #[cold]
    fn flaw(bytes: &[u8], offsets: &[u32]) -> Fault {
        for (i, pair) in offsets.windows(2).enumerate() {
            if let [a, b] = pair {
                if a > b {
                    return Fault::usage(format!("batch offset {} is {b}, before offset {i}, which is {a}", i + 1));
                }
            }
        }
        let last = offsets.last().copied().unwrap_or_default();
        Fault::usage(format!("a batch of {} bytes has offset {last}", bytes.len()))
    }

    /// Number of entries.
    #[inline]
    pub fn count(&self) -> usize {
        self.offsets.len() / 2
    }

    /// All bytes handed in; entries may begin after the first and end before the last.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The 2·count+1 offsets, ascending and within [`Batch::bytes`].
    #[inline]
    pub fn offsets(&self) -> &'a [u32] {
        self.offsets
    }

    /// Key and value of entry `i`; None past the end.
    #[inline]
    pub fn get(&self, i: usize) -> Option<(&'a [u8], &'a [u8])> {
        if i >= self.count() {
            return None;
        }
        // SAFETY: there are `2 * count + 1` offsets, and `new`, which alone makes a batch, found that they ascend and that the
        // last of them lies in the bytes.
        unsafe {
            let offset = |at: usize| *self.offsets.get_unchecked(at) as usize;
            let (key, value, end) = (offset(2 * i), offset(2 * i + 1), offset(2 * i + 2));
            Some((self.bytes.get_unchecked(key..value), self.bytes.get_unchecked(value..end)))
        }
    }

    /// The bytes of entry `i` and all behind it; none past the end.
    #[inline]
    pub fn bytes_from(&self, i: usize) -> &'a [u8] {
        let start = i.checked_mul(2).and_then(|at| self.offsets.get(at));
        start.and_then(|&start| self.bytes.get(start as usize..)).unwrap_or_default()
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> {
        let batch = *self;
        (0..self.count()).map(move |i| batch.get(i).unwrap_or_default())
    }
}

/// Packs entries into memory of the caller.
pub struct Packer<'a> {
    bytes: &'a mut [u8],
    offsets: &'a mut [u32],
    used: usize,
    count: usize,
}

/// Why an entry was not packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The batch is full: hand it over and pack into another.
    Batch,
    /// The batch is empty and still too small: this many bytes are needed.
    Entry(usize),
}

impl<'a> Packer<'a> {
    /// An empty batch. Room beyond 4 GiB is not used: offsets are u32.
    ///
    /// # Errors
    /// `SV_USAGE` when `offsets` has no room for one entry.
    pub fn new(bytes: &'a mut [u8], offsets: &'a mut [u32]) -> Result<Packer<'a>> {
        if offsets.len() < 3 {
            return Err(Fault::usage(format!("{} offsets hold no entry; 3 are needed", offsets.len())));
        }
        offsets[0] = 0;
        Ok(Packer { bytes, offsets, used: 0, count: 0 })
    }

    /// Goes on with a batch that holds `count` entries of earlier packing.
    ///
    /// # Errors
    /// `SV_USAGE` when the memory cannot hold so many, or its last offset lies outside.
    pub fn resume(bytes: &'a mut [u8], offsets: &'a mut [u32], count: usize) -> Result<Packer<'a>> {
        if count == 0 {
            return Packer::new(bytes, offsets);
        }
        let used = count.checked_mul(2).and_then(|at| offsets.get(at)).map(|&used| used as usize);
        match used {
            Some(used) if used <= bytes.len() => Ok(Packer { bytes, offsets, used, count }),
            Some(used) => Err(Fault::usage(format!("a batch of {} bytes has offset {used}", bytes.len()))),
            None => Err(Fault::usage(format!("a batch of {count} entries has only {} offsets", offsets.len()))),
        }
    }

    /// Reserves one entry and returns the room for its key and its value, in one piece of `key + value` bytes.
    ///
    /// # Errors
    /// [`Full`] when it does not fit; the batch is unchanged.
    #[inline]
    pub fn reserve(&mut self, key: usize, value: usize) -> std::result::Result<&mut [u8], Full> {
        let end = self.used.saturating_add(key).saturating_add(value);
        let slots = self.offsets.get_mut(2 * self.count + 1..2 * self.count + 3);
        let limit = self.bytes.len().min(u32::MAX as usize);
        match slots {
            Some([value_at, end_at]) if end <= limit => {
                *value_at = (self.used + key) as u32;
                *end_at = end as u32;
                let start = std::mem::replace(&mut self.used, end);
                self.count += 1;
                Ok(&mut self.bytes[start..end])
            }
            _ if self.count == 0 => Err(Full::Entry(key.saturating_add(value))),
            _ => Err(Full::Batch),
        }
    }

    /// Packs one entry.
    ///
    /// # Errors
    /// [`Full`] when it does not fit; the batch is unchanged.
    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> std::result::Result<(), Full> {
        let (key_room, value_room) = self.reserve(key.len(), value.len())?.split_at_mut(key.len());
        key_room.copy_from_slice(key);
        value_room.copy_from_slice(value);
        Ok(())
    }

    /// Entries packed.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes used.
    pub fn bytes_used(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offsets_that_lie_are_refused() {
        let refused = |bytes: &[u8], offsets: &[u32], count| Batch::new(bytes, offsets, count).unwrap_err().to_string();
        assert_eq!(refused(b"ab", &[0, 1], 1), "SV_USAGE: a batch of 1 entries has only 2 offsets");
        assert_eq!(refused(b"ab", &[0, 1, 3], 1), "SV_USAGE: a batch of 2 bytes has offset 3");
        assert_eq!(refused(b"ab", &[1, 0, 2], 1), "SV_USAGE: batch offset 1 is 0, before offset 0, which is 1");
        assert!(Batch::new(b"ab", &[0, 1, 2], usize::MAX).is_err());
        assert_eq!(Batch::new(b"", &[0], 0).unwrap().count(), 0);
    }

    #[test]
    fn a_full_batch_says_whether_a_larger_one_is_needed() {
        let (mut bytes, mut offsets) = ([0u8; 8], [0u32; 5]);
        let mut packer = Packer::new(&mut bytes, &mut offsets).unwrap();
        assert_eq!(packer.push(b"12345", b"6789"), Err(Full::Entry(9)));
        assert_eq!(packer.push(b"12", b"34"), Ok(()));
        assert_eq!(packer.push(b"12", b"345"), Err(Full::Batch));
        assert_eq!(packer.push(b"", b""), Ok(()));
        assert_eq!(packer.push(b"", b""), Err(Full::Batch));
        assert_eq!((packer.count(), packer.bytes_used()), (2, 4));
    }

    #[test]
    fn packing_goes_on_where_it_stopped() {
        let (mut bytes, mut offsets) = ([0u8; 8], [0u32; 5]);
        Packer::new(&mut bytes, &mut offsets).unwrap().push(b"12", b"3").unwrap();
        let mut packer = Packer::resume(&mut bytes, &mut offsets, 1).unwrap();
        assert_eq!(packer.push(b"4", b"56789"), Err(Full::Batch));
        assert_eq!(packer.push(b"4", b"5678"), Ok(()));
        assert_eq!((packer.count(), packer.bytes_used()), (2, 8));
        let batch = Batch::new(&bytes, &offsets, 2).unwrap();
        assert_eq!(batch.iter().collect::<Vec<_>>(), [(&b"12"[..], &b"3"[..]), (b"4", b"5678")]);
        let mut lie = [0, 2, 9, 0, 0];
        assert!(Packer::resume(&mut bytes, &mut lie, 1).is_err());
        assert!(Packer::resume(&mut bytes, &mut lie, 3).is_err());
        assert!(Packer::resume(&mut bytes, &mut lie, usize::MAX).is_err());
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read(entries: Vec<(Vec<u8>, Vec<u8>)>) {
            let size: usize = entries.iter().map(|(k, v)| k.len() + v.len()).sum();
            let (mut bytes, mut offsets) = (vec![0; size], vec![0; 2 * entries.len() + 3]);
            let mut packer = Packer::new(&mut bytes, &mut offsets).unwrap();
            for (key, value) in &entries {
                packer.push(key, value).unwrap();
            }
            let count = packer.count();
            let batch = Batch::new(&bytes, &offsets, count).unwrap();
            let read: Vec<_> = batch.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(read, entries);
        }
    }
}
