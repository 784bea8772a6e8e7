//! Reads tables that real systems wrote, from `../shared/fixtures` beside the checkout; says so where it is absent.

use std::fs;
use std::path::{Path, PathBuf};

use spanvault_core::Code;
use spanvault_core::cursor::MergeFile;
use spanvault_core::merge::{LayerMerge, MergeOptions, MergeStep};
use spanvault_core::selection::Mode;
use spanvault_core::verify::{SstReport, describe_sst};

fn fixtures(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: there is no {}", path.display());
    None
}

fn ssts(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            ssts(&path, out);
        } else if path.extension().is_some_and(|e| e == "sst") {
            out.push(path);
        }
    }
}

fn uvarint(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().map(|(i, b)| u64::from(b & 0x7f) << (7 * i)).sum()
}

fn counter(report: &SstReport, name: &str) -> Option<u64> {
    report.properties.iter().find(|(n, _)| n == name).map(|(_, v)| uvarint(v))
}

fn merge_all(name: &str, bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let options = MergeOptions { mode: Mode::All, verify_checksums: true, ..MergeOptions::default() };
    let mut merge = LayerMerge::new(&options).expect("options");
    let file = MergeFile { name: name.to_owned(), file_bytes: bytes.len() as u64, ..MergeFile::default() };
    merge.add_file(file).expect("one file");
    let (mut room, mut offsets) = (vec![0; 4096], vec![0; 201]);
    let mut out = Vec::new();
    loop {
        match merge.next(&mut room, &mut offsets).unwrap_or_else(|e| panic!("{name}: {e}")) {
            MergeStep::Batch { count, .. } => {
                for i in 0..count {
                    let at = |n: usize| offsets[n] as usize;
                    let (k, v, end) = (at(2 * i), at(2 * i + 1), at(2 * i + 2));
                    out.push((room[k..v].to_vec(), room[v..end].to_vec()));
                }
            }
            MergeStep::Need(needs) => {
                for need in needs {
                    let (from, to) = (need.offset as usize, (need.offset + need.length) as usize);
                    merge.feed(need.file, need.offset, &bytes[from..to]).expect("asked for");
                }
            }
            MergeStep::Grow(n) => room.resize(n, 0),
            MergeStep::Done => return out,
        }
    }
}

#[test]
fn every_backup_sst_reads_with_its_counts() {
    let Some(folder) = fixtures("cockroach-backups") else { return };
    let mut files = Vec::new();
    ssts(&folder, &mut files);
    let (mut read, mut points, mut verified, mut unverifiable) = (0, 0, 0, 0);
    for path in &files {
        let bytes = fs::read(path).expect("file");
        let name = path.to_string_lossy();
        if bytes.starts_with(b"encrypt") {
            let fault = describe_sst(&name, &bytes).expect_err("an encrypted file is no table");
            assert_eq!(fault.code(), Code::CorruptSst, "{fault}");
            continue;
        }
        let report = describe_sst(&name, &bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(counter(&report, "rocksdb.num.entries"), Some(report.entries), "{name}");
        let merged = merge_all(&name, &bytes);
        assert_eq!(merged.len() as u64, report.entries, "{name}");
        let keys: u64 = merged.iter().map(|(k, _)| k.len() as u64 + 8).sum();
        assert_eq!(keys, report.raw_key_bytes, "{name}");
        read += 1;
        points += report.entries;
        verified += report.values_verified;
        unverifiable += report.values_unverifiable;
    }
    println!(
        "{read} of {} files, {points} points, {verified} values verified, {unverifiable} without checksum",
        files.len()
    );
    assert!(read > 100 && points > 5000 && verified > 1000, "{read} files, {points} points, {verified} verified");
}

#[test]
fn pebbles_own_tables_are_read_or_refused_by_name() {
    let Some(folder) = fixtures("pebble-ssts") else { return };
    let mut files = Vec::new();
    ssts(&folder, &mut files);
    let mut read = 0;
    for path in &files {
        let bytes = fs::read(path).expect("file");
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        let answer = describe_sst(&name, &bytes);
        let refused = |code: Code, words: &str| {
            let fault = answer.as_ref().expect_err("must be refused");
            assert_eq!(fault.code(), code, "{fault}");
            assert!(fault.message().contains(words), "{fault}");
        };
        if name.contains("bad-magic") {
            refused(Code::CorruptSst, "footer has the unknown magic number f6cff485b741e288");
        } else if name.contains("corrupted") {
            refused(Code::CorruptSst, "block at offset");
        } else if name.contains("find-val-sep") {
            refused(Code::UnsupportedFormat, "blob files");
        } else {
            let report = answer.unwrap_or_else(|e| panic!("{name}: {e}"));
            let deletions = counter(&report, "rocksdb.num.range-deletions").unwrap_or(0);
            assert_eq!(counter(&report, "rocksdb.num.entries"), Some(report.entries + deletions), "{name}");
            println!("{name}: {} {:?} {} entries", report.format, report.compression, report.entries);
            read += 1;
        }
    }
    assert_eq!(read, 6);
}

/// A columnar table of Pebble 7 with value blocks: damage is refused, or changes nothing.
#[test]
fn damage_to_a_columnar_table_is_refused() {
    let Some(folder) = fixtures("pebble-ssts") else { return };
    let sound = fs::read(folder.join("tool_testdata_cr-schema-sst_000014.sst")).expect("file");
    let report = describe_sst("f", &sound).expect("sound");
    let judge = |bytes: &[u8], what: &str| match describe_sst("f", bytes) {
        Ok(again) => assert_eq!(again, report, "another report after {what}"),
        Err(fault) => {
            assert!(fault.message().contains("block at offset") || fault.message().contains("footer"), "{fault}");
        }
    };
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        judge(&bytes, &format!("a flip at {at}"));
    }
    for cut in 0..sound.len() {
        judge(&sound[..cut], &format!("a cut at {cut}"));
    }
}
