//! The embedded store: MVCC key/value data and a small table of metadata records in one LMDB environment.
//!
//! Owns the environment (opened once per process, shared by all threads through a handle), its durability, its
//! resident memory, and the loops that scan, ingest, erase and measure. Also owns the objects of `memory://`, the other
//! thing that all threads of a process share, and reads of local files in one go. Must not know of Node, of JavaScript values, or of backups: keys and
//! values are engine keys and MVCC values (crdb-format.md 4.1, 4.2) and nothing looks into a value.

mod changed;
mod changes;
mod collect;
mod durability;
mod export;
mod fault;
mod fill;
mod gap;
mod heap;
mod keys;
mod local_files;
mod local_merge;
mod local_walk;
mod local_writes;
mod memory;
mod order;
mod read;
mod registry;
mod resident;
mod scan;
mod stats;
mod store;
mod thresholds;
mod walk;
mod weighed;
mod write;

pub use collect::Collected;
pub use export::{ExportReason, ExportStep};
pub use fill::{FillOptions, fill_kv};
pub use heap::release_free_memory;
pub use local_files::{FileFault, FilePiece, FileWindow, read_pieces, read_window};
pub use local_merge::{LocalMerge, LocalReads, LocalStep};
pub use local_walk::{Found, Walk, WalkPage, WalkRequest};
pub use local_writes::write_here;
pub use memory::{MemoryObjects, memory_objects};
pub use read::Version;
pub use registry::{close_store, open_store, store};
pub use scan::{Scan, ScanMode, ScanOptions, ScanStep};
pub use stats::SpanStats;
pub use store::Store;
pub use write::MetaPut;
