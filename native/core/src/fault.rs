//! The one error type of the native crates: a stable code of `src/fault/codes.ts`, one sentence, and details.
//!
//! Owns the codes that native code raises and the escaping of keys in messages. Must not decide what a caller does.

use std::fmt;

/// Codes that native code raises; the strings are those of the table in `src/fault/codes.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// An SST is damaged: footer, block, checksum, order or count.
    CorruptSst,
    /// A key, value or row does not decode, or its checksum is wrong.
    CorruptValue,
    /// The embedded cluster on disk is damaged.
    CorruptStore,
    /// A file is of a format or version that is not read.
    UnsupportedFormat,
    /// A key, value or option exceeds a stated limit.
    Limit,
    /// An argument is wrong.
    Usage,
    /// A time or span is asked for that is not there any more.
    Coverage,
    /// Reading or writing the embedded store failed.
    StorageIo,
    /// A defect of spanvault.
    Internal,
}

impl Code {
    /// Every code, for the test that compares them with the table of the TypeScript side.
    pub const ALL: [Code; 9] = [
        Code::CorruptSst,
        Code::CorruptValue,
        Code::CorruptStore,
        Code::UnsupportedFormat,
        Code::Limit,
        Code::Usage,
        Code::Coverage,
        Code::StorageIo,
        Code::Internal,
    ];

    /// The code as TypeScript knows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::CorruptSst => "SV_CORRUPT_SST",
            Code::CorruptValue => "SV_CORRUPT_VALUE",
            Code::CorruptStore => "SV_CORRUPT_STORE",
            Code::UnsupportedFormat => "SV_UNSUPPORTED_FORMAT",
            Code::Limit => "SV_LIMIT",
            Code::Usage => "SV_USAGE",
            Code::Coverage => "SV_COVERAGE",
            Code::StorageIo => "SV_STORAGE_IO",
            Code::Internal => "SV_INTERNAL",
        }
    }
}

/// An error: what happened to which object, with numbers. Boxed, so that the success path stays one word wide.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault(Box<Body>);

#[derive(Clone, PartialEq, Eq)]
struct Body {
    code: Code,
    message: String,
    details: Vec<(&'static str, String)>,
}

/// Result of every fallible function of the native crates.
pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    /// A fault with one lower-case sentence that names the object and the numbers.
    #[cold]
    pub fn new(code: Code, message: impl Into<String>) -> Fault {
        Fault(Box::new(Body { code, message: message.into(), details: Vec::new() }))
    }

    /// `SV_CORRUPT_SST`.
    #[cold]
    pub fn corrupt_sst(message: impl Into<String>) -> Fault {
        Fault::new(Code::CorruptSst, message)
    }

    /// `SV_CORRUPT_VALUE`.
    #[cold]
    pub fn corrupt_value(message: impl Into<String>) -> Fault {
        Fault::new(Code::CorruptValue, message)
    }

    /// `SV_UNSUPPORTED_FORMAT`.
    #[cold]
    pub fn unsupported(message: impl Into<String>) -> Fault {
        Fault::new(Code::UnsupportedFormat, message)
    }

    /// `SV_LIMIT`.
    #[cold]
    pub fn limit(message: impl Into<String>) -> Fault {
        Fault::new(Code::Limit, message)
    }

    /// `SV_USAGE`.
    #[cold]
    pub fn usage(message: impl Into<String>) -> Fault {
        Fault::new(Code::Usage, message)
    }

    /// `SV_INTERNAL`.
    #[cold]
    pub fn internal(message: impl Into<String>) -> Fault {
        Fault::new(Code::Internal, message)
    }

    /// Adds one detail: a fact for programs, such as `file`, `offset` or `key`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Fault {
        self.0.details.push((name, value.to_string()));
        self
    }

    /// Puts `object: ` in front of the message, as a caller does that knows which file failed.
    #[must_use]
    pub fn within(mut self, object: &str) -> Fault {
        self.0.message = format!("{object}: {}", self.0.message);
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Facts for programs, in the order they were added.
    pub fn details(&self) -> &[(&'static str, String)] {
        &self.0.details
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code().as_str(), self.message())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {:?}", self.details())
    }
}

impl std::error::Error for Fault {}

/// Bytes of a key that a message shows; longer keys are cut.
const SHOWN_KEY_BYTES: usize = 48;

/// A key as messages show it: printable ASCII as is, the rest as `\xNN`, cut after 48 bytes.
pub fn escape_key(key: &[u8]) -> String {
    let mut text = String::with_capacity(key.len().min(SHOWN_KEY_BYTES) * 2 + 4);
    text.push('"');
    for &byte in key.iter().take(SHOWN_KEY_BYTES) {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    if key.len() > SHOWN_KEY_BYTES {
        text.push_str(&format!("… ({} bytes)", key.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_escaped_and_cut() {
        assert_eq!(escape_key(b"a\x00\"\\~\xff"), "\"a\\x00\\\"\\\\~\\xff\"");
        let long = escape_key(&[b'k'; 100]);
        assert_eq!(long, format!("\"{}\"… (100 bytes)", "k".repeat(48)));
    }

    #[test]
    fn codes_are_those_of_the_typescript_table() {
        let table = include_str!("../../../src/fault/codes.ts");
        for code in Code::ALL {
            assert!(table.contains(&format!("  {}: {{", code.as_str())), "{} is missing", code.as_str());
        }
    }

    #[test]
    fn a_fault_carries_object_and_details() {
        let fault = Fault::corrupt_sst("block at 5 has a wrong checksum").with("offset", 5).within("data/1.sst");
        assert_eq!(fault.to_string(), "SV_CORRUPT_SST: data/1.sst: block at 5 has a wrong checksum");
        assert_eq!(fault.details(), [("offset", "5".to_string())]);
    }
}
