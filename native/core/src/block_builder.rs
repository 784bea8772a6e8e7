//! Row blocks that are small or rare: index, metaindex and properties (sst-format.md 5.1, 5.2).
//!
//! Owns the plain builder. Data blocks have their own, `data_block`, which is made for speed.

use crate::varint;

/// Restart interval of index and metaindex blocks.
pub(crate) const INDEX_INTERVAL: usize = 1;
/// Restart interval of properties blocks: one restart for all.
pub(crate) const PROPERTIES_INTERVAL: usize = i32::MAX as usize;

/// A row block in the making.
pub(crate) struct BlockBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    last_key: Vec<u8>,
    interval: usize,
    since_restart: usize,
}

impl BlockBuilder {
    pub(crate) fn new(interval: usize) -> BlockBuilder {
        BlockBuilder { bytes: Vec::new(), restarts: Vec::new(), last_key: Vec::new(), interval, since_restart: interval }
    }

    /// Adds an entry; keys ascend, which the callers guarantee.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut shared = 0;
        if self.since_restart == self.interval {
            self.restarts.push(self.bytes.len() as u32);
            self.since_restart = 0;
        } else {
            shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        }
        self.since_restart += 1;
        varint::push(&mut self.bytes, shared as u64);
        varint::push(&mut self.bytes, (key.len() - shared) as u64);
        varint::push(&mut self.bytes, value.len() as u64);
        self.bytes.extend_from_slice(key.get(shared..).unwrap_or_default());
        self.bytes.extend_from_slice(value);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
    }

    /// The payload: entries, restarts, count of restarts. A block without entries has one restart, at 0.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.restarts.is_empty() {
            self.restarts.push(0);
        }
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_reference() {
        let mut metaindex = BlockBuilder::new(INDEX_INTERVAL);
        metaindex.add(b"rocksdb.properties", &[0x64, 0xbe, 0x01]);
        assert_eq!(metaindex.finish(), b"\x00\x12\x03rocksdb.properties\x64\xbe\x01\0\0\0\0\x01\0\0\0");
        let mut properties = BlockBuilder::new(PROPERTIES_INTERVAL);
        properties.add(b"rocksdb.raw.key.size", &[0x2a]);
        properties.add(b"rocksdb.raw.value.size", &[6]);
        assert_eq!(properties.finish(), b"\x00\x14\x01rocksdb.raw.key.size\x2a\x0c\x0a\x01value.size\x06\0\0\0\0\x01\0\0\0");
        assert_eq!(BlockBuilder::new(1).finish(), b"\0\0\0\0\x01\0\0\0");
    }
}
