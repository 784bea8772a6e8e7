//! Pebble's columnar blocks, table formats 5 and later (sst-format.md section 7).
//!
//! Columns are validated once, when a block is opened, and kept as positions into it, so that a cursor can own the
//! block. This module must not fetch, check or decompress blocks.

mod column;
mod data_block;
mod frame;
mod prefix_bytes;
mod side_blocks;

pub use data_block::{DataBlock, KeySchema};
pub use side_blocks::{SpanKey, walk_index, walk_pairs, walk_spans};
