//! Bodies of the fuzz targets: each takes any bytes and must neither panic nor allocate without bounds. Used by
//! cargo-fuzz (`fuzz_targets/`) and by the bounded smoke test of the stable toolchain (`core/tests/fuzz_smoke.rs`).

use spanvault_core::block_iter::{RowFrame, check_restarts, walk_rows};
use spanvault_core::columnar::{DataBlock, KeySchema, walk_index, walk_pairs, walk_spans};
use spanvault_core::cursor::MergeFile;
use spanvault_core::emit::Checksums;
use spanvault_core::engine_key::{self, Timestamp};
use spanvault_core::footer::parse_footer;
use spanvault_core::merge::{LayerMerge, MergeOptions, MergeStep};
use spanvault_core::properties::Properties;
use spanvault_core::selection::Mode;
use spanvault_core::source::decode_payload;
use spanvault_core::verify::describe_sst;
use spanvault_core::{codec, ordered, value};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 9] = [
    ("footer", footer),
    ("row_block", row_block),
    ("columnar_block", columnar_block),
    ("properties", properties),
    ("codec", payload),
    ("sst", sst),
    ("engine_key", key),
    ("mvcc_value", mvcc_value),
    ("merge", merge),
];

/// The end of a file.
pub fn footer(data: &[u8]) {
    if let Ok(footer) = parse_footer(data, data.len() as u64) {
        assert!(footer.index.end_within(footer.offset).is_some());
    }
}

/// A decoded row block.
pub fn row_block(data: &[u8]) {
    if let Ok(frame) = RowFrame::read(data) {
        let _sound = check_restarts(data, &frame);
    }
    let mut entries = 0;
    if walk_rows(data, |_, _| {
        entries += 1;
        Ok(())
    })
    .is_ok()
    {
        assert!(entries <= data.len() / 3);
    }
}

/// A decoded columnar block of every kind.
pub fn columnar_block(data: &[u8]) {
    for (schema, tiering) in [(KeySchema::Default, false), (KeySchema::Crdb1, false), (KeySchema::Crdb1, true)] {
        let Ok(block) = DataBlock::open(data, schema, tiering) else { continue };
        let mut key = Vec::new();
        for row in 0..block.rows.min(4096) {
            key.clear();
            block.append_key(data, row, &mut key);
            assert!(data.get(block.value(data, row)).is_some());
            let _ = (block.trailer(data, row), block.is_external(data, row));
        }
    }
    let _index = walk_index(data, |_, _| Ok(()));
    let _pairs = walk_pairs(data, |_, _| Ok(()));
    let _spans = walk_spans(data, |_| Ok(()));
}

/// A decoded properties block.
pub fn properties(data: &[u8]) {
    for columnar in [false, true] {
        if let Ok(properties) = Properties::parse(data, columnar) {
            for (name, value) in properties.pairs() {
                if let Ok(name) = std::str::from_utf8(name) {
                    assert_eq!(properties.get(name), Some(value.as_slice()));
                    let _number = properties.counter(name);
                }
            }
            let _bits = properties.attributes();
        }
    }
}

/// A payload of each compression.
pub fn payload(data: &[u8]) {
    let Some((&id, payload)) = data.split_first() else { return };
    let (mut codec, mut out) = (codec::Decompressor::new(), Vec::new());
    for id in [id, 1, 7, 8] {
        // What is declared may be large; what is made of little input must not be.
        let _decoded = decode_payload(&mut codec, id, payload, &mut out);
    }
}

/// A whole file.
pub fn sst(data: &[u8]) {
    let _report = describe_sst("fuzz", data);
}

/// Engine keys and columns of user keys.
pub fn key(data: &[u8]) {
    if let Ok((user, Some(timestamp))) = engine_key::decode(data) {
        let mut again = Vec::new();
        engine_key::encode(&mut again, user, Some(timestamp));
        assert!(engine_key::compare(data, &again).is_eq());
    }
    let mut rest = data;
    while let Some(n) = ordered::peek_length(rest) {
        assert!(n > 0 && n <= rest.len());
        rest = &rest[n..];
    }
    let (a, b) = data.split_at(data.len() / 2);
    assert_eq!(engine_key::compare(a, b), engine_key::compare(b, a).reverse());
}

/// MVCC values.
pub fn mvcc_value(data: &[u8]) {
    let (user, stored) = data.split_at(data.len().min(4));
    let mut stored = stored.to_vec();
    if value::set_checksum(user, &mut stored).is_ok() {
        assert!(value::verify(user, &stored).is_ok());
        assert!(value::clear_checksum(user, &mut stored).is_ok());
    }
}

/// A merge of the same file in two layers, rewritten; the first byte chooses the options, the second the prefix.
pub fn merge(data: &[u8]) {
    let Some((&[choice, prefix], file)) = data.split_first_chunk::<2>() else { return };
    let options = MergeOptions {
        mode: if choice & 1 == 0 { Mode::Latest } else { Mode::All },
        drop_tombstones: choice & 2 == 0,
        as_of: (choice & 4 != 0).then_some(Timestamp { wall: 1 << 60, logical: 0 }),
        rewrite_timestamp: (choice & 9 == 8).then_some(Timestamp { wall: 5, logical: 0 }),
        rewrites: if choice & 16 == 0 { Vec::new() } else { vec![vec![prefix], vec![prefix, 0x89]] },
        checksums: if choice & 32 == 0 { Checksums::Clear } else { Checksums::Compute },
        start_key: if choice & 64 == 0 { Vec::new() } else { vec![prefix] },
        ..MergeOptions::default()
    };
    let Ok(mut merge) = LayerMerge::new(&options) else { return };
    for layer in 0..2 {
        let added = merge.add_file(MergeFile { file_bytes: file.len() as u64, layer, ..MergeFile::default() });
        assert_eq!(added, Ok(layer as usize));
    }
    let (mut room, mut offsets) = (vec![0; 300], vec![0; 21]);
    // Every step makes progress, and a file holds less than an entry a byte.
    for _ in 0..4 * file.len() + 100 {
        match merge.next(&mut room, &mut offsets) {
            Ok(MergeStep::Need(needs)) => {
                for need in needs {
                    let from = need.offset as usize;
                    let bytes = &file[from..from + need.length as usize];
                    assert_eq!(merge.feed(need.file, need.offset, bytes), Ok(()));
                }
            }
            Ok(MergeStep::Batch { count, .. }) => assert!(count > 0),
            Ok(MergeStep::Grow(n)) if n <= 1 << 20 => room.resize(n, 0),
            _ => return,
        }
    }
    panic!("a merge of {} bytes does not end", file.len());
}
