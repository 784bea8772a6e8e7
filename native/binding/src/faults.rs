//! Errors: `error.code` is the fault's code, and its details follow the message as JSON (src/native/faults.ts splits them).

use napi_derive::napi;
use spanvault_core::fault::{Code, Fault};

/// Result of an export.
pub(crate) type Result<T> = std::result::Result<T, napi::Error<&'static str>>;

/// Between the sentence and the JSON of the details; no message contains it.
const SEPARATOR: char = '\u{1f}';

/// The error that Node throws.
pub(crate) fn thrown(fault: Fault) -> napi::Error<&'static str> {
    let mut reason = fault.message().replace(SEPARATOR, " ");
    if !fault.details().is_empty() {
        reason.push(SEPARATOR);
        reason.push('{');
        for (index, (name, value)) in fault.details().iter().enumerate() {
            if index > 0 {
                reason.push(',');
            }
            push_json_string(&mut reason, name);
            reason.push(':');
            push_json_string(&mut reason, value);
        }
        reason.push('}');
    }
    napi::Error::new(fault.code().as_str(), reason)
}

/// An error of Node's own functions, which only a defect of this module brings about.
pub(crate) fn of_node(error: napi::Error) -> napi::Error<&'static str> {
    thrown(Fault::internal(format!("node refused a call: {}", error.reason)))
}

fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\u{0}'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", character as u32)),
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// Every code that native code raises, for the test that compares them with the table of src/fault.
#[napi(catch_unwind)]
pub fn native_fault_codes() -> Vec<String> {
    Code::ALL.iter().map(|code| code.as_str().to_owned()).collect()
}

/// Panics, for the test that a panic becomes SV_INTERNAL.
#[napi(catch_unwind)]
pub fn panic_for_test() {
    panic!("asked to panic");
}
