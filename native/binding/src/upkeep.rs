//! The embedded store's upkeep: the change index and garbage collection.

use napi::bindgen_prelude::{Env, Uint8ArraySlice};
use napi_derive::napi;

use crate::faults::{Result, of_node, thrown};
use crate::numbers::{NativeTimestamp, size, whole};
use crate::store::open_store_at;

/// What a step of a collection did.
#[napi(object, object_from_js = false)]
pub struct NativeCollected<'env> {
    /// Where to go on.
    pub resume_key: Option<Uint8ArraySlice<'env>>,
    /// Versions erased.
    pub versions: f64,
    /// Bytes erased.
    pub bytes: f64,
    /// Bytes looked at.
    pub visited: f64,
}

/// Begins the change index of a store that had none.
#[napi(catch_unwind)]
pub fn store_begin_changes(store: f64, since: NativeTimestamp) -> Result<()> {
    open_store_at(store).and_then(|store| store.begin_changes(since.parse()?)).map_err(thrown)
}

/// Lets the next change begin a new run of the change index.
#[napi(catch_unwind)]
pub fn store_cut_changes(store: f64) -> Result<()> {
    open_store_at(store).map(|store| store.cut_changes()).map_err(thrown)
}

/// Drops what the change index knows of the time up to `through`; whether there is more to drop.
#[napi(catch_unwind)]
pub fn store_forget_changes(store: f64, through: NativeTimestamp, limit: f64) -> Result<bool> {
    let forget = || open_store_at(store)?.forget_changes(through.parse()?, size(limit, "limit")?);
    forget().map_err(thrown)
}

/// The greatest threshold of a span.
#[napi(catch_unwind)]
pub fn store_threshold(store: f64, start_key: &[u8], end_key: &[u8]) -> Result<Option<NativeTimestamp>> {
    let found = open_store_at(store).and_then(|store| store.threshold(start_key, end_key)).map_err(thrown)?;
    Ok(found.map(NativeTimestamp::of))
}

/// Raises the threshold of a span.
#[napi(catch_unwind)]
pub fn store_raise_threshold(store: f64, start_key: &[u8], end_key: &[u8], threshold: NativeTimestamp) -> Result<()> {
    let raise = || open_store_at(store)?.raise_threshold(start_key, end_key, threshold.parse()?);
    raise().map_err(thrown)
}

/// One step of a collection.
#[napi(catch_unwind)]
pub fn store_collect<'env>(
    env: &'env Env,
    store: f64,
    start_key: &[u8],
    end_key: &[u8],
    from: Option<&[u8]>,
    threshold: NativeTimestamp,
    limit_bytes: f64,
) -> Result<NativeCollected<'env>> {
    let collect = || {
        let limit = whole(limit_bytes, "limit")?;
        open_store_at(store)?.collect(start_key, end_key, from, threshold.parse()?, limit)
    };
    let step = collect().map_err(thrown)?;
    let resume_key = step.resume_key.map(|key| Uint8ArraySlice::copy_from(env, key)).transpose().map_err(of_node)?;
    Ok(NativeCollected {
        resume_key,
        versions: step.versions as f64,
        bytes: step.bytes as f64,
        visited: step.visited as f64,
    })
}
