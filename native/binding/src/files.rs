//! Reads of local files, one or many as one task on a thread of Node's own pool, and writes by the calling thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;
use spanvault_core::fault::{Fault, Result as Checked};
use spanvault_store::{FileFault, FilePiece, FileWindow, read_pieces, read_window, write_here};

use crate::faults::{Result, thrown};
use crate::numbers::{small, whole};

/// Why a file was not read; a thrown error would lose what it says on the way from its thread.
#[napi(object, object_from_js = false)]
pub struct NativeFileFault {
    /// One of `system`, `outside`, `notAFile`, `cut` and `panic`.
    pub kind: &'static str,
    /// The system's error number.
    pub errno: Option<f64>,
    /// First byte that is missing.
    pub at: Option<f64>,
    /// Size of the file.
    pub total: Option<f64>,
}

impl NativeFileFault {
    pub(crate) fn of(fault: Option<FileFault>) -> Self {
        let none = NativeFileFault { kind: "panic", errno: None, at: None, total: None };
        match fault {
            None => none,
            Some(FileFault::System(errno)) => NativeFileFault { kind: "system", errno: Some(errno.into()), ..none },
            Some(FileFault::Outside) => NativeFileFault { kind: "outside", ..none },
            Some(FileFault::NotAFile) => NativeFileFault { kind: "notAFile", ..none },
            Some(FileFault::Cut { at, total }) => {
                NativeFileFault { kind: "cut", at: Some(at as f64), total: Some(total as f64), ..none }
            }
        }
    }
}

/// A window of a file, or why there is none.
#[napi(object, object_from_js = false)]
pub struct NativeFileWindow {
    /// Why there is none.
    pub fault: Option<NativeFileFault>,
    /// The bytes.
    pub bytes: Option<Uint8Array>,
    /// Size of the file.
    pub total: Option<f64>,
}

/// Windows of many files; each list has one place per window.
#[napi(object, object_from_js = false)]
pub struct NativeFilePieces {
    /// The bytes of all, one after the other.
    pub bytes: Uint8Array,
    /// Bytes of each window; 0 where there is none.
    pub lengths: Vec<f64>,
    /// Size of each file; -1 where there is no window.
    pub totals: Vec<f64>,
    /// Why there is none, in the order of the windows that are not there.
    pub faults: Vec<NativeFileFault>,
}

/// A window of a file to read.
#[napi(object)]
pub struct NativeFilePiece {
    /// Where the file is.
    pub path: String,
    /// First byte; counted from the end where it is negative.
    pub offset: f64,
    /// Most bytes; to the end where it is negative.
    pub length: f64,
}

/// A read that waits for its thread.
pub struct WindowRead {
    root: PathBuf,
    piece: FilePiece,
}

/// No `catch_unwind` of an export stands around a task; what the work leaves behind when it panics is dropped with it.
pub(crate) fn caught<T>(
    work: impl FnOnce() -> std::result::Result<T, FileFault>,
) -> std::result::Result<T, Option<FileFault>> {
    catch_unwind(AssertUnwindSafe(work)).map_or(Err(None), |result| result.map_err(Some))
}

impl Task for WindowRead {
    type Output = std::result::Result<FileWindow, Option<FileFault>>;
    type JsValue = NativeFileWindow;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(caught(|| read_window(&self.root, &self.piece.path, self.piece.offset, self.piece.length)))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<NativeFileWindow> {
        Ok(match output {
            Ok(FileWindow { bytes, total }) => {
                NativeFileWindow { fault: None, bytes: Some(Uint8Array::from(bytes)), total: Some(total as f64) }
            }
            Err(fault) => NativeFileWindow { fault: Some(NativeFileFault::of(fault)), bytes: None, total: None },
        })
    }
}

/// Reads that wait for their thread.
pub struct PiecesRead {
    root: PathBuf,
    pieces: Vec<FilePiece>,
}

impl Task for PiecesRead {
    type Output = Vec<std::result::Result<FileWindow, Option<FileFault>>>;
    type JsValue = NativeFilePieces;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let read = caught(|| Ok(read_pieces(&self.root, &self.pieces)));
        Ok(match read {
            Ok(windows) => windows.into_iter().map(|window| window.map_err(Some)).collect(),
            Err(_) => self.pieces.iter().map(|_| Err(None)).collect(),
        })
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<NativeFilePieces> {
        let mut bytes = Vec::with_capacity(output.iter().flatten().map(|window| window.bytes.len()).sum());
        let (mut lengths, mut totals, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for window in output {
            match window {
                Ok(window) => {
                    bytes.extend_from_slice(&window.bytes);
                    lengths.push(window.bytes.len() as f64);
                    totals.push(window.total as f64);
                }
                Err(fault) => {
                    lengths.push(0.0);
                    totals.push(-1.0);
                    faults.push(NativeFileFault::of(fault));
                }
            }
        }
        Ok(NativeFilePieces { bytes: bytes.into(), lengths, totals, faults })
    }
}

fn piece_of(path: String, offset: f64, length: f64) -> Checked<FilePiece> {
    let distance = i64::try_from(whole(offset.abs(), "offset")?).map_err(|_| Fault::usage("an offset is too large"))?;
    Ok(FilePiece {
        path: path.into(),
        offset: if offset < 0.0 { -distance } else { distance },
        length: if length < 0.0 { None } else { Some(whole(length, "length")?) },
    })
}

/// Reads a window of a file below `root`; a negative offset counts from the end, a negative length reads to it.
#[napi(catch_unwind, ts_return_type = "Promise<NativeFileWindow>")]
pub fn file_read(root: String, path: String, offset: f64, length: f64) -> Result<AsyncTask<WindowRead>> {
    piece_of(path, offset, length).map(|piece| AsyncTask::new(WindowRead { root: root.into(), piece })).map_err(thrown)
}

/// Reads windows of many files below `root`, which should be small, in one go.
#[napi(catch_unwind, ts_return_type = "Promise<NativeFilePieces>")]
pub fn file_read_pieces(root: String, pieces: Vec<NativeFilePiece>) -> Result<AsyncTask<PiecesRead>> {
    pieces
        .into_iter()
        .map(|piece| piece_of(piece.path, piece.offset, piece.length))
        .collect::<Checked<_>>()
        .map(|pieces| AsyncTask::new(PiecesRead { root: root.into(), pieces }))
        .map_err(thrown)
}

/// Writes `bytes` from byte `position` of an open file and lets the disk begin with them; 0, or the system's error number.
#[napi(catch_unwind)]
pub fn file_write_here(descriptor: f64, bytes: &[u8], position: f64) -> Result<f64> {
    let write = || {
        let descriptor = i32::try_from(small(descriptor, "descriptor")?).unwrap_or(-1);
        Ok(write_here(descriptor, bytes, whole(position, "position")?).err().unwrap_or(0).into())
    };
    write().map_err(thrown)
}
