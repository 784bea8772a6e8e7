//! One open store.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use heed::types::Bytes;
use heed::{Database, Env, EnvOpenOptions, RoTxn, WithoutTls};
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::{Code, Fault, escape_key};

use crate::changes::ChangeTable;
use crate::durability::{Durability, data_path, recover};
use crate::fault::{Doing, Result, corrupt_store};
use crate::order::EngineOrder;
use crate::resident::Mapping;
use crate::thresholds::ThresholdTable;
use crate::weighed::Weighed;

pub(crate) type MvccTable = Database<Bytes, Bytes, EngineOrder>;
pub(crate) type MetaTable = Database<Bytes, Bytes>;

/// Tables of one environment; more than are used, so that a later version can add one to an existing store.
const MAX_TABLES: u32 = 8;
/// Read transactions at one time, of all threads and processes.
const MAX_READERS: u32 = 1022;
/// LMDB's page; a map is a whole number of them, and of the system's.
const MAP_UNIT: usize = 64 << 10;
/// The smallest map that holds an empty store with room to begin.
const MIN_MAP_BYTES: usize = 1 << 20;

/// An open store; shared by all threads.
pub struct Store {
    pub(crate) env: Env<WithoutTls>,
    pub(crate) mvcc: MvccTable,
    pub(crate) meta: MetaTable,
    pub(crate) changes: ChangeTable,
    pub(crate) thresholds: ThresholdTable,
    /// The next change begins a new run of the change index.
    pub(crate) cut: AtomicBool,
    pub(crate) mapping: Mapping,
    pub(crate) weighed: Weighed,
    pub(crate) max_key_bytes: usize,
    data: File,
    writer: Mutex<Durability>,
    syncer: Mutex<()>,
}

impl Store {
    /// Opens or creates the store in `directory`, which is canonical. `map_bytes` is address space, not disk space:
    /// the size that the store can never exceed.
    pub(crate) fn open(directory: &Path, map_bytes: usize) -> Result<Store> {
        // One opener at a time, of all processes, may recover a store or create its tables.
        let gate = File::options().create(true).truncate(false).write(true).open(directory.join("open.lock"));
        let gate = gate.doing("open the lock file")?;
        gate.lock().doing("lock the lock file")?;
        recover(directory)?;
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(map_bytes.max(MIN_MAP_BYTES).next_multiple_of(MAP_UNIT));
        options.max_dbs(MAX_TABLES).max_readers(MAX_READERS);
        // SAFETY: the map is of a file that only LMDB and `recover` write; `recover` runs before any process maps it
        // after a power failure (the gate), and never while the process that made the side file lives (its lock).
        // What other programs do to the file is beyond any process's control; its size is checked below.
        let env = open_env(|| unsafe { options.open(directory) })?;
        check_length(directory, &env)?;
        env.clear_stale_readers().doing("clear dead readers")?;
        let mut txn = env.write_txn().doing("begin to write")?;
        let mut tables = env.database_options().types::<Bytes, Bytes>().key_comparator::<EngineOrder>();
        let mvcc = tables.name("mvcc").create(&mut txn).doing("open the table mvcc")?;
        let meta = env.create_database(&mut txn, Some("meta")).doing("open the table meta")?;
        let indexed: Option<ChangeTable> = env.open_database(&txn, Some("changes")).doing("open the table changes")?;
        let changes = env.create_database(&mut txn, Some("changes")).doing("open the table changes")?;
        let thresholds = env.create_database(&mut txn, Some("thresholds")).doing("open the table thresholds")?;
        let empty = mvcc.is_empty(&txn).doing("open the table mvcc")?;
        txn.commit().doing("create the tables")?;
        let data = File::open(data_path(directory)).doing("open the data file")?;
        let mapping = Mapping::find(&data);
        let max_key_bytes = env.max_key_size();
        let (cut, writer, syncer) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        let weighed = Weighed::default();
        let store =
            Store { env, mvcc, meta, changes, thresholds, cut, mapping, weighed, max_key_bytes, data, writer, syncer };
        // An older store's versions are in no index until its owner says from when on they are.
        if indexed.is_none() && empty {
            store.begin_changes(Timestamp::default())?;
        }
        Ok(store)
    }

    /// A read transaction of its own that sees the present state and nothing later.
    pub(crate) fn snapshot(&self) -> Result<RoTxn<'static, WithoutTls>> {
        self.env.clone().static_read_txn().doing("begin to read")
    }

    /// The lock of this process's writers. A panic while it was held aborted its transaction, and the state behind
    /// the lock changes only after a step has succeeded, so it is sound.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Durability> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every commit that returned before this call durable. Other threads may go on writing meanwhile.
    pub fn sync(&self) -> Result<()> {
        let _one = self.syncer.lock().unwrap_or_else(PoisonError::into_inner);
        let candidate = {
            let writer = self.writer();
            if !writer.is_relaxed() {
                return Ok(());
            }
            writer.candidate(&self.env)?
        };
        self.env.force_sync().doing("sync the data file")?;
        let mut writer = self.writer();
        // A durable commit may have ended the period meanwhile.
        if writer.is_relaxed() { writer.advance(&self.env, candidate) } else { Ok(()) }
    }

    /// Asks the operating system to begin writing what was committed relaxed, and does not wait: the disk then works
    /// while the next batches are made, and a later `sync` finds little left to do. A hint; durability never depends on it.
    pub(crate) fn begin_writing(&self) {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            // SAFETY: the call takes numbers only, and `self.data` keeps the descriptor open.
            unsafe { libc::sync_file_range(self.data.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
        }
    }

    /// As `sync`, with the writer's lock held: afterwards LMDB syncs each commit again.
    pub(crate) fn sync_held(&self, writer: &mut Durability) -> Result<()> {
        if writer.is_relaxed() {
            self.env.force_sync().doing("sync the data file")?;
            writer.end(&self.env)?;
        }
        Ok(())
    }

    /// Counts memory that a point operation touched.
    pub(crate) fn touch(&self, bytes: u64) {
        self.mapping.touch(bytes, || self.data.metadata().map_or(0, |facts| facts.len()));
    }

    /// Refuses a key that LMDB cannot hold.
    #[inline]
    pub(crate) fn check_key_length(&self, key: &[u8]) -> Result<()> {
        if key.len() <= self.max_key_bytes { Ok(()) } else { Err(self.key_too_long(key)) }
    }

    #[cold]
    fn key_too_long(&self, key: &[u8]) -> Fault {
        let (length, limit) = (key.len(), self.max_key_bytes);
        let message =
            format!("key {} of {length} bytes exceeds the embedded store's limit of {limit} bytes", escape_key(key));
        Fault::new(Code::Limit, message).with("length", length).with("limit", limit)
    }
}

/// LMDB would read pages beyond the end of a truncated file and the process would die of SIGBUS.
fn check_length(directory: &Path, env: &Env<WithoutTls>) -> Result<()> {
    let length = fs::metadata(data_path(directory)).doing("measure the data file")?.len();
    let pages = env.info().last_page_number as u64 + 1;
    let wanted = pages * u64::from(env.stat().page_size);
    // The last page of a fresh store is a meta page; later ones are written before the page that names them.
    if length < wanted {
        return Err(corrupt_store(directory, &format!("data.mdb has {length} of {wanted} bytes")));
    }
    Ok(())
}

/// An environment of the same path may still be closing in another thread: waits for that.
fn open_env(mut open: impl FnMut() -> heed::Result<Env<WithoutTls>>) -> Result<Env<WithoutTls>> {
    for _ in 0..200 {
        match open() {
            Err(heed::Error::EnvAlreadyOpened) => std::thread::sleep(Duration::from_millis(5)),
            result => return result.doing("open the files"),
        }
    }
    open().doing("open the files")
}
