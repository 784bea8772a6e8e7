//! Names of the files below a directory in byte order, some hundreds at a time, as an object store lists them.
//!
//! A listing from JavaScript would hand every directory to a thread and back. Must not read files.

use std::fs::{Metadata, metadata, read_dir};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::local_files::{FileFault, real_root, resolve_below};

/// Directories that one call opens at most, so that it ends in a few milliseconds also where it finds nothing.
const DIRECTORIES_AT_ONCE: usize = 256;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct WalkRequest {
    /// No link leads out of this directory; it may be a link itself.
    pub root: PathBuf,
    /// Names are relative to this directory.
    pub base: PathBuf,
    /// Only names that begin with it.
    pub prefix: String,
    /// Names are cut behind its first occurrence past the prefix, and each cut name is given once.
    pub delimiter: Option<String>,
    /// Only names behind this one.
    pub after: Option<String>,
    /// Components that begin with this are left out.
    pub hidden: String,
}

/// One object.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name, or that of all that share it up to the delimiter.
    pub name: String,
    /// Size and time of last writing in milliseconds since 1970; `None` for a cut name.
    pub file: Option<(u64, i64)>,
}

/// What one call found.
#[derive(Debug, Default)]
pub struct WalkPage {
    /// In byte order of names.
    pub found: Vec<Found>,
    /// Nothing follows.
    pub done: bool,
}

/// An entry of a directory; names of directories end with a slash, as they sort.
#[derive(Debug)]
struct Entry {
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(u64, i64),
    Directory { linked: bool },
}

/// A directory that is being walked.
#[derive(Debug)]
struct Level {
    /// With a trailing slash, or empty.
    name: String,
    /// Links resolved: tells cycles.
    real: PathBuf,
    /// All names below are cut to one: a single object is enough, and its size does not count.
    cut: bool,
    /// Not visited yet; the last comes first.
    entries: Vec<Entry>,
}

/// A listing that goes on from call to call.
#[derive(Debug)]
pub struct Walk {
    request: WalkRequest,
    root: PathBuf,
    levels: Vec<Level>,
    /// The name given last.
    last: Option<String>,
    begun: bool,
}

impl Walk {
    /// A listing before its first name.
    #[must_use]
    pub fn new(request: WalkRequest) -> Self {
        Walk { request, root: PathBuf::new(), levels: Vec::new(), last: None, begun: false }
    }

    /// The next names, about `most` at most; a page may be empty and not the last.
    ///
    /// # Errors
    /// [`FileFault`] of a directory that cannot be read; one that is not there, or not there any more, holds nothing.
    pub fn next(&mut self, most: usize) -> Result<WalkPage, FileFault> {
        if !self.begun {
            self.begin()?;
        }
        let mut page = WalkPage::default();
        let mut opened = 0;
        while page.found.len() < most && opened < DIRECTORIES_AT_ONCE {
            let Some(level) = self.levels.last_mut() else {
                page.done = true;
                break;
            };
            let Some(entry) = level.entries.pop() else {
                self.levels.pop();
                continue;
            };
            let (name, real) = (format!("{}{}", level.name, entry.name), level.real.join(&entry.name));
            let directory = matches!(entry.kind, Kind::Directory { .. });
            if !self.wants(&name, directory) {
                continue;
            }
            match entry.kind {
                Kind::File(bytes, modified_ms) => self.give(name, (bytes, modified_ms), &mut page),
                Kind::Directory { linked } => {
                    self.enter(name, real, linked)?;
                    opened += 1;
                }
            }
        }
        Ok(page)
    }

    /// Only the directory part of the prefix is descended into directly; the rest filters.
    fn begin(&mut self) -> Result<(), FileFault> {
        self.begun = true;
        let prefix = &self.request.prefix;
        let start = prefix.get(..prefix.rfind('/').map_or(0, |at| at + 1)).unwrap_or_default().to_owned();
        let real = self.request.base.join(start.trim_end_matches('/'));
        match real_root(&self.request.root) {
            Ok(root) => self.root = root,
            Err(fault) if is_absent(fault) => return Ok(()),
            Err(fault) => return Err(fault),
        }
        self.enter(start, real, true)
    }

    fn wants(&self, name: &str, directory: bool) -> bool {
        let prefix = self.request.prefix.as_str();
        if !(name.starts_with(prefix) || directory && prefix.starts_with(name)) {
            return false;
        }
        // All names of a directory that sorts before `after`, and is none of its own, do too.
        self.request.after.as_deref().is_none_or(|after| name > after || (directory && after.starts_with(name)))
    }

    /// Where a name is cut: behind the first delimiter past the prefix.
    fn cut_of(&self, name: &str) -> Option<usize> {
        let delimiter = self.request.delimiter.as_deref().filter(|text| !text.is_empty())?;
        let rest = name.strip_prefix(self.request.prefix.as_str())?;
        Some(self.request.prefix.len() + rest.find(delimiter)? + delimiter.len())
    }

    fn give(&mut self, mut name: String, file: (u64, i64), page: &mut WalkPage) {
        while self.levels.last().is_some_and(|level| level.cut) {
            self.levels.pop();
        }
        let cut = self.cut_of(&name).filter(|&at| at < name.len());
        if let Some(at) = cut {
            name.truncate(at);
            if self.last.as_deref() == Some(name.as_str()) {
                return;
            }
        }
        self.last = Some(name.clone());
        page.found.push(Found { name, file: cut.is_none().then_some(file) });
    }

    /// Begins a directory; nothing where it is gone, is none, or is one of those around it.
    fn enter(&mut self, name: String, path: PathBuf, linked: bool) -> Result<(), FileFault> {
        // What is no link lies below a directory that is resolved.
        let real = if linked { resolve_below(&self.root, &path) } else { Ok(path) };
        let cut = self.cut_of(&name).is_some();
        let read = real.and_then(|real| Ok((self.read(&real, cut)?, real)));
        let (entries, real) = match read {
            Ok(read) => read,
            Err(fault) if is_absent(fault) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        if !self.levels.iter().any(|level| level.real == real) {
            self.levels.push(Level { name, real, cut, entries });
        }
        Ok(())
    }

    /// What a directory holds, the last name first; of one whose names are cut only a file, if it holds one.
    fn read(&self, real: &Path, cut: bool) -> Result<Vec<Entry>, FileFault> {
        let mut entries = Vec::new();
        for entry in read_dir(real)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&self.request.hidden) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                entries.push(Entry { name: name + "/", kind: Kind::Directory { linked: false } });
            } else if kind.is_file() && cut {
                return Ok(vec![Entry { name, kind: Kind::File(0, 0) }]);
            } else if kind.is_file() || kind.is_symlink() {
                let Some(info) = metadata_if_there(&entry.path())? else { continue };
                if info.is_dir() {
                    entries.push(Entry { name: name + "/", kind: Kind::Directory { linked: true } });
                } else if info.is_file() {
                    let modified_ms = info.mtime().saturating_mul(1000).saturating_add(info.mtime_nsec() / 1_000_000);
                    entries.push(Entry { name, kind: Kind::File(info.len(), modified_ms) });
                }
            }
        }
        entries.sort_unstable_by(|a, b| b.name.cmp(&a.name));
        Ok(entries)
    }
}

fn is_absent(fault: FileFault) -> bool {
    matches!(fault, FileFault::System(libc::ENOENT | libc::ENOTDIR))
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
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn of(names: &[&str]) -> Self {
            let tree = Tree(tempfile::tempdir().expect("a directory"));
            for name in names {
                let path = tree.0.path().join("base").join(name);
                create_dir_all(path.parent().expect("a parent")).expect("directories");
                write(path, name).expect("a file");
            }
            tree
        }

        fn list(&self, most: usize, change: impl FnOnce(&mut WalkRequest)) -> Result<Vec<Found>, FileFault> {
            let (root, base) = (self.0.path().to_owned(), self.0.path().join("base"));
            let mut request = WalkRequest { root, base, hidden: ".hidden-".to_owned(), ..WalkRequest::default() };
            change(&mut request);
            let mut walk = Walk::new(request);
            let mut found = Vec::new();
            loop {
                let page = walk.next(most)?;
                assert!(page.found.len() <= most);
                found.extend(page.found);
                if page.done {
                    return Ok(found);
                }
            }
        }

        fn names(&self, most: usize, change: impl FnOnce(&mut WalkRequest)) -> Vec<String> {
            self.list(most, change).expect("a listing").into_iter().map(|found| found.name).collect()
        }
    }

    #[test]
    fn pages_hold_names_in_byte_order() {
        let sorted = ["a", "b-c", "b/a", "b/c/d", "b/c0", "b0", "\u{e9}", "\u{1f600}"];
        let tree = Tree::of(&["b0", "b/c/d", "\u{1f600}", "b/a", "a", "b-c", "b/c0", "\u{e9}", ".hidden-x", "b/.hidden-y"]);
        for most in [1, 3, 100] {
            assert_eq!(tree.names(most, |_| {}), sorted);
            assert_eq!(tree.names(most, |request| request.prefix = "b/c".to_owned()), ["b/c/d", "b/c0"]);
            assert_eq!(tree.names(most, |request| request.prefix = "b/".to_owned()), ["b/a", "b/c/d", "b/c0"]);
            for (at, after) in sorted.iter().enumerate() {
                assert_eq!(tree.names(most, |request| request.after = Some((*after).to_owned())), sorted[at + 1..]);
            }
        }
        let found = tree.list(9, |request| request.prefix = "b/c/".to_owned()).expect("a listing");
        let (bytes, modified_ms) = found[0].file.expect("a file");
        assert_eq!((found.len(), bytes), (1, 5));
        assert!(modified_ms > 1_600_000_000_000);
        assert!(tree.names(9, |request| request.prefix = "none/".to_owned()).is_empty());
        assert!(tree.names(9, |request| request.base.push("a")).is_empty());
        assert!(tree.names(9, |request| request.root.push("none")).is_empty());
    }

    #[test]
    fn names_are_cut_behind_a_delimiter_and_given_once() {
        let tree = Tree::of(&["1/data/a/b", "1/data/c", "1/meta", "2/da", "2/db", "d/x", "e/empty/f"]);
        std::fs::remove_file(tree.0.path().join("base/e/empty/f")).expect("a file");
        let delimiter = |text: &'static str| move |request: &mut WalkRequest| request.delimiter = Some(text.to_owned());
        for most in [1, 100] {
            assert_eq!(tree.names(most, delimiter("d")), ["1/d", "1/meta", "2/d", "d"]);
            assert_eq!(tree.names(most, delimiter("/")), ["1/", "2/", "d/"]);
        }
        let found = tree.list(9, delimiter("d")).expect("a listing");
        assert!(found[0].file.is_none() && found[1].file.is_some());
    }

    #[test]
    fn links_are_followed_inside_of_the_root_only() {
        let tree = Tree::of(&["real/f"]);
        let base = tree.0.path().join("base");
        symlink(base.join("real"), base.join("linked")).expect("linked");
        symlink(&base, base.join("real/up")).expect("up");
        symlink(base.join("nowhere"), base.join("dangling")).expect("dangling");
        assert_eq!(tree.names(9, |_| {}), ["linked/f", "real/f"]);
        assert_eq!(tree.list(9, |request| request.root = base.join("linked")), Err(FileFault::Outside));
        assert_eq!(tree.names(9, |request| request.root = tree.0.path().join("base/linked/up")), ["linked/f", "real/f"]);
    }
}
