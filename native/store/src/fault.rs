//! Errors of LMDB and of the file system as faults.

use std::path::Path;

use heed::MdbError;
use spanvault_core::fault::{Code, Fault};

/// Result of this crate.
pub(crate) type Result<T> = spanvault_core::fault::Result<T>;

/// Adds what was being done to an error of LMDB.
pub(crate) trait Doing<T> {
    /// `what` completes "cannot …".
    fn doing(self, what: &str) -> Result<T>;
}

impl<T> Doing<T> for heed::Result<T> {
    #[inline]
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| of_heed(&error, what))
    }
}

impl<T> Doing<T> for std::io::Result<T> {
    #[inline]
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|error| Fault::new(Code::StorageIo, format!("cannot {what} of the embedded store: {error}")))
    }
}

#[cold]
fn of_heed(error: &heed::Error, what: &str) -> Fault {
    let code = match error {
        heed::Error::Mdb(
            MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::Invalid
            | MdbError::VersionMismatch
            | MdbError::CursorFull
            | MdbError::PageFull
            | MdbError::Incompatible,
        ) => Code::CorruptStore,
        heed::Error::Mdb(MdbError::MapFull | MdbError::ReadersFull | MdbError::BadValSize) => Code::Limit,
        heed::Error::Io(_) | heed::Error::Mdb(MdbError::Panic | MdbError::MapResized) => Code::StorageIo,
        _ => Code::Internal,
    };
    Fault::new(code, format!("cannot {what} of the embedded store: {error}"))
}

/// A store whose files contradict each other.
#[cold]
pub(crate) fn corrupt_store(directory: &Path, reason: &str) -> Fault {
    Fault::new(Code::CorruptStore, format!("the embedded store {} is damaged: {reason}", directory.display()))
        .with("directory", directory.display())
}
