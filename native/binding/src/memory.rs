//! Objects of `memory://`, and memory that is free.

use napi::bindgen_prelude::{Env, Uint8ArraySlice};
use napi_derive::napi;
use spanvault_store::memory_objects;

use crate::faults::{Result, of_node, thrown};
use crate::numbers::size;

/// Stores an object; false when `if_absent` and there is one.
#[napi(catch_unwind)]
pub fn memory_put(bucket: String, name: String, bytes: &[u8], if_absent: bool) -> bool {
    memory_objects().put(&bucket, &name, bytes, if_absent)
}

/// A window of an object, copied into memory that JavaScript owns.
#[napi(catch_unwind)]
pub fn memory_get<'env>(
    env: &'env Env,
    bucket: String,
    name: String,
    offset: f64,
    length: f64,
) -> Result<Option<Uint8ArraySlice<'env>>> {
    let Some(object) = memory_objects().get(&bucket, &name) else { return Ok(None) };
    let start = size(offset, "offset").map_err(thrown)?.min(object.len());
    let rest = &object[start..];
    let window = if length == -1.0 { rest } else { &rest[..size(length, "length").map_err(thrown)?.min(rest.len())] };
    Uint8ArraySlice::copy_from(env, window).map(Some).map_err(of_node)
}

/// Size of an object in bytes.
#[napi(catch_unwind)]
pub fn memory_size(bucket: String, name: String) -> Option<f64> {
    memory_objects().size(&bucket, &name).map(|size| size as f64)
}

/// True when there was such an object.
#[napi(catch_unwind)]
pub fn memory_delete(bucket: String, name: String) -> bool {
    memory_objects().delete(&bucket, &name)
}

/// Names in byte order.
#[napi(catch_unwind)]
pub fn memory_list(bucket: String, prefix: String, start_after: String, limit: f64) -> Result<Vec<String>> {
    let limit = size(limit, "limit").map_err(thrown)?;
    Ok(memory_objects().list(&bucket, &prefix, &start_after, limit))
}

/// Gives free memory of the allocator back to the system.
#[napi(catch_unwind)]
pub fn release_free_memory() {
    spanvault_store::release_free_memory();
}
