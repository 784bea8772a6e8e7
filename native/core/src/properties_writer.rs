//! The properties, metaindex and footer of the tables that are written (sst-format.md 2.2, 8, 9; crdb-format.md 15).
//!
//! Owns the list of properties and the RocksDBv2 tail. Numbers come from the writer.

use crate::block_builder::{BlockBuilder, INDEX_INTERVAL, PROPERTIES_INTERVAL};
use crate::codec::Compression;
use crate::varint;

/// Where a block lies: offset and length of its payload, trailer not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHandle {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl BlockHandle {
    /// Appends the two varints.
    pub(crate) fn push(self, out: &mut Vec<u8>) {
        varint::push(out, self.offset);
        varint::push(out, self.length);
    }
}

/// Numbers of a table that go into its properties.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableNumbers {
    pub(crate) entries: u64,
    pub(crate) raw_key_bytes: u64,
    pub(crate) raw_value_bytes: u64,
    pub(crate) data_blocks: u64,
    /// Data blocks with trailers.
    pub(crate) data_bytes: u64,
    /// Uncompressed index block with trailer.
    pub(crate) index_bytes: u64,
    pub(crate) compression: Compression,
}

/// "Unknown column family", which every store accepts.
const COLUMN_FAMILY_UNKNOWN: u64 = i32::MAX as u64;

/// Payload of the properties block. The last pair makes the file acceptable to RocksDB's ingestion; all names that
/// CockroachDB's own writers of the RocksDB era gave are there, but for collectors, of which there is none.
pub(crate) fn properties_payload(numbers: &TableNumbers) -> Vec<u8> {
    let number = |value: u64| {
        let mut bytes = Vec::with_capacity(varint::MAX_U64);
        varint::push(&mut bytes, value);
        bytes
    };
    let list: [(&str, Vec<u8>); 20] = [
        ("block.based.table.index.type", 0u32.to_le_bytes().to_vec()),
        ("column.family.id", number(COLUMN_FAMILY_UNKNOWN)),
        ("comparator", b"cockroach_comparator".to_vec()),
        ("compression", numbers.compression.property().as_bytes().to_vec()),
        ("data.size", number(numbers.data_bytes)),
        ("deleted.keys", number(0)),
        ("external_sst_file.global_seqno", 0u64.to_le_bytes().to_vec()),
        ("external_sst_file.version", 2u32.to_le_bytes().to_vec()),
        ("filter.size", number(0)),
        ("format.version", number(0)),
        ("index.size", number(numbers.index_bytes)),
        ("merge.operands", number(0)),
        ("merge.operator", b"nullptr".to_vec()),
        ("num.data.blocks", number(numbers.data_blocks)),
        ("num.entries", number(numbers.entries)),
        ("num.range-deletions", number(0)),
        ("prefix.extractor.name", b"nullptr".to_vec()),
        ("property.collectors", b"[]".to_vec()),
        ("raw.key.size", number(numbers.raw_key_bytes)),
        ("raw.value.size", number(numbers.raw_value_bytes)),
    ];
    let mut block = BlockBuilder::new(PROPERTIES_INTERVAL);
    for (name, value) in &list {
        block.add(format!("rocksdb.{name}").as_bytes(), value);
    }
    block.finish()
}

/// Payload of the metaindex block.
pub(crate) fn metaindex_payload(properties: BlockHandle) -> Vec<u8> {
    let mut value = Vec::with_capacity(2 * varint::MAX_U64);
    properties.push(&mut value);
    let mut block = BlockBuilder::new(INDEX_INTERVAL);
    block.add(b"rocksdb.properties", &value);
    block.finish()
}

/// Checksum type CRC-32C in the footer.
const CHECKSUM_CRC32C: u8 = 1;
/// Handles and their padding.
const HANDLES_END: usize = 41;
/// RocksDB's magic number as it stands in the file.
const ROCKSDB_MAGIC: [u8; 8] = [0xf7, 0xcf, 0xf4, 0x85, 0xb7, 0x41, 0xe2, 0x88];
const FOOTER_VERSION: u32 = 2;

/// The 53-byte RocksDBv2 footer.
pub(crate) fn footer(metaindex: BlockHandle, index: BlockHandle) -> Vec<u8> {
    let mut out = Vec::with_capacity(53);
    out.push(CHECKSUM_CRC32C);
    metaindex.push(&mut out);
    index.push(&mut out);
    out.resize(HANDLES_END, 0);
    out.extend_from_slice(&FOOTER_VERSION.to_le_bytes());
    out.extend_from_slice(&ROCKSDB_MAGIC);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_of_the_worked_example() {
        let bytes = footer(BlockHandle { offset: 295, length: 32 }, BlockHandle { offset: 68, length: 27 });
        assert_eq!(bytes.len(), 53);
        assert_eq!(bytes[..6], [1, 0xa7, 0x02, 0x20, 0x44, 0x1b]);
        assert!(bytes[6..41].iter().all(|&b| b == 0));
        assert_eq!(bytes[41..], [2, 0, 0, 0, 0xf7, 0xcf, 0xf4, 0x85, 0xb7, 0x41, 0xe2, 0x88]);
    }

    #[test]
    fn property_names_ascend() {
        let numbers = TableNumbers {
            entries: 3,
            raw_key_bytes: 42,
            raw_value_bytes: 6,
            data_blocks: 1,
            data_bytes: 68,
            index_bytes: 32,
            compression: Compression::Snappy,
        };
        let payload = properties_payload(&numbers);
        // One restart, and full names in ascending order.
        assert_eq!(payload[payload.len() - 8..], [0, 0, 0, 0, 1, 0, 0, 0]);
        let (mut at, mut name, mut names) = (0, Vec::new(), Vec::new());
        while at < payload.len() - 8 {
            let [shared, unshared, length] = [0, 1, 2].map(|i| usize::from(payload[at + i]));
            name.truncate(shared);
            name.extend_from_slice(&payload[at + 3..at + 3 + unshared]);
            names.push(name.clone());
            at += 3 + unshared + length;
        }
        assert_eq!(names.len(), 20);
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
