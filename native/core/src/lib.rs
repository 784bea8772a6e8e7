//! The hot path of Spanvault in pure Rust: SST encoding and decoding, merge, codecs, MVCC keys and values.
//!
//! Owns every byte format below the manifest. Must not do I/O, read a clock, start a thread or know of Node: callers
//! hand in bytes and output memory and get bytes and numbers back. Bytes from files are untrusted; no input may panic.

pub mod ahead;
pub mod batch;
mod block_builder;
pub mod block_iter;
mod block_output;
pub mod bounds;
pub mod ceiling;
pub mod checksum;
pub mod codec;
pub mod columnar;
mod crc32_short;
pub mod crc_change;
pub mod cursor;
mod data_block;
pub mod decompressor;
pub mod emit;
pub mod engine_key;
pub mod entries;
mod entry_bytes;
pub mod entry_list;
pub mod fault;
pub mod flaw;
pub mod footer;
pub mod index;
pub mod key_order;
pub mod merge;
pub mod merge_heap;
pub mod merge_options;
pub mod minlz;
mod neighbour;
pub mod ordered;
pub mod properties;
mod properties_writer;
pub mod range_key;
pub mod reader;
pub mod rewrite;
pub mod row_boundary;
pub mod selection;
mod snappy;
mod snappy_elements;
pub mod source;
pub mod sst_options;
pub mod sst_report;
pub mod sst_writer;
pub mod value;
pub mod value_block;
pub mod varint;
pub mod verify;
pub mod windows;

pub use fault::{Code, Fault};
