//! A merge that reads files of this machine itself: what it needs of them is fetched by the thread that merges.
//!
//! From JavaScript each window would cost a task on another thread and memory of its own, several times what it takes to read
//! some hundred kilobytes that the system holds; so windows here may be small, and hundreds of files take little memory. Must
//! not choose what is merged, and leaves files of other stores to its caller.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spanvault_core::cursor::MergeFile;
use spanvault_core::fault::Fault;
use spanvault_core::merge::{LayerMerge, MergeStep, Need};

use crate::local_files::{FileFault, real_root, resolve_below};

/// Bytes that are handed in before the merge is asked again what it needs: the ends of hundreds of files that are opened together
/// are not held together.
const FEED_BYTES: u64 = 1 << 20;
/// After a window of at least this size the system is asked to begin with the next one.
const AHEAD_BYTES: u64 = 256 << 10;

/// A file of this machine.
#[derive(Debug)]
struct LocalFile {
    /// Links resolved.
    real: PathBuf,
    reads: LocalReads,
}

/// What was read of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocalReads {
    /// Windows.
    pub reads: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long that took.
    pub time: Duration,
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub enum LocalStep {
    /// As the merge told it; needs are of files that are not of this machine.
    Step(MergeStep),
    /// A file cannot be read (any more).
    Failed {
        /// Its number.
        file: usize,
        /// Why.
        fault: FileFault,
    },
}

/// A merge over files of this machine and others.
pub struct LocalMerge {
    merge: LayerMerge,
    /// By the file's number; `None` for one of another store.
    files: Vec<Option<LocalFile>>,
    window: Vec<u8>,
}

impl LocalMerge {
    /// A merge without files.
    #[must_use]
    pub fn new(merge: LayerMerge) -> Self {
        LocalMerge { merge, files: Vec::new(), window: Vec::new() }
    }

    /// The merge, for its counters and for bytes of files of other stores.
    pub fn merge_mut(&mut self) -> &mut LayerMerge {
        &mut self.merge
    }

    /// Adds a file of another store; its number.
    ///
    /// # Errors
    /// As [`LayerMerge::add_file`].
    pub fn add_file(&mut self, file: MergeFile) -> Result<usize, Fault> {
        self.files.push(None);
        self.merge.add_file(file)
    }

    /// Adds a file of this machine below `root`, whose size is looked up; the size, or why it cannot be read.
    ///
    /// # Errors
    /// As [`LayerMerge::add_file`].
    pub fn add_local(&mut self, file: MergeFile, root: &Path, path: &Path) -> Result<Result<u64, FileFault>, Fault> {
        let find = || -> Result<(PathBuf, u64), FileFault> {
            let real = resolve_below(&real_root(root)?, path)?;
            let info = real.metadata()?;
            if info.is_file() { Ok((real, info.len())) } else { Err(FileFault::NotAFile) }
        };
        let (real, file_bytes) = match find() {
            Ok(found) => found,
            Err(fault) => return Ok(Err(fault)),
        };
        self.files.push(Some(LocalFile { real, reads: LocalReads::default() }));
        self.merge.add_file(MergeFile { file_bytes, ..file })?;
        Ok(Ok(file_bytes))
    }

    /// What was read of each file, by its number.
    pub fn reads(&self) -> impl Iterator<Item = LocalReads> + '_ {
        self.files.iter().map(|file| file.as_ref().map_or_else(LocalReads::default, |file| file.reads))
    }

    /// As [`LayerMerge::next_behind`]. Ends with a batch also where more could be read.
    ///
    /// # Errors
    /// As [`LayerMerge::next_behind`].
    pub fn next_behind(&mut self, bytes: &mut [u8], offsets: &mut [u32], held: usize) -> Result<LocalStep, Fault> {
        loop {
            let step = self.merge.next_behind(bytes, offsets, held)?;
            let MergeStep::Need(needs) = step else { return Ok(LocalStep::Step(step)) };
            let mut others = Vec::new();
            let mut fed = 0;
            for need in needs {
                if !matches!(self.files.get(need.file), Some(Some(_))) {
                    others.push(need);
                } else if fed < FEED_BYTES {
                    fed += need.length;
                    if let Err(fault) = self.feed(need)? {
                        return Ok(LocalStep::Failed { file: need.file, fault });
                    }
                }
            }
            if !others.is_empty() {
                return Ok(LocalStep::Step(MergeStep::Need(others)));
            }
        }
    }

    /// Reads a window and hands it in.
    fn feed(&mut self, need: Need) -> Result<Result<(), FileFault>, Fault> {
        let Some(Some(file)) = self.files.get_mut(need.file) else { return Ok(Ok(())) };
        let begin = Instant::now();
        let read = file.read(need, &mut self.window);
        file.reads.time += begin.elapsed();
        if let Err(fault) = read {
            return Ok(Err(fault));
        }
        file.reads.reads += 1;
        file.reads.bytes += need.length;
        self.merge.feed(need.file, need.offset, &self.window)?;
        Ok(Ok(()))
    }
}

impl LocalFile {
    /// Opened anew for each window: hundreds of files of a chain would otherwise be open in each thread.
    fn read(&self, need: Need, window: &mut Vec<u8>) -> Result<(), FileFault> {
        let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(&self.real)?;
        let length = usize::try_from(need.length).map_err(|_| FileFault::System(libc::ENOMEM))?;
        // Exactly as long: the merge takes no more than it asked for.
        window.resize(length, 0);
        let mut done = 0;
        while let Some(rest) = window.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, need.offset + done as u64) {
                Ok(0) => return Err(FileFault::Cut { at: need.offset + done as u64, total: need.offset + need.length }),
                Ok(read) => done += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if need.length >= AHEAD_BYTES {
            ask_for(&file, need.offset + need.length, need.length);
        }
        Ok(())
    }
}

/// Asks the system to read bytes of a file that are needed soon; it may as well not.
fn ask_for(file: &File, offset: u64, length: u64) {
    if let (Ok(offset), Ok(length)) = (offset.try_into(), length.try_into()) {
        // SAFETY: the descriptor is open while `file` is borrowed, and the call takes no memory of ours.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), offset, length, libc::POSIX_FADV_WILLNEED) };
    }
}
