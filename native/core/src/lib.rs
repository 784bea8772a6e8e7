//! The hot path of Spanvault in pure Rust: SST encoding and decoding, merge, codecs, MVCC keys and values.
//!
//! Owns every byte format below the manifest. Must not do I/O, read a clock, start a thread or know of Node: callers
//! hand in bytes and output memory and get bytes and numbers back. Bytes from files are untrusted; no input may panic.

pub mod batch;
pub mod block_builder;
pub mod block_iter;
pub mod checksum;
pub mod codec;
pub mod columnar;
pub mod cursor;
pub mod engine_key;
pub mod fault;
pub mod flaw;
pub mod footer;
pub mod merge;
pub mod properties;
pub mod properties_writer;
pub mod reader;
pub mod rewrite;
pub mod row_boundary;
pub mod sst_writer;
pub mod value;
pub mod varint;
pub mod verify;

pub use fault::{Code, Fault};
