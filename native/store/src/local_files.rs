//! Files below a directory that no symbolic link leads out of: a window of one, or what a directory holds.
//!
//! Each call does all that it takes in one go: from JavaScript, resolving, opening, measuring, reading and closing would each
//! wait for a thread of Node's pool. Must not write, and must not know what files hold.

use std::fs::{File, Metadata, canonicalize, metadata, read_dir};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a file or a directory was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFault {
    /// The system's error number.
    System(i32),
    /// A symbolic link leads out of the directory.
    Outside,
    /// It is a directory, or another thing that is no file.
    NotAFile,
    /// The file of `total` bytes ended at byte `at`, before the window did.
    Cut {
        /// First byte that is missing.
        at: u64,
        /// Size when it was opened.
        total: u64,
    },
}

impl From<std::io::Error> for FileFault {
    fn from(error: std::io::Error) -> Self {
        // What no system call caused is a path that none can be asked for.
        FileFault::System(error.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

/// Bytes of a file and its size.
#[derive(Debug, PartialEq, Eq)]
pub struct FileWindow {
    /// The window, clipped to the file.
    pub bytes: Vec<u8>,
    /// Size of the file.
    pub total: u64,
}

/// One thing in a directory.
#[derive(Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its name.
    pub name: String,
    /// Size of a file, where it was asked for; `None` for a directory.
    pub file_bytes: Option<u64>,
    /// When a file was last written, in milliseconds since 1970, where sizes were asked for; else 0.
    pub modified_ms: i64,
}

/// What a directory holds, in no order. Links count as what they lead to; what is neither file nor directory is left out.
#[derive(Debug, PartialEq, Eq)]
pub struct Directory {
    /// Where it is, links resolved: tells cycles of links.
    pub real: String,
    /// Its entries.
    pub entries: Vec<DirectoryEntry>,
}

/// `path` with its links resolved. `root` itself may be a link; what it leads to is the limit.
fn resolve(root: &Path, path: &Path) -> Result<PathBuf, FileFault> {
    let root = canonicalize(root)?;
    let real = canonicalize(path)?;
    if real.starts_with(&root) { Ok(real) } else { Err(FileFault::Outside) }
}

/// Bytes of a file from `offset` on, counted from the end where it is negative; at most `length` of them.
///
/// # Errors
/// [`FileFault`].
pub fn read_window(root: &Path, path: &Path, offset: i64, length: Option<u64>) -> Result<FileWindow, FileFault> {
    let mut file = File::open(resolve(root, path)?)?;
    let info = file.metadata()?;
    if !info.is_file() {
        return Err(FileFault::NotAFile);
    }
    let total = info.len();
    let start = if offset < 0 { total.saturating_sub(offset.unsigned_abs()) } else { total.min(offset.unsigned_abs()) };
    let length = length.map_or(total - start, |length| length.min(total - start));
    if start > 0 {
        file.seek(SeekFrom::Start(start))?;
    }
    let mut bytes = Vec::new();
    let room = usize::try_from(length).map_err(|_| FileFault::System(libc::ENOMEM))?;
    bytes.try_reserve_exact(room).map_err(|_| FileFault::System(libc::ENOMEM))?;
    // `take` ends the read where the window does: no further read finds out that there is no more.
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length {
        Ok(FileWindow { bytes, total })
    } else {
        Err(FileFault::Cut { at: start + bytes.len() as u64, total })
    }
}

/// What a directory holds; the sizes of files only with `sizes`, else 0.
///
/// # Errors
/// [`FileFault`]; `ENOTDIR` for a file.
pub fn list_directory(root: &Path, path: &Path, sizes: bool) -> Result<Directory, FileFault> {
    let real = resolve(root, path)?;
    let mut entries = Vec::new();
    for entry in read_dir(&real)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() {
            entries.push(DirectoryEntry { name, file_bytes: None, modified_ms: 0 });
        } else if kind.is_file() && !sizes {
            entries.push(DirectoryEntry { name, file_bytes: Some(0), modified_ms: 0 });
        } else if kind.is_file() || kind.is_symlink() {
            let Some(info) = metadata_if_there(&entry.path())? else { continue };
            if info.is_file() || info.is_dir() {
                let modified_ms = info.mtime().saturating_mul(1000).saturating_add(info.mtime_nsec() / 1_000_000);
                entries.push(DirectoryEntry { name, file_bytes: info.is_file().then_some(info.len()), modified_ms });
            }
        }
    }
    Ok(Directory { real: real.to_string_lossy().into_owned(), entries })
}

/// What a path leads to; `None` when it was removed meanwhile, or is a link that leads nowhere.
fn metadata_if_there(path: &Path) -> Result<Option<Metadata>, FileFault> {
    match metadata(path) {
        Ok(info) => Ok(Some(info)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ELOOP)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, write};
    use std::os::unix::fs::symlink;

    #[test]
    fn reads_windows_and_refuses_what_leads_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        create_dir(&root).expect("root");
        write(root.join("f"), b"0123456789").expect("f");
        write(directory.path().join("secret"), b"secret").expect("secret");
        symlink(directory.path().join("secret"), root.join("out")).expect("out");
        symlink(root.join("f"), root.join("in")).expect("in");
        let read = |name: &str, offset, length| {
            read_window(&root, &root.join(name), offset, length)
                .map(|w| (String::from_utf8(w.bytes).expect("text"), w.total))
        };
        assert_eq!(read("f", 0, None), Ok(("0123456789".to_owned(), 10)));
        assert_eq!(read("in", 3, Some(4)), Ok(("3456".to_owned(), 10)));
        assert_eq!(read("f", -4, None), Ok(("6789".to_owned(), 10)));
        assert_eq!(read("f", -40, Some(2)), Ok(("01".to_owned(), 10)));
        assert_eq!(read("f", 40, Some(2)), Ok((String::new(), 10)));
        assert_eq!(read("out", 0, None), Err(FileFault::Outside));
        assert_eq!(read("none", 0, None), Err(FileFault::System(libc::ENOENT)));
        assert_eq!(read("f/g", 0, None), Err(FileFault::System(libc::ENOTDIR)));
        assert_eq!(read(".", 0, None), Err(FileFault::NotAFile));
        assert_eq!(read("f\0", 0, None), Err(FileFault::System(libc::EINVAL)));
    }

    #[test]
    fn lists_what_links_lead_to() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        create_dir(root.join("d")).expect("d");
        write(root.join("f"), b"0123456789").expect("f");
        symlink(root.join("d"), root.join("to_d")).expect("to_d");
        symlink(root.join("f"), root.join("to_f")).expect("to_f");
        symlink(root.join("nowhere"), root.join("dangling")).expect("dangling");
        let list = |sizes| {
            let mut entries = list_directory(root, root, sizes).expect("a directory").entries;
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            entries.into_iter().map(|entry| (entry.name, entry.file_bytes)).collect::<Vec<_>>()
        };
        let expected = |plain| {
            vec![
                ("d".to_owned(), None),
                ("f".to_owned(), Some(plain)),
                ("to_d".to_owned(), None),
                ("to_f".to_owned(), Some(10)),
            ]
        };
        assert_eq!(list(true), expected(10));
        assert_eq!(list(false), expected(0));
        assert_eq!(list_directory(root, &root.join("f"), true), Err(FileFault::System(libc::ENOTDIR)));
        assert_eq!(list_directory(&root.join("d"), root, true), Err(FileFault::Outside));
    }
}
