//! Builder of row blocks.
