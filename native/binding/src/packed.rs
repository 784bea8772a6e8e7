//! Packed batches and other memory of JavaScript.

use napi::bindgen_prelude::{Uint8Array, Uint32Array};
use napi_derive::napi;
use spanvault_core::fault::{Fault, Result as Checked};

/// A packed batch as an object.
#[napi(object)]
pub struct NativeBatch {
    /// Keys and values.
    pub bytes: Uint8Array,
    /// `2 * count + 1` positions.
    pub offsets: Uint32Array,
    /// Number of entries.
    pub count: f64,
}

/// Refuses two arguments that share memory, of which one is written.
pub(crate) fn disjoint<A, B>(written: &[A], other: &[B]) -> Checked<()> {
    let (a, b) = (written.as_ptr_range(), other.as_ptr_range());
    let (a, b) = (a.start as usize..a.end as usize, b.start as usize..b.end as usize);
    if a.start < b.end && b.start < a.end && !a.is_empty() && !b.is_empty() {
        return Err(Fault::usage("two arguments of a native call share memory"));
    }
    Ok(())
}

/// Byte strings of a list that may be left out.
pub(crate) fn copied(list: Option<&[Uint8Array]>) -> Vec<Vec<u8>> {
    list.unwrap_or_default().iter().map(|bytes| bytes.to_vec()).collect()
}
