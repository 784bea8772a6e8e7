//! The stores that this process has open, by handle.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use spanvault_core::fault::Fault;

use crate::fault::{Doing, Result};
use crate::store::Store;

#[derive(Default)]
struct Registry {
    last_handle: u32,
    open: HashMap<u32, Entry>,
    /// Also stores whose handle is closed but which a scan still holds: LMDB forbids a second environment of a file.
    by_directory: HashMap<PathBuf, Weak<Store>>,
}

struct Entry {
    store: Arc<Store>,
    directory: PathBuf,
    openers: usize,
}

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the store in `directory` (created when absent), or joins the one that is open. Every call wants its
/// `close_store`. The first opener's `map_bytes` counts.
pub fn open_store(directory: &Path, map_bytes: usize) -> Result<u32> {
    std::fs::create_dir_all(directory).doing("create the directory")?;
    let directory = directory.canonicalize().doing("resolve the directory")?;
    let mut registry = registry();
    if let Some((handle, entry)) = registry.open.iter_mut().find(|(_, entry)| entry.directory == directory) {
        entry.openers += 1;
        return Ok(*handle);
    }
    let held = registry.by_directory.get(&directory).and_then(Weak::upgrade);
    let store = match held {
        Some(store) => store,
        None => Arc::new(Store::open(&directory, map_bytes)?),
    };
    registry.by_directory.retain(|_, held| held.strong_count() > 0);
    registry.by_directory.insert(directory.clone(), Arc::downgrade(&store));
    registry.last_handle += 1;
    let handle = registry.last_handle;
    registry.open.insert(handle, Entry { store, directory, openers: 1 });
    Ok(handle)
}

/// The open store behind a handle.
pub fn store(handle: u32) -> Result<Arc<Store>> {
    registry().open.get(&handle).map(|entry| Arc::clone(&entry.store)).ok_or_else(|| not_open(handle))
}

/// Takes back one `open_store`; the last one closes the handle. What was ingested and not synced is synced first.
pub fn close_store(handle: u32) -> Result<()> {
    let last = {
        let mut registry = registry();
        let entry = registry.open.get_mut(&handle).ok_or_else(|| not_open(handle))?;
        entry.openers -= 1;
        if entry.openers > 0 {
            return Ok(());
        }
        registry.open.remove(&handle)
    };
    // Outside the lock, because a sync may take seconds.
    last.map_or(Ok(()), |entry| entry.store.sync())
}

fn not_open(handle: u32) -> Fault {
    Fault::usage(format!("store handle {handle} is not open")).with("store", handle)
}
