//! A scan that encodes writes the files that its batches would give, whatever memory and limits cut it into.

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use spanvault_core::codec::Compression;
use spanvault_core::engine_key::{Timestamp, user_key};
use spanvault_core::row_boundary::RowBoundary;
use spanvault_core::sst_writer::{Reason, SstOptions, SstWriter};
use spanvault_store::{ExportReason, Scan, ScanMode, ScanOptions};
use support::{Entry, Opened, Packed, at, drain};

fn entries(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Entry>> {
    // Rows of table 136, index 1: some of several families, some keys that are no rows, many versions.
    let user = (0u8..40, prop_oneof![Just(&[][..]), Just(&[0x88][..]), Just(&[0x89, 0x89][..])])
        .prop_map(|(row, family)| [&[0xf6, 0x88, 0x89, 0x90 + row][..], family].concat());
    let value = prop_oneof![
        Just(vec![]),
        (5usize..700, any::<u8>()).prop_map(|(n, byte)| vec![byte; n]),
        proptest::collection::vec(any::<u8>(), 5..90),
        Just(vec![7; 5000]),
    ];
    proptest::collection::vec((user, (1u64..6, 0u32..2).prop_map(|(w, l)| at(w, l)), value), sizes)
}

#[derive(Debug)]
struct Limits {
    part: usize,
    call: u64,
}

/// A finished file, and the user key at which the next one begins.
type Files = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn finish(mut writer: SstWriter, file: &mut Vec<u8>, part: usize) {
    loop {
        let mut out = vec![0; part];
        let (filled, done) = writer.finish(&mut out, 0).expect("finishes");
        file.extend_from_slice(&out[..filled]);
        if done {
            return;
        }
    }
}

/// Encodes by [`Scan::export`], each call into memory of its own.
fn exported(scan: &mut Scan, options: SstOptions, limits: &Limits) -> (Files, u64) {
    let new = || SstWriter::new(options).expect("options");
    let (mut files, mut file, mut entries, mut writer) = (Files::new(), Vec::new(), 0, new());
    let mut in_file = 0;
    loop {
        let mut out = vec![0; limits.part];
        let step = scan.export(&mut writer, &mut out, 0, limits.call).expect("exports");
        file.extend_from_slice(&out[..step.out_pos]);
        entries += step.entries;
        in_file += step.entries;
        match step.reason {
            ExportReason::More | ExportReason::Out => {}
            ExportReason::Cut(next) => {
                finish(std::mem::replace(&mut writer, new()), &mut file, limits.part);
                files.push((std::mem::take(&mut file), Some(next)));
                in_file = 0;
            }
            ExportReason::Done => {
                if in_file > 0 {
                    finish(writer, &mut file, limits.part);
                    files.push((file, None));
                }
                return (files, entries);
            }
        }
    }
}

/// Encodes the same entries from one batch.
fn batched(entries: &[Entry], options: SstOptions, part: usize) -> Files {
    let new = || SstWriter::new(options).expect("options");
    let (mut files, mut file, mut writer, mut from) = (Files::new(), Vec::new(), new(), 0);
    let packed = Packed::of(entries);
    let batch = packed.batch();
    while !entries.is_empty() {
        let mut out = vec![0; part];
        let progress = writer.write(&batch, from, &mut out, 0).expect("writes");
        file.extend_from_slice(&out[..progress.out_pos]);
        from = progress.next;
        match progress.reason {
            Reason::Out => {}
            Reason::Cut => {
                finish(std::mem::replace(&mut writer, new()), &mut file, part);
                let (key, _) = batch.get(from).expect("an entry after the cut");
                files.push((std::mem::take(&mut file), Some(user_key(key).to_vec())));
            }
            Reason::Input => {
                finish(writer, &mut file, part);
                files.push((file, None));
                break;
            }
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn files_are_those_of_batches(
        first in entries(0..120),
        second in entries(0..60),
        window in (0u64..7, proptest::option::of(0u64..7)),
        latest: bool,
        drop_tombstones: bool,
        codec in prop_oneof![Just(Compression::None), Just(Compression::Snappy), Just(Compression::Zstd)],
        sizes in (64usize..3000, 100u64..30_000),
        limits in (64usize..20_000, 1u64..20_000).prop_map(|(part, call)| Limits { part, call }),
    ) {
        let opened = Opened::new();
        for batch in [&first, &second] {
            opened.store.commit(Some(&Packed::of(batch).batch()), &[], &[]).expect("commits");
        }
        let wanted = ScanOptions {
            start_key: vec![],
            end_key: vec![0xff],
            as_of: at(window.0, 1),
            after: window.1.map(|wall| at(wall, 0)),
            mode: if latest { ScanMode::Latest } else { ScanMode::All },
            drop_tombstones,
        };
        let options = SstOptions {
            compression: codec,
            block_bytes: sizes.0,
            target_file_bytes: sizes.1,
            row_boundary: RowBoundary::Sql,
            clear_value_checksums: false,
            ..SstOptions::default()
        };
        let open = || Scan::new(Arc::clone(&opened.store), wanted.clone()).expect("opens");
        let selected = drain(open(), 1 << 20, 1000);
        let mut scan = open();
        let (files, count) = exported(&mut scan, options, &limits);
        prop_assert_eq!(count, selected.len() as u64);
        prop_assert_eq!(files, batched(&selected, options, limits.part));
    }
}

#[test]
fn what_is_looked_at_is_counted_once() {
    let opened = Opened::new();
    let key = |row: u16| [&[0xf6, 0x88, 0x89, 0xf7][..], &row.to_be_bytes(), &[0x88]].concat();
    let rows: Vec<Entry> = (0..20_000).map(|row| (key(row), at(1, 0), vec![7; 90])).collect();
    opened.store.ingest(&Packed::of(&rows).batch()).expect("ingests");
    let mut scan =
        Scan::new(Arc::clone(&opened.store), support::everything(Timestamp::MAX, ScanMode::Latest)).expect("opens");
    let options = SstOptions { compression: Compression::None, target_file_bytes: 100_000, ..SstOptions::default() };
    let (files, count) = exported(&mut scan, options, &Limits { part: 50_000, call: 70_000 });
    assert!(files.len() > 3, "{} files", files.len());
    let bytes: usize = rows.iter().map(|(user, _, value)| user.len() + 10 + value.len()).sum();
    assert_eq!((count, scan.bytes_visited()), (20_000, bytes as u64));
}
