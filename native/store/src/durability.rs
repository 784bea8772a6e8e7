//! Durability: when a transaction is on disk, and what a power failure leaves.
//!
//! Commits of `storeCommit` are synced by LMDB itself: data pages first, then the page that names them, so a power
//! failure leaves either the old or the new state. Bulk ingest would spend its time in those syncs, so it runs
//! *relaxed*: nothing is synced, and the operating system may write the naming page before the data. LMDB alone would
//! be left damaged by a power failure then. Therefore a relaxed period begins with a *steady point*:
//!
//! 1. everything committed so far is on disk;
//! 2. a read transaction pins that snapshot, so that LMDB reuses none of its pages;
//! 3. the two meta pages are copied into the side file `unsynced`, with the identity of this boot, and synced.
//!
//! A sync moves the steady point forward or ends the period. When a store is opened and finds a side file of another
//! boot, power was lost while relaxed: the saved meta pages are written back, which is the store as it was at the
//! steady point, every page of which is intact. A side file of this boot means that only a process died; the page cache
//! still holds all that it wrote, so a sync is enough. A locked side file belongs to a living process and is left alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use heed::{Env, EnvFlags, FlagSetMode, RoTxn, WithoutTls};

use crate::fault::{Doing, Result, corrupt_store};

/// Size of a meta page; LMDB takes the page size of the system that created the file, and the two come first.
const META_BYTES: usize = 2 * 4096;
const BOOT_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"svsteady";

/// Bytes ingested after which the steady point is moved forward without being asked.
pub(crate) const UNSYNCED_LIMIT: u64 = 1 << 30;

/// The state of the one writer of this process.
#[derive(Default)]
pub(crate) struct Durability {
    relaxed: Option<Steady>,
    /// Bytes committed since the steady point.
    pub(crate) unsynced: u64,
}

/// A steady point that is in force.
struct Steady {
    _pin: RoTxn<'static, WithoutTls>,
    /// Holds the lock that tells other processes that this one lives.
    _side: File,
}

/// A snapshot that can become the steady point once it is on disk.
pub(crate) struct Candidate {
    pin: RoTxn<'static, WithoutTls>,
    meta: Vec<u8>,
    unsynced: u64,
}

impl Durability {
    /// True between the first relaxed commit and the sync that ends the period.
    pub(crate) fn is_relaxed(&self) -> bool {
        self.relaxed.is_some()
    }

    /// Begins a relaxed period unless one runs. Call under the writer's lock.
    pub(crate) fn relax(&mut self, env: &Env<WithoutTls>) -> Result<()> {
        if self.relaxed.is_some() {
            return Ok(());
        }
        self.relaxed = Some(self.candidate(env)?.write(env.path())?);
        set_no_sync(env, FlagSetMode::Enable)
    }

    /// The present state, to be synced and then handed to `advance`. Call under the writer's lock.
    pub(crate) fn candidate(&self, env: &Env<WithoutTls>) -> Result<Candidate> {
        // The pin comes first: the meta pages read after it name this snapshot or, if another process has just made a
        // durable commit, a later one, whose pages the pin protects as well.
        let pin = env.clone().static_read_txn().doing("pin a snapshot")?;
        let mut meta = vec![0; META_BYTES];
        let mut file = File::open(data_path(env.path())).doing("open the data file")?;
        file.read_exact(&mut meta).doing("read the meta pages")?;
        Ok(Candidate { pin, meta, unsynced: self.unsynced })
    }

    /// Makes a synced candidate the steady point, or ends the period when nothing was written since.
    /// Call under the writer's lock.
    pub(crate) fn advance(&mut self, env: &Env<WithoutTls>, candidate: Candidate) -> Result<()> {
        if candidate.pin.id() == env.info().last_txn_id {
            return self.end(env);
        }
        self.unsynced -= candidate.unsynced;
        self.relaxed = Some(candidate.write(env.path())?);
        Ok(())
    }

    /// Ends the relaxed period; everything committed must be on disk. Call under the writer's lock.
    pub(crate) fn end(&mut self, env: &Env<WithoutTls>) -> Result<()> {
        set_no_sync(env, FlagSetMode::Disable)?;
        remove_side_file(env.path())?;
        // Only now may pages of the old steady point be reused.
        self.relaxed = None;
        self.unsynced = 0;
        Ok(())
    }
}

impl Candidate {
    /// Writes the side file, replacing an older one in one step.
    fn write(self, directory: &Path) -> Result<Steady> {
        let next = directory.join("unsynced.next");
        let mut side =
            OpenOptions::new().write(true).create(true).truncate(true).open(&next).doing("write the side file")?;
        side.try_lock().map_err(std::io::Error::from).doing("lock the side file")?;
        let mut content = Vec::with_capacity(MAGIC.len() + BOOT_BYTES + META_BYTES);
        content.extend_from_slice(MAGIC);
        content.extend_from_slice(&boot_identity());
        content.extend_from_slice(&self.meta);
        side.write_all(&content).doing("write the side file")?;
        side.sync_all().doing("sync the side file")?;
        fs::rename(&next, side_path(directory)).doing("name the side file")?;
        sync_directory(directory)?;
        Ok(Steady { _pin: self.pin, _side: side })
    }
}

/// Brings a store whose last process did not end its relaxed period into a sound state. Call before LMDB opens it.
pub(crate) fn recover(directory: &Path) -> Result<()> {
    let mut side = match OpenOptions::new().read(true).write(true).open(side_path(directory)) {
        Ok(side) => side,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).doing("open the side file"),
    };
    match side.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error).doing("lock the side file"),
    }
    let mut content = Vec::new();
    side.read_to_end(&mut content).doing("read the side file")?;
    let Some((boot, meta)) = parse_side_file(&content) else {
        return Err(corrupt_store(directory, "its side file `unsynced` does not parse"));
    };
    let mut data = OpenOptions::new().write(true).open(data_path(directory)).doing("open the data file")?;
    if boot != boot_identity() {
        data.seek(SeekFrom::Start(0)).doing("restore the meta pages")?;
        data.write_all(meta).doing("restore the meta pages")?;
    }
    data.sync_all().doing("sync the data file")?;
    remove_side_file(directory)
}

fn parse_side_file(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = content.strip_prefix(MAGIC)?;
    let (boot, meta) = rest.split_at_checked(BOOT_BYTES)?;
    (meta.len() == META_BYTES).then_some((boot, meta))
}

/// Text that differs after each start of the machine. Where the system has none, every start counts as a power
/// failure: what was ingested and never synced is then given up, which is all that was promised.
fn boot_identity() -> [u8; BOOT_BYTES] {
    let mut identity = [0; BOOT_BYTES];
    let text = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| format!("{}", std::process::id()).into());
    for (to, from) in identity.iter_mut().zip(text) {
        *to = from;
    }
    identity
}

fn set_no_sync(env: &Env<WithoutTls>, mode: FlagSetMode) -> Result<()> {
    // SAFETY: LMDB wants one caller of set_flags at a time: all callers hold the lock of the store's only writer
    // state. NO_SYNC gives up the order of writes to the disk, which the steady point restores (see the module).
    unsafe { env.set_flags(EnvFlags::NO_SYNC, mode) }.doing("switch syncing")
}

fn remove_side_file(directory: &Path) -> Result<()> {
    match fs::remove_file(side_path(directory)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).doing("remove the side file"),
        _ => sync_directory(directory),
    }
}

fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|directory| directory.sync_all()).doing("sync the directory")
}

fn side_path(directory: &Path) -> PathBuf {
    directory.join("unsynced")
}

/// LMDB's data file.
pub(crate) fn data_path(directory: &Path) -> PathBuf {
    directory.join("data.mdb")
}
