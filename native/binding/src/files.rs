//! Reads of local files, each as one task on a thread of Node's own pool, and writes by the calling thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;
use spanvault_core::fault::{Fault, Result as Checked};
use spanvault_store::{Directory, FileFault, FileWindow, list_directory, read_window, write_here};

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
    fn of(fault: Option<FileFault>) -> Self {
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

/// What a directory holds, or why that is not known.
#[napi(object, object_from_js = false)]
pub struct NativeDirectory {
    /// Why it is not known.
    pub fault: Option<NativeFileFault>,
    /// Where it is, links resolved.
    pub real: Option<String>,
    /// Names of entries.
    pub names: Option<Vec<String>>,
    /// Size of each entry; -1 for a directory.
    pub sizes: Option<Vec<f64>>,
    /// When each file was last written, in milliseconds since 1970; 0 where sizes were not asked for.
    pub modified: Option<Vec<f64>>,
}

/// A read that waits for its thread.
pub struct WindowRead {
    root: PathBuf,
    path: PathBuf,
    offset: i64,
    length: Option<u64>,
}

/// No `catch_unwind` of an export stands around a task; what the work leaves behind when it panics is dropped with it.
fn caught<T>(work: impl FnOnce() -> std::result::Result<T, FileFault>) -> std::result::Result<T, Option<FileFault>> {
    catch_unwind(AssertUnwindSafe(work)).map_or(Err(None), |result| result.map_err(Some))
}

impl Task for WindowRead {
    type Output = std::result::Result<FileWindow, Option<FileFault>>;
    type JsValue = NativeFileWindow;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(caught(|| read_window(&self.root, &self.path, self.offset, self.length)))
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

/// A listing that waits for its thread.
pub struct DirectoryRead {
    root: PathBuf,
    path: PathBuf,
    sizes: bool,
}

impl Task for DirectoryRead {
    type Output = std::result::Result<Directory, Option<FileFault>>;
    type JsValue = NativeDirectory;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(caught(|| list_directory(&self.root, &self.path, self.sizes)))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<NativeDirectory> {
        Ok(match output {
            Ok(Directory { real, entries }) => {
                let sizes = entries.iter().map(|entry| entry.file_bytes.map_or(-1.0, |bytes| bytes as f64)).collect();
                let modified = entries.iter().map(|entry| entry.modified_ms as f64).collect();
                let names = entries.into_iter().map(|entry| entry.name).collect();
                NativeDirectory {
                    fault: None,
                    real: Some(real),
                    names: Some(names),
                    sizes: Some(sizes),
                    modified: Some(modified),
                }
            }
            Err(fault) => {
                let fault = Some(NativeFileFault::of(fault));
                NativeDirectory { fault, real: None, names: None, sizes: None, modified: None }
            }
        })
    }
}

/// Reads a window of a file below `root`; a negative offset counts from the end, a negative length reads to it.
#[napi(catch_unwind, ts_return_type = "Promise<NativeFileWindow>")]
pub fn file_read(root: String, path: String, offset: f64, length: f64) -> Result<AsyncTask<WindowRead>> {
    let begin = || -> Checked<WindowRead> {
        let distance = i64::try_from(whole(offset.abs(), "offset")?).map_err(|_| Fault::usage("an offset is too large"))?;
        Ok(WindowRead {
            root: root.into(),
            path: path.into(),
            offset: if offset < 0.0 { -distance } else { distance },
            length: if length < 0.0 { None } else { Some(whole(length, "length")?) },
        })
    };
    begin().map(AsyncTask::new).map_err(thrown)
}

/// Lists a directory below `root`; sizes of files are only looked up with `sizes`.
#[napi(catch_unwind, ts_return_type = "Promise<NativeDirectory>")]
pub fn directory_read(root: String, path: String, sizes: bool) -> AsyncTask<DirectoryRead> {
    AsyncTask::new(DirectoryRead { root: root.into(), path: path.into(), sizes })
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
