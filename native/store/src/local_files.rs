//! Files below a directory that no symbolic link leads out of: a window of one, or of many.
//!
//! Each call does all that it takes in one go: from JavaScript, resolving, opening, measuring, reading and closing would each
//! wait for a thread of Node's pool. Must not write, and must not know what files hold.

use std::fs::{File, canonicalize};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWindow {
    /// The window, clipped to the file.
    pub bytes: Vec<u8>,
    /// Size of the file.
    pub total: u64,
}

/// A window of a file to read.
#[derive(Debug, Clone)]
pub struct FilePiece {
    /// Where the file is.
    pub path: PathBuf,
    /// First byte, counted from the end where it is negative.
    pub offset: i64,
    /// Most bytes; `None` to the end.
    pub length: Option<u64>,
}

/// What `root` leads to: the limit of what is below it.
pub(crate) fn real_root(root: &Path) -> Result<PathBuf, FileFault> {
    Ok(canonicalize(root)?)
}

/// `path` with its links resolved, below a root that is.
pub(crate) fn resolve_below(root: &Path, path: &Path) -> Result<PathBuf, FileFault> {
    let real = canonicalize(path)?;
    if real.starts_with(root) { Ok(real) } else { Err(FileFault::Outside) }
}

/// Bytes of a file from `offset` on, counted from the end where it is negative; at most `length` of them.
///
/// # Errors
/// [`FileFault`].
pub fn read_window(root: &Path, path: &Path, offset: i64, length: Option<u64>) -> Result<FileWindow, FileFault> {
    read_open(File::open(resolve_below(&real_root(root)?, path)?)?, offset, length)
}

/// Windows of many files, each what [`read_window`] would give. Directories are resolved once for neighbours in the list, which
/// costs as much as opening and reading a small file.
#[must_use]
pub fn read_pieces(root: &Path, pieces: &[FilePiece]) -> Vec<Result<FileWindow, FileFault>> {
    let root = match real_root(root) {
        Ok(root) => root,
        Err(fault) => return pieces.iter().map(|_| Err(fault)).collect(),
    };
    let mut read = Vec::with_capacity(pieces.len());
    let mut known: Option<(&Path, Result<PathBuf, FileFault>)> = None;
    for piece in pieces {
        let parent = piece.path.parent().unwrap_or(&root);
        let directory = match known.take().filter(|(path, _)| *path == parent) {
            Some((_, directory)) => directory,
            None => resolve_below(&root, parent),
        };
        read.push(directory.as_ref().map_err(|fault| *fault).and_then(|directory| read_below(&root, directory, piece)));
        known = Some((parent, directory));
    }
    read
}

/// A piece of a file of a directory whose links are resolved.
fn read_below(root: &Path, directory: &Path, piece: &FilePiece) -> Result<FileWindow, FileFault> {
    let name = piece.path.file_name().ok_or(FileFault::NotAFile)?;
    match File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(directory.join(name)) {
        Ok(file) => read_open(file, piece.offset, piece.length),
        // A link: where it leads is to be looked at.
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            read_window(root, &piece.path, piece.offset, piece.length)
        }
        Err(error) => Err(error.into()),
    }
}

fn read_open(mut file: File, offset: i64, length: Option<u64>) -> Result<FileWindow, FileFault> {
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
        create_dir(root.join("d")).expect("d");
        symlink(directory.path(), root.join("d/up")).expect("up");
        let read = |name: &str, offset, length| {
            let window = read_window(&root, &root.join(name), offset, length);
            // Behind a piece of another directory, of the same one, and alone.
            for before in [&["d/none"][..], &["none"], &[]] {
                let piece = |name: &str| FilePiece { path: root.join(name), offset, length };
                let pieces: Vec<_> = before.iter().copied().chain([name]).map(piece).collect();
                assert_eq!(read_pieces(&root, &pieces).pop(), Some(window.clone()), "{name} after {before:?}");
            }
            window.map(|w| (String::from_utf8(w.bytes).expect("text"), w.total))
        };
        assert_eq!(read("d/up/secret", 0, None), Err(FileFault::Outside));
        assert_eq!(read("f", 0, None), Ok(("0123456789".to_owned(), 10)));
        assert_eq!(read("in", 3, Some(4)), Ok(("3456".to_owned(), 10)));
        assert_eq!(read("f", -4, None), Ok(("6789".to_owned(), 10)));
        assert_eq!(read("f", -40, Some(2)), Ok(("01".to_owned(), 10)));
        assert_eq!(read("f", 40, Some(2)), Ok((String::new(), 10)));
        assert_eq!(read("out", 0, None), Err(FileFault::Outside));
        assert_eq!(read("none", 0, None), Err(FileFault::System(libc::ENOENT)));
        assert_eq!(read("f/g", 0, None), Err(FileFault::System(libc::ENOTDIR)));
        assert_eq!(read("d", 0, None), Err(FileFault::NotAFile));
        assert_eq!(read("f\0", 0, None), Err(FileFault::System(libc::EINVAL)));
    }
}
