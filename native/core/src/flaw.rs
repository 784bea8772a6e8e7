//! Why bytes do not parse, before anybody knows which file they came from.
//!
//! Parsers of blocks return a [`Flaw`]; the reader that fetched the block adds the file's name, the block's kind and
//! its offset with [`Place`] and makes a [`Fault`] of it. This module must not parse anything itself.

use std::borrow::Cow;

use crate::fault::{Code, Fault};

/// The reason why a piece of a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// The bytes contradict the format.
    Damaged(Cow<'static, str>),
    /// The bytes are of a format, or use a feature, that is not read.
    Unsupported(Cow<'static, str>),
}

impl Flaw {
    /// Damage with a fixed text.
    #[cold]
    pub fn damaged(reason: &'static str) -> Self {
        Self::Damaged(Cow::Borrowed(reason))
    }

    /// Damage with numbers in the text.
    #[cold]
    pub fn damaged_by(reason: String) -> Self {
        Self::Damaged(Cow::Owned(reason))
    }

    /// A feature that is not read.
    #[cold]
    pub fn unsupported(reason: String) -> Self {
        Self::Unsupported(Cow::Owned(reason))
    }
}

/// Kinds of blocks, as messages name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Points.
    Data,
    /// Handles of data blocks, or of lower index blocks.
    Index,
    /// Names of the other blocks.
    Metaindex,
    /// Table properties.
    Properties,
    /// Range tombstones (RANGEDEL).
    RangeDel,
    /// Range keys.
    RangeKey,
    /// Values stored out of line.
    Value,
    /// Handles of value blocks.
    ValueIndex,
    /// Bloom or fuse filters.
    Filter,
    /// Blocks whose content is not interpreted (only their checksum is).
    Other,
}

impl BlockKind {
    /// The words used in messages.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Data => "data block",
            Self::Index => "index block",
            Self::Metaindex => "metaindex block",
            Self::Properties => "properties block",
            Self::RangeDel => "range deletion block",
            Self::RangeKey => "range key block",
            Self::Value => "value block",
            Self::ValueIndex => "value index block",
            Self::Filter => "filter block",
            Self::Other => "block",
        }
    }
}

/// Where in which file a flaw was found.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Redacted name of the file.
    pub file: &'a str,
    /// The block; `None` for the footer.
    pub block: Option<(BlockKind, u64)>,
}

impl<'a> Place<'a> {
    /// The footer of a file.
    #[must_use]
    pub fn footer(file: &'a str) -> Self {
        Self { file, block: None }
    }

    /// A block of a file.
    #[must_use]
    pub fn block(file: &'a str, kind: BlockKind, offset: u64) -> Self {
        Self { file, block: Some((kind, offset)) }
    }

    /// The error a caller sees.
    #[cold]
    #[must_use]
    pub fn fault(self, flaw: Flaw) -> Fault {
        let (code, reason) = match flaw {
            Flaw::Damaged(reason) => (Code::CorruptSst, reason),
            Flaw::Unsupported(reason) => (Code::UnsupportedFormat, reason),
        };
        let message = match self.block {
            None => format!("sst {}: footer {reason}", self.file),
            Some((kind, offset)) => {
                format!("sst {}: {} at offset {offset} {reason}", self.file, kind.words())
            }
        };
        Fault::new(code, message)
    }
}
