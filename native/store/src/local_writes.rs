//! Writing at a position of a file that is open elsewhere, by the thread that has the bytes.
//!
//! A thread that has just made bytes has them in its cache, and needs nobody to be woken: on a machine whose processors all
//! work, handing them to another thread costs more than the write. Must not open, close or name files.

/// Writes all of `bytes` from byte `offset` on, and asks the system to begin bringing them to the disk, without waiting for
/// that: the disk then works while the next bytes are made, and a sync at the end finds little left to do. Not durable.
///
/// # Errors
/// The system's error number; also of a write that the disk refused as it began.
pub fn write_here(descriptor: i32, bytes: &[u8], offset: u64) -> Result<(), i32> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let at = libc::off_t::try_from(offset.saturating_add(done as u64)).map_err(|_| libc::EFBIG)?;
        // SAFETY: the system reads `rest.len()` bytes behind `rest`, which are borrowed here, and refuses a descriptor that
        // is not open.
        let written = unsafe { libc::pwrite(descriptor, rest.as_ptr().cast(), rest.len(), at) };
        match usize::try_from(written) {
            Ok(0) => return Err(libc::EIO),
            Ok(count) => done += count,
            Err(_) => match last_error() {
                libc::EINTR => {}
                errno => return Err(errno),
            },
        }
    }
    begin_writing(descriptor, offset, bytes.len())
}

#[cfg(target_os = "linux")]
fn begin_writing(descriptor: i32, offset: u64, length: usize) -> Result<(), i32> {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else { return Err(libc::EFBIG) };
    // SAFETY: the call takes numbers only.
    let outcome = unsafe { libc::sync_file_range(descriptor, offset, length, libc::SYNC_FILE_RANGE_WRITE) };
    match if outcome == 0 { 0 } else { last_error() } {
        // A file system that has no such call loses a head start, nothing else.
        0 | libc::ENOSYS | libc::EINVAL | libc::ESPIPE => Ok(()),
        errno => Err(errno),
    }
}

#[cfg(not(target_os = "linux"))]
fn begin_writing(_descriptor: i32, _offset: u64, _length: usize) -> Result<(), i32> {
    Ok(())
}

fn last_error() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

#[cfg(test)]
mod tests {
    use super::write_here;
    use std::os::fd::AsRawFd;

    #[test]
    fn bytes_go_where_they_belong_and_errors_are_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let file = std::fs::File::create(&path).expect("creates");
        assert_eq!(write_here(file.as_raw_fd(), b"world", 6), Ok(()));
        assert_eq!(write_here(file.as_raw_fd(), b"hello ", 0), Ok(()));
        assert_eq!(write_here(file.as_raw_fd(), b"", 3), Ok(()));
        assert_eq!(std::fs::read(&path).expect("reads"), b"hello world");
        let reader = std::fs::File::open(&path).expect("opens");
        assert_eq!(write_here(reader.as_raw_fd(), b"x", 0), Err(libc::EBADF));
        assert_eq!(write_here(file.as_raw_fd(), b"x", u64::MAX), Err(libc::EFBIG));
        if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
            assert_eq!(write_here(full.as_raw_fd(), b"x", 0), Err(libc::ENOSPC));
        }
    }
}
