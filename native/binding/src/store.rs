//! The embedded store's functions.

use std::path::Path;

use napi::bindgen_prelude::{BigInt, Either, Env, Null, Uint8Array, Uint8ArraySlice};
use napi_derive::napi;
use spanvault_core::batch::Batch;
use spanvault_core::fault::{Fault, Result as Checked};
use spanvault_store as stores;
use spanvault_store::{FillOptions, MetaPut, ScanMode, ScanOptions};

use crate::faults::{Result, of_node, thrown};
use crate::numbers::{NativeTimestamp, size, small, whole, word};
use crate::packed::NativeBatch;
use crate::scan::NativeScan;

/// A span of user keys.
#[napi(object)]
pub struct NativeSpan {
    /// First key.
    pub key: Uint8Array,
    /// End, exclusive.
    pub end_key: Uint8Array,
}

/// A metadata record to be put, or deleted when it has no value.
#[napi(object)]
pub struct NativeMetaPut {
    /// Name.
    pub key: String,
    /// Content.
    pub value: Either<Uint8Array, Null>,
}

/// A metadata record.
#[napi(object, object_from_js = false)]
pub struct NativeMeta<'env> {
    /// Name.
    pub key: String,
    /// Content.
    pub value: Uint8ArraySlice<'env>,
}

/// A version of a key.
#[napi(object, object_from_js = false)]
pub struct NativeVersion<'env> {
    /// When.
    pub timestamp: NativeTimestamp,
    /// MVCC value.
    pub value: Uint8ArraySlice<'env>,
}

/// Rows to be made; see src/native/contract.ts.
#[napi(object)]
pub struct NativeFill {
    /// Table.
    pub table_id: f64,
    /// First `k`.
    pub first_row: f64,
    /// How many.
    pub rows: f64,
    /// Size of `v`.
    pub value_bytes: f64,
    /// 0 to 1.
    pub compressibility: f64,
    /// Of the noise.
    pub seed: f64,
    /// Timestamp.
    pub wall: BigInt,
    /// Compute them, or 0.
    pub checksums: bool,
}

pub(crate) fn open_store_at(store: f64) -> Checked<std::sync::Arc<stores::Store>> {
    stores::store(small(store, "store handle")?)
}

/// Opens or joins a store.
#[napi(catch_unwind)]
pub fn open_store(directory: String, map_bytes: f64) -> Result<u32> {
    let open = || {
        if directory.is_empty() {
            return Err(Fault::usage("the directory of the embedded store is empty"));
        }
        stores::open_store(Path::new(&directory), size(map_bytes, "map size")?)
    };
    open().map_err(thrown)
}

/// Takes one opening back.
#[napi(catch_unwind)]
pub fn close_store(store: f64) -> Result<()> {
    small(store, "store handle").and_then(stores::close_store).map_err(thrown)
}

/// The newest version of a key.
#[napi(catch_unwind)]
pub fn store_get<'env>(
    env: &'env Env,
    store: f64,
    key: &[u8],
    as_of: NativeTimestamp,
) -> Result<Option<NativeVersion<'env>>> {
    let found = open_store_at(store).and_then(|store| store.get(key, as_of.parse()?)).map_err(thrown)?;
    let Some(version) = found else { return Ok(None) };
    let value = Uint8ArraySlice::copy_from(env, &version.value).map_err(of_node)?;
    Ok(Some(NativeVersion { timestamp: NativeTimestamp::of(version.timestamp), value }))
}

/// One atomic, durable transaction.
#[napi(catch_unwind)]
pub fn store_commit(
    store: f64,
    batch: Option<NativeBatch>,
    clear_spans: Vec<NativeSpan>,
    meta: Vec<NativeMetaPut>,
) -> Result<()> {
    let commit = || {
        let store = open_store_at(store)?;
        let batch = match &batch {
            Some(batch) => Some(Batch::new(&batch.bytes, &batch.offsets, size(batch.count, "count")?)?),
            None => None,
        };
        let clear: Vec<_> = clear_spans.iter().map(|span| (&*span.key, &*span.end_key)).collect();
        let meta: Vec<_> = meta
            .iter()
            .map(|put| MetaPut {
                key: &put.key,
                value: match &put.value {
                    Either::A(value) => Some(&**value),
                    Either::B(_) => None,
                },
            })
            .collect();
        store.commit(batch.as_ref(), &clear, &meta)
    };
    commit().map_err(thrown)
}

/// Bulk put of a sorted batch.
#[napi(catch_unwind)]
pub fn store_ingest(store: f64, bytes: &[u8], offsets: &[u32], count: f64) -> Result<()> {
    let ingest = || open_store_at(store)?.ingest(&Batch::new(bytes, offsets, size(count, "count")?)?);
    ingest().map_err(thrown)
}

/// Makes ingested data durable.
#[napi(catch_unwind)]
pub fn store_sync(store: f64) -> Result<()> {
    open_store_at(store).and_then(|store| store.sync()).map_err(thrown)
}

/// Erases a piece of a span; the key to go on with, or null.
#[napi(catch_unwind)]
pub fn store_erase<'env>(
    env: &'env Env,
    store: f64,
    start_key: &[u8],
    end_key: &[u8],
    limit_bytes: f64,
) -> Result<Option<Uint8ArraySlice<'env>>> {
    let erase = || open_store_at(store)?.erase(start_key, end_key, size(limit_bytes, "limit")?);
    let resume = erase().map_err(thrown)?;
    resume.map(|key| Uint8ArraySlice::copy_from(env, key)).transpose().map_err(of_node)
}

/// A metadata record.
#[napi(catch_unwind)]
pub fn store_meta_get<'env>(env: &'env Env, store: f64, key: String) -> Result<Option<Uint8ArraySlice<'env>>> {
    let value = open_store_at(store).and_then(|store| store.meta_get(&key)).map_err(thrown)?;
    value.map(|value| Uint8ArraySlice::copy_from(env, value)).transpose().map_err(of_node)
}

/// Metadata records by prefix.
#[napi(catch_unwind)]
pub fn store_meta_list<'env>(env: &'env Env, store: f64, prefix: String) -> Result<Vec<NativeMeta<'env>>> {
    let records = open_store_at(store).and_then(|store| store.meta_list(&prefix)).map_err(thrown)?;
    let copied =
        records.into_iter().map(|(key, value)| Ok(NativeMeta { key, value: Uint8ArraySlice::copy_from(env, value)? }));
    copied.collect::<napi::Result<_>>().map_err(of_node)
}

/// A scan of the present state; `mode` is `latest` or `all`. The arguments are those of src/native/contract.ts's
/// `NativeScanOptions`, one by one: a null in an object cannot be told from a wrong value.
#[napi(catch_unwind)]
pub fn store_scan(
    store: f64,
    start_key: &[u8],
    end_key: &[u8],
    as_of: NativeTimestamp,
    after: Option<NativeTimestamp>,
    mode: String,
    drop_tombstones: bool,
) -> Result<NativeScan> {
    let open = || {
        let mode = match mode.as_str() {
            "latest" => ScanMode::Latest,
            "all" => ScanMode::All,
            other => return Err(Fault::usage(format!("scan mode {other:?} is neither latest nor all"))),
        };
        let options = ScanOptions {
            start_key: start_key.to_vec(),
            end_key: end_key.to_vec(),
            as_of: as_of.parse()?,
            after: after.as_ref().map(NativeTimestamp::parse).transpose()?,
            mode,
            drop_tombstones,
        };
        NativeScan::open(open_store_at(store)?, options)
    };
    open().map_err(thrown)
}

/// Ingests rows of a `kv` table; the bytes of their user keys and values.
#[napi(catch_unwind)]
pub fn fill_kv(store: f64, fill: NativeFill) -> Result<f64> {
    let run = || {
        let options = FillOptions {
            table_id: small(fill.table_id, "table id")?,
            first_row: whole(fill.first_row, "first row")?,
            rows: whole(fill.rows, "number of rows")?,
            value_bytes: size(fill.value_bytes, "value size")?,
            compressibility: fill.compressibility,
            seed: whole(fill.seed, "seed")?,
            wall: word(&fill.wall, "wall time")?,
            checksums: fill.checksums,
        };
        stores::fill_kv(&*open_store_at(store)?, &options)
    };
    run().map(|bytes| bytes as f64).map_err(thrown)
}
