//! The SST writer from outside: golden files, identity of bytes across cuts, boundaries, refusals, and real rows.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use spanvault_core::batch::{Batch, Packer};
use spanvault_core::codec::Compression;
use spanvault_core::cursor::MergeFile;
use spanvault_core::engine_key::{self, Timestamp};
use spanvault_core::merge::{LayerMerge, MergeOptions, MergeStep};
use spanvault_core::row_boundary::RowBoundary;
use spanvault_core::selection::Mode;
use spanvault_core::sst_writer::{Reason, SstFileFacts, SstOptions, SstWriter};
use spanvault_core::verify::describe_sst;

type Entry = (Vec<u8>, Vec<u8>);

struct Packed {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
    count: usize,
}

fn pack(entries: &[Entry]) -> Packed {
    let size = entries.iter().map(|(k, v)| k.len() + v.len()).sum();
    let (mut bytes, mut offsets) = (vec![0; size], vec![0; 2 * entries.len() + 3]);
    let mut packer = Packer::new(&mut bytes, &mut offsets).unwrap();
    entries.iter().for_each(|(k, v)| packer.push(k, v).unwrap());
    let count = packer.count();
    Packed { bytes, offsets, count }
}

fn batch(packed: &Packed) -> Batch<'_> {
    Batch::new(&packed.bytes, &packed.offsets, packed.count).unwrap()
}

fn key(user: &[u8], wall: u64, logical: u32) -> Vec<u8> {
    let mut out = Vec::new();
    engine_key::encode(&mut out, user, Some(Timestamp { wall, logical }));
    out
}

fn plain() -> SstOptions {
    SstOptions { compression: Compression::None, clear_value_checksums: false, ..SstOptions::default() }
}

/// Writes entries into files, in batches of `batch_entries` and parts of `part_bytes`; poisons what is behind `out_pos`.
fn write_files(
    entries: &[Entry],
    options: SstOptions,
    batch_entries: usize,
    part_bytes: usize,
) -> Vec<(Vec<u8>, SstFileFacts)> {
    let mut files = Vec::new();
    let mut writer = SstWriter::new(options).unwrap();
    let (mut file, mut part, mut at) = (Vec::new(), vec![0xaa; part_bytes], 0);
    for piece in entries.chunks(batch_entries) {
        let packed = pack(piece);
        let mut from = 0;
        loop {
            let progress = writer.write(&batch(&packed), from, &mut part, at).unwrap();
            (from, at) = (progress.next, progress.out_pos);
            part[at..].fill(0xaa);
            match progress.reason {
                Reason::Input => break,
                Reason::Out => {
                    assert_eq!(at, part_bytes);
                    file.extend_from_slice(&part);
                    at = 0;
                }
                Reason::Cut => {
                    files.push(end_file(&mut writer, std::mem::take(&mut file), &mut part, at));
                    writer = SstWriter::new(options).unwrap();
                    at = 0;
                }
            }
        }
    }
    files.push(end_file(&mut writer, file, &mut part, at));
    files
}

fn end_file(writer: &mut SstWriter, mut file: Vec<u8>, part: &mut [u8], mut at: usize) -> (Vec<u8>, SstFileFacts) {
    loop {
        let (end, done) = writer.finish(part, at).unwrap();
        file.extend_from_slice(&part[..end]);
        at = 0;
        if done {
            let facts = writer.facts().unwrap().clone();
            assert_eq!(facts.file_bytes, file.len() as u64);
            return (file, facts);
        }
    }
}

fn one_file(entries: &[Entry], options: SstOptions) -> (Vec<u8>, SstFileFacts) {
    let mut files = write_files(entries, options, usize::MAX, 1 << 20);
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn read_back(bytes: &[u8]) -> Vec<Entry> {
    let options = MergeOptions { mode: Mode::All, verify_checksums: false, ..MergeOptions::default() };
    let mut merge = LayerMerge::new(&options).unwrap();
    merge.add_file(MergeFile { name: "written".into(), file_bytes: bytes.len() as u64, ..MergeFile::default() }).unwrap();
    let (mut room, mut offsets, mut out) = (vec![0; 1 << 16], vec![0; 2001], Vec::new());
    loop {
        match merge.next(&mut room, &mut offsets).unwrap() {
            MergeStep::Batch { count, .. } => {
                out.extend(Batch::new(&room, &offsets, count).unwrap().iter().map(|(k, v)| (k.to_vec(), v.to_vec())));
            }
            MergeStep::Need(needs) => {
                for need in needs {
                    let (from, to) = (need.offset as usize, (need.offset + need.length) as usize);
                    merge.feed(need.file, need.offset, &bytes[from..to]).unwrap();
                }
            }
            MergeStep::Grow(n) => room.resize(n, 0),
            MergeStep::Done => return out,
        }
    }
}

/// Rows of table 106 with two families, two versions of every third key, and an index entry at the end.
fn golden_entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for row in 0..40u8 {
        for family in [vec![0x88], vec![0x8a, 0x89]] {
            let user = [&[0xf2, 0x89, 0x88 + row][..], &family].concat();
            let value =
                |n: u8| [&[9, 9, 9, row + 1, 0x0a][..], format!("value {row} of family {n} ").repeat(3).as_bytes()].concat();
            entries.push((key(&user, 1_700_000_000_000_000_002, u32::from(row & 1)), value(2)));
            if row % 3 == 0 {
                entries.push((key(&user, 1_700_000_000_000_000_001, 0), Vec::new()));
            }
        }
    }
    entries.push((key(b"\xf2\x8a\x12index\0\x01\x88\x88", 1_700_000_000_000_000_002, 0), b"\0\0\0\0\x03".to_vec()));
    entries
}

/// Compares with a pinned file; `SPANVAULT_PIN_GOLDEN=1` writes it anew, for a reviewed change of the format.
fn golden(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("SPANVAULT_PIN_GOLDEN").is_some() {
        fs::write(&path, bytes).unwrap();
    }
    let pinned = fs::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(pinned == bytes, "{name}: {} bytes differ from the {} pinned ones", bytes.len(), pinned.len());
}

#[test]
fn files_are_the_pinned_ones() {
    let entries = golden_entries();
    let small = |compression| SstOptions {
        compression,
        level: 3,
        block_bytes: 1024,
        clear_value_checksums: true,
        ..SstOptions::default()
    };
    golden("tiny.sst", &one_file(&[(key(b"\xf2\x89\x89\x88", 7, 0), b"\0\0\0\0\x03abc".to_vec())], plain()).0);
    golden("none.sst", &one_file(&entries, small(Compression::None)).0);
    golden("snappy.sst", &one_file(&entries, small(Compression::Snappy)).0);
    golden("zstd3.sst", &one_file(&entries, small(Compression::Zstd)).0);
}

#[test]
fn the_structure_is_that_of_the_worked_example() {
    let (file, facts) = one_file(&[(b"k\0".to_vec(), b"1".to_vec()), (b"kz\0".to_vec(), b"22".to_vec())], plain());
    // Internal keys share the byte of the user key; the last restart is at 0.
    let data = b"\x00\x0a\x01k\0\x01\0\0\0\0\0\0\x001\x01\x0a\x02z\0\x01\0\0\0\0\0\0\x0022\0\0\0\0\x01\0\0\0";
    assert_eq!(&file[..data.len()], data);
    assert_eq!(file[data.len()], 0);
    let index = data.len() + 5;
    // One entry: the unchanged last key and the handle (0, data).
    let entry =
        [b"\x00\x0b\x02kz\0\x01\0\0\0\0\0\0\0\x00".as_slice(), &[data.len() as u8], b"\0\0\0\0\x01\0\0\0\0"].concat();
    assert_eq!(&file[index..index + entry.len()], entry);
    let footer = &file[file.len() - 53..];
    assert_eq!((footer[0], &footer[41..]), (1, b"\x02\0\0\0\xf7\xcf\xf4\x85\xb7\x41\xe2\x88".as_slice()));
    assert_eq!((facts.entries, facts.raw_key_bytes, facts.raw_value_bytes, facts.data_blocks), (2, 21, 3, 1));
    assert_eq!((facts.first_key, facts.last_key, facts.data_bytes), (b"k".to_vec(), b"kz".to_vec(), 6));
}

#[test]
fn properties_and_facts_agree_with_what_a_reader_counts() {
    let (file, facts) = one_file(&golden_entries(), SstOptions { block_bytes: 1024, ..SstOptions::default() });
    let report = describe_sst("golden", &file).unwrap();
    assert_eq!((report.entries, report.data_blocks), (facts.entries, facts.data_blocks));
    assert_eq!((report.raw_key_bytes, report.raw_value_bytes), (facts.raw_key_bytes, facts.raw_value_bytes));
    assert_eq!((report.first_key, report.last_key), (facts.first_key.clone(), facts.last_key.clone()));
    assert_eq!((facts.rows, facts.index_entries, facts.entries), (40, 1, 109));
    assert!(facts.data_blocks > 3);
    // Cleared checksums say nothing; the originals were wrong.
    assert_eq!((report.values_verified, report.values_unverifiable), (0, facts.entries));
    let property = |name: &str| report.properties.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    assert_eq!(property("rocksdb.comparator"), Some(b"cockroach_comparator".to_vec()));
    assert_eq!(property("rocksdb.merge.operator"), Some(b"nullptr".to_vec()));
    assert_eq!(property("rocksdb.compression"), Some(b"Snappy".to_vec()));
    assert_eq!(property("rocksdb.property.collectors"), Some(b"[]".to_vec()));
    assert_eq!(property("rocksdb.external_sst_file.version"), Some(vec![2, 0, 0, 0]));
    assert_eq!(property("rocksdb.external_sst_file.global_seqno"), Some(vec![0; 8]));
    assert_eq!(property("rocksdb.block.based.table.index.type"), Some(vec![0; 4]));
    assert_eq!(property("rocksdb.deleted.keys"), Some(vec![0]));
}

#[test]
fn blocks_that_do_not_shrink_by_an_eighth_are_stored_raw() {
    let noise: Vec<u8> =
        (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (i.wrapping_mul(40_503) >> 7) as u8).collect();
    let mixed = |text: usize| vec![(b"k\0".to_vec(), [vec![b'x'; text], noise.clone()].concat())];
    for (text, stored) in [(100, vec!["none"]), (3000, vec!["snappy"])] {
        let options = SstOptions { clear_value_checksums: false, ..SstOptions::default() };
        let (file, _) = one_file(&mixed(text), options);
        assert_eq!(describe_sst("mixed", &file).unwrap().compression, stored);
    }
}

#[test]
fn files_end_only_where_a_row_ends() {
    let entries = golden_entries();
    for (boundary, files) in [(RowBoundary::Sql, 41), (RowBoundary::Key, 81)] {
        // A target of one byte ends a file at every boundary.
        let options = SstOptions { target_file_bytes: 1, row_boundary: boundary, ..plain() };
        let written = write_files(&entries, options, 7, 1000);
        assert_eq!(written.len(), files);
        let all: Vec<Entry> = written.iter().flat_map(|(file, _)| read_back(file)).collect();
        assert!(all == entries);
        assert_eq!(written.iter().map(|(_, facts)| facts.rows).sum::<u64>(), if files == 41 { 40 } else { 80 });
        for pair in written.windows(2) {
            assert!(pair[0].1.last_key < pair[1].1.first_key);
        }
    }
    let options = SstOptions { target_file_bytes: 1500, block_bytes: 512, ..plain() };
    let written = write_files(&entries, options, 7, 1000);
    assert!(written.len() > 2);
    assert!(written.iter().rev().skip(1).all(|(file, _)| (1500..3200).contains(&file.len())));
}

fn refusal(entries: &[Entry], options: SstOptions) -> String {
    let packed = pack(entries);
    let mut writer = SstWriter::new(options).unwrap();
    let fault = writer.write(&batch(&packed), 0, &mut vec![0; 1 << 20], 0).unwrap_err();
    let after = writer.finish(&mut [0; 100], 0).unwrap_err();
    assert_eq!(after.to_string(), "SV_USAGE: finish of an sst that has failed");
    fault.to_string()
}

#[test]
fn disorder_and_malformed_keys_are_refused_by_name() {
    let value = b"\0\0\0\0\x03".to_vec();
    let refused = |a: &[u8], b: &[u8]| refusal(&[(a.to_vec(), value.clone()), (b.to_vec(), value.clone())], plain());
    assert_eq!(refused(b"b\0", b"a\0"), r#"SV_USAGE: engine key "a\x00" sorts before its predecessor "b\x00""#);
    assert_eq!(refused(b"b\0", b"b\0"), r#"SV_USAGE: engine key "b\x00" repeats its predecessor "b\x00""#);
    assert!(refused(&key(b"a", 4, 0), &key(b"a", 5, 0)).contains("sorts before"));
    assert!(refused(&key(b"a", 4, 0), b"a\0").contains("sorts before"));
    assert!(refused(&key(b"ab", 4, 0), &key(b"a", 4, 0)).contains("sorts before"));
    assert!(refused(b"a\0\0\0\0\0\0\0\0\x09\x09", b"a\0\0\0\0\0\0\0\0\x09\0\0\0\0\x0d").contains("repeats"));
    assert_eq!(refused(b"a\0", b""), r#"SV_USAGE: engine key "" is empty"#);
    assert_eq!(refused(b"a\0", b"b\x09"), r#"SV_USAGE: engine key "b\x09" has a version longer than the key"#);
    assert!(refused(b"a\0", b"b\0\0\x02").contains("has a version that is not a timestamp"));
    assert!(refused(b"a\0", b"b\x01\0\0\0\0\0\0\0\x07\x09").contains("has no 00 between user key and version"));
    let clear = SstOptions { clear_value_checksums: true, ..plain() };
    let short = refusal(&[(b"a\0".to_vec(), b"123".to_vec())], clear);
    assert_eq!(short, r#"SV_CORRUPT_VALUE: the value of key "a" is shorter than checksum and tag"#);
}

#[test]
fn calls_out_of_order_and_senseless_options_are_refused() {
    let mut writer = SstWriter::new(plain()).unwrap();
    assert!(writer.facts().unwrap_err().message().contains("is not finished"));
    assert!(writer.finish(&mut [0; 10], 11).is_err());
    assert_eq!(writer.finish(&mut [0; 10], 0).unwrap_err().message(), "an sst without entries cannot be finished");
    for options in [
        SstOptions { block_bytes: 0, ..plain() },
        SstOptions { restart_interval: 0, ..plain() },
        SstOptions { target_file_bytes: 0, ..plain() },
        SstOptions { compression: Compression::Zstd, level: 99, ..plain() },
    ] {
        assert!(SstWriter::new(options).is_err(), "{options:?}");
    }
    let packed = pack(&[(b"a\0".to_vec(), Vec::new())]);
    let mut writer = SstWriter::new(plain()).unwrap();
    assert!(writer.write(&batch(&packed), 2, &mut [0; 10], 0).is_err());
    assert!(writer.write(&batch(&packed), 0, &mut [0; 10], 11).is_err());
}

#[test]
fn an_entry_larger_than_block_and_part_is_written() {
    let entries: Vec<Entry> = (0..6u8).map(|i| (key(&[i; 200], 5, 0), vec![i; if i == 3 { 700_000 } else { 10 }])).collect();
    for compression in [Compression::None, Compression::Snappy, Compression::Zstd] {
        let options = SstOptions { compression, block_bytes: 256, ..plain() };
        let expected = one_file(&entries, options);
        assert!(read_back(&expected.0) == entries);
        // The last: a batch ends with the large entry, and the part has room for it.
        for (batch_entries, part) in [(1, 1), (2, 1000), (6, 300_000), (4, 2_000_000)] {
            assert!(write_files(&entries, options, batch_entries, part) == [expected.clone()]);
        }
    }
}

fn fixture(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(folder);
    if !path.is_dir() {
        eprintln!("SKIPPED: there is no {}", path.display());
        return None;
    }
    Some(path)
}

fn ssts(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            ssts(&path, out);
        } else if path.extension().is_some_and(|e| e == "sst") {
            out.push(path);
        }
    }
}

#[test]
fn rows_and_bytes_are_counted_as_cockroachdb_does() {
    for name in ["v21.1-types", "v21.1-bank"] {
        let (Some(backup), Some(truth)) = (fixture(&format!("cockroach-backups/{name}")), fixture(&format!("truth/{name}")))
        else {
            return;
        };
        let show = fs::read_to_string(truth.join("show.csv")).unwrap();
        let column = |line: &str, n: usize| line.split(',').nth(n).unwrap().parse::<u64>().ok();
        let expected = show
            .lines()
            .skip(1)
            .fold((0, 0), |(bytes, rows), line| (bytes + column(line, 6).unwrap_or(0), rows + column(line, 7).unwrap_or(0)));
        let mut files = Vec::new();
        ssts(&backup, &mut files);
        assert!(!files.is_empty());
        let mut counted = (0, 0);
        for path in files {
            let entries = read_back(&fs::read(&path).unwrap());
            let (file, facts) = one_file(&entries, plain());
            assert!(read_back(&file) == entries);
            counted.0 += facts.data_bytes;
            counted.1 += facts.rows;
        }
        assert_eq!(counted, expected, "{name}: (bytes, rows)");
    }
}

fn entries_strategy() -> impl Strategy<Value = Vec<Entry>> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(0x88), Just(0x89), any::<u8>()];
    let user = prop_oneof![
        proptest::collection::vec(byte, 0..12),
        (0u8..3, 0u8..4).prop_map(|(row, family)| vec![
            0xbd,
            0x89,
            0x88 + row,
            0x88 + family,
            if family == 0 { 0x88 } else { 0x89 }
        ]),
    ];
    let value = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 5..60),
        1 => (any::<u8>(), 100usize..900).prop_map(|(byte, n)| vec![byte; n]),
        1 => Just(Vec::new()),
    ];
    let version = proptest::option::weighted(0.9, (0u64..5, 0u32..2));
    proptest::collection::vec((user, version, value), 1..120).prop_map(|list| {
        let mut entries: Vec<Entry> = list
            .into_iter()
            .map(|(user, version, mut value)| {
                let mut key = Vec::new();
                engine_key::encode(&mut key, &user, version.map(|(wall, logical)| Timestamp { wall, logical }));
                // No checksum and no extended header: readers would check either.
                value.iter_mut().take(5).for_each(|byte| *byte = 0);
                (key, value)
            })
            .collect();
        entries.sort_by(|a, b| engine_key::compare(&a.0, &b.0));
        entries.dedup_by(|a, b| engine_key::compare(&a.0, &b.0).is_eq());
        entries
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn bytes_do_not_depend_on_cuts(
        entries in entries_strategy(),
        batch_entries in 1usize..40,
        part in prop_oneof![1usize..200, 200usize..9000],
        codec in 0usize..3,
        block_bytes in prop_oneof![Just(64usize), 64usize..3000],
        restart_interval in prop_oneof![Just(16usize), 1usize..20],
        target in prop_oneof![Just(u64::MAX), 1u64..4000],
        sql: bool,
    ) {
        let compression = [Compression::None, Compression::Snappy, Compression::Zstd][codec];
        let row_boundary = if sql { RowBoundary::Sql } else { RowBoundary::Key };
        let options = SstOptions { compression, block_bytes, restart_interval, target_file_bytes: target, row_boundary, level: 1, clear_value_checksums: false };
        let whole = write_files(&entries, options, usize::MAX, 1 << 20);
        prop_assert!(write_files(&entries, options, batch_entries, part) == whole);
        let mut read = Vec::new();
        for (file, facts) in &whole {
            let report = describe_sst("written", file).unwrap();
            prop_assert_eq!((report.entries, report.data_blocks), (facts.entries, facts.data_blocks));
            prop_assert!(report.data_blocks == 1 || report.entries > 1);
            let last = read.last().map(|(key, _): &Entry| key.clone());
            let from = read.len();
            read.extend(read_all(file));
            if let Some(last) = last {
                prop_assert!(row_boundary.between(&last, &read[from].0));
            }
        }
        prop_assert!(read == entries);
    }
}

/// Every entry of a file, unversioned ones too, by a plain walk that is independent of the reader; checks every checksum
/// and that separators bound their blocks.
fn read_all(file: &[u8]) -> Vec<Entry> {
    let footer = &file[file.len() - 53..];
    let varint = |bytes: &[u8], at: &mut usize| {
        let mut value = 0u64;
        for shift in (0..).step_by(7) {
            let byte = bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value as usize;
            }
        }
        value as usize
    };
    let mut codec = spanvault_core::codec::Decompressor::new();
    let mut block = |offset: usize, length: usize| {
        let (payload, trailer) = file[offset..offset + length + 5].split_at(length);
        let crc = spanvault_core::checksum::crc32c_masked(&file[offset..=offset + length]);
        assert_eq!(crc.to_le_bytes(), trailer[1..]);
        let mut out = Vec::new();
        codec.decompress(trailer[0], payload, 1 << 30, &mut out).unwrap();
        out
    };
    let rows = |block: &[u8]| {
        let restarts = u32::from_le_bytes(block[block.len() - 4..].try_into().unwrap()) as usize;
        let end = block.len() - 4 - 4 * restarts;
        let (mut at, mut key, mut out) = (0, Vec::new(), Vec::new());
        while at < end {
            let (shared, unshared, length) = (varint(block, &mut at), varint(block, &mut at), varint(block, &mut at));
            key.truncate(shared);
            key.extend_from_slice(&block[at..at + unshared]);
            out.push((key.clone(), block[at + unshared..at + unshared + length].to_vec()));
            at += unshared + length;
        }
        out
    };
    let mut at = 1;
    let _metaindex = (varint(footer, &mut at), varint(footer, &mut at));
    let index = block(varint(footer, &mut at), varint(footer, &mut at));
    let mut out = Vec::new();
    for (separator, handle) in rows(&index) {
        let mut at = 0;
        let (offset, length) = (varint(&handle, &mut at), varint(&handle, &mut at));
        let data = block(offset, length);
        for (key, value) in rows(&data) {
            let (key, trailer) = key.split_at(key.len() - 8);
            assert_eq!(trailer, [1, 0, 0, 0, 0, 0, 0, 0]);
            assert!(engine_key::compare(key, &separator[..separator.len() - 8]).is_le());
            out.push((key.to_vec(), value));
        }
    }
    out
}
