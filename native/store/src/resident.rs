//! Resident memory of the memory map.
//!
//! Pages of the data file that were touched through the map count as resident memory of the process although they are
//! only a view of the page cache. A scan of 10 GB would look like 10 GB. This module gives such pages back after use.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes touched through the map after which they are given back.
pub(crate) const FORGET_BYTES: u64 = 8 << 20;

/// What one search brings in, about: the kernel maps 64 KiB around each page on the way to a leaf that was not mapped.
const SEARCH_BYTES: u64 = 2 * (64 << 10);

/// Where the data file is mapped, as far as that is known.
pub(crate) struct Mapping {
    /// Addresses of the whole map; empty where the operating system does not tell.
    range: Range<usize>,
    /// Estimated bytes touched by point reads and writes since the last `forget_all`.
    touched: AtomicU64,
}

impl Mapping {
    /// Looks for the map of the file with this device and inode in the process's list of maps.
    #[cfg(target_os = "linux")]
    pub(crate) fn find(file: &std::fs::File) -> Self {
        use std::os::unix::fs::MetadataExt;
        let range = file
            .metadata()
            .ok()
            .zip(std::fs::read_to_string("/proc/self/maps").ok())
            .and_then(|(facts, maps)| maps.lines().filter_map(parse_map).find(|map| map.inode == facts.ino()))
            .map_or(0..0, |map| map.range);
        Self { range, touched: AtomicU64::new(0) }
    }

    /// Other systems keep their pages: only Linux promises that MADV_DONTNEED on a shared file map is harmless.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn find(_file: &std::fs::File) -> Self {
        Self { range: 0..0, touched: AtomicU64::new(0) }
    }

    /// Gives back the pages that hold these addresses; they must have been read from the map.
    pub(crate) fn forget(&self, addresses: Range<usize>) {
        #[cfg(target_os = "linux")]
        {
            const PAGE: usize = 4096;
            let start = (addresses.start & !(PAGE - 1)).max(self.range.start);
            let end = addresses.end.next_multiple_of(PAGE).min(self.range.end);
            if start < end {
                // SAFETY: [start, end) lies inside `self.range`, the address range of LMDB's map of the data file,
                // which stays mapped until the environment closes, and a `Store` owns the environment. LMDB maps the
                // file MAP_SHARED and, without MDB_WRITEMAP, PROT_READ: no page of the map is ever dirty or private,
                // so MADV_DONTNEED only removes page-table entries. A later read through any reference into the range
                // faults the same bytes in from the page cache, which holds or re-reads them from the file; therefore
                // the call changes no memory that Rust can observe, and references into it stay valid.
                unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = addresses;
    }

    /// Counts memory touched by an operation that does not know its addresses, and gives back the first
    /// `file_bytes` of the map when it is time.
    pub(crate) fn touch(&self, bytes: u64, file_bytes: impl FnOnce() -> u64) {
        if self.touched.fetch_add(bytes, Ordering::Relaxed) + bytes < FORGET_BYTES {
            return;
        }
        self.touched.store(0, Ordering::Relaxed);
        let length = usize::try_from(file_bytes()).unwrap_or(usize::MAX);
        self.forget(self.range.start..self.range.start.saturating_add(length));
    }
}

#[cfg(target_os = "linux")]
struct MapLine {
    range: Range<usize>,
    inode: u64,
}

/// `start-end perms offset dev inode path`; the data file is mapped from its offset 0.
#[cfg(target_os = "linux")]
fn parse_map(line: &str) -> Option<MapLine> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (perms, offset, _dev, inode) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    (perms == "r--s" && u64::from_str_radix(offset, 16) == Ok(0)).then_some(())?;
    Some(MapLine {
        range: usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?,
        inode: inode.parse().ok()?,
    })
}

/// The smallest range of addresses that a scan has read from the map.
#[derive(Default)]
pub(crate) struct Touched {
    range: Option<Range<usize>>,
    bytes: u64,
}

impl Touched {
    /// Notes a slice that points into the map.
    #[inline]
    pub(crate) fn note(&mut self, key: &[u8], value: &[u8]) {
        let (start, end) = (value.as_ptr() as usize, value.as_ptr() as usize + value.len());
        match &mut self.range {
            Some(range) => {
                range.start = range.start.min(start);
                range.end = range.end.max(end);
            }
            None => self.range = Some(start..end),
        }
        self.bytes += (key.len() + value.len()) as u64;
    }

    /// Notes where a search has led: whoever only searches reads little and maps much.
    pub(crate) fn note_search(&mut self, key: &[u8], value: &[u8]) {
        self.note(key, value);
        self.bytes += SEARCH_BYTES;
    }

    /// Gives the pages back when enough was read.
    pub(crate) fn settle(&mut self, mapping: &Mapping) {
        if self.bytes >= FORGET_BYTES {
            self.release(mapping);
        }
    }

    /// Gives the pages back however few they are: whoever reads in short steps would never read enough in one.
    pub(crate) fn release(&mut self, mapping: &Mapping) {
        self.bytes = 0;
        if let Some(range) = self.range.take() {
            mapping.forget(range);
        }
    }
}
