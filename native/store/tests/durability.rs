//! What is there after a process or the power is gone. A crash is played by copying the files of an open store.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use spanvault_core::fault::Code;
use spanvault_store::{MetaPut, Scan, ScanMode, ScanOptions, open_store};
use support::{Entry, Opened, Packed, at, drain, everything};

fn rows(range: std::ops::Range<u32>) -> Vec<Entry> {
    range.map(|row| (row.to_be_bytes().to_vec(), at(1, 0), vec![row as u8; 100])).collect()
}

fn content(opened: &Opened) -> Vec<Entry> {
    drain(Scan::new(Arc::clone(&opened.store), everything(at(9, 0), ScanMode::All)).expect("opens"), 1 << 16, 100)
}

/// The files as they are now, in a new directory: what a killed process leaves.
fn killed(opened: &Opened) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["data.mdb", "unsynced"] {
        if opened.directory.path().join(name).exists() {
            fs::copy(opened.directory.path().join(name), copy.path().join(name)).expect("copies");
        }
    }
    copy
}

/// Makes the side file one of an earlier start of the machine.
fn reboot(directory: &Path) {
    let side = directory.join("unsynced");
    let mut content = fs::read(&side).expect("a side file");
    content[8..44].copy_from_slice(&[b'0'; 36]);
    fs::write(side, content).expect("writes");
}

#[test]
fn a_closed_store_opens_with_its_content() {
    let opened = Opened::new();
    opened.store.ingest(&Packed::of(&rows(0..1000)).batch()).expect("ingests");
    opened
        .store
        .commit(None, &[], &[MetaPut { key: "a/1", value: Some(b"x") }, MetaPut { key: "b", value: Some(b"y") }])
        .expect("commits");
    let opened = opened.reopen();
    assert_eq!(content(&opened), rows(0..1000));
    assert_eq!(opened.store.meta_list("a/").expect("lists"), [("a/1".to_owned(), b"x".to_vec())]);
    opened.store.commit(None, &[], &[MetaPut { key: "a/1", value: None }]).expect("commits");
    assert_eq!(opened.reopen().store.meta_get("a/1").expect("reads"), None);
}

#[test]
fn a_killed_process_loses_nothing_that_was_ingested() {
    let opened = Opened::new();
    opened.store.ingest(&Packed::of(&rows(0..500)).batch()).expect("ingests");
    let survivor = Opened::at(killed(&opened));
    assert_eq!(content(&survivor), rows(0..500));
    assert!(!survivor.directory.path().join("unsynced").exists());
}

#[test]
fn a_power_failure_while_ingesting_leaves_the_steady_point() {
    let opened = Opened::new();
    opened.store.ingest(&Packed::of(&rows(0..500)).batch()).expect("ingests");
    opened.store.sync().expect("syncs");
    // Overwrites and erases what the steady point holds, in many transactions, so that LMDB would reuse its pages.
    for round in 0..50 {
        let newer: Vec<Entry> = rows(0..500).into_iter().map(|(key, ts, _)| (key, ts, vec![round; 100])).collect();
        opened.store.ingest(&Packed::of(&newer).batch()).expect("ingests");
    }
    opened.store.erase(b"", b"\xff", 1 << 30).expect("erases");
    let copy = killed(&opened);
    reboot(copy.path());
    let survivor = Opened::at(copy);
    assert_eq!(content(&survivor), rows(0..500));
    survivor.store.ingest(&Packed::of(&rows(500..600)).batch()).expect("ingests");
    assert_eq!(content(&survivor.reopen()), rows(0..600));
}

#[test]
fn a_durable_commit_ends_the_unsynced_period() {
    let opened = Opened::new();
    let side = opened.directory.path().join("unsynced");
    opened.store.ingest(&Packed::of(&rows(0..10)).batch()).expect("ingests");
    assert!(side.exists());
    opened.store.commit(None, &[], &[MetaPut { key: "m", value: Some(b"x") }]).expect("commits");
    assert!(!side.exists());
    opened.store.ingest(&Packed::of(&rows(10..20)).batch()).expect("ingests");
    opened.store.sync().expect("syncs");
    assert!(!side.exists());
    opened.store.sync().expect("syncs twice");
}

#[test]
fn a_truncated_or_strange_store_is_refused() {
    let opened = Opened::new();
    opened.store.commit(Some(&Packed::of(&rows(0..5000)).batch()), &[], &[]).expect("commits");
    let refused = |directory: &Path| open_store(directory, support::MAP_BYTES).map(|_| ()).expect_err("damaged").code();
    let copy = killed(&opened);
    fs::File::options().write(true).open(copy.path().join("data.mdb")).expect("opens").set_len(20_000).expect("cuts");
    assert_eq!(refused(copy.path()), Code::CorruptStore);
    let copy = killed(&opened);
    fs::write(copy.path().join("data.mdb"), vec![7; 100_000]).expect("writes");
    assert_eq!(refused(copy.path()), Code::CorruptStore);
    let copy = killed(&opened);
    fs::write(copy.path().join("unsynced"), b"svsteady, but short").expect("writes");
    assert_eq!(refused(copy.path()), Code::CorruptStore);
}

#[test]
fn the_change_index_lives_and_dies_with_its_versions() {
    let opened = Opened::new();
    opened.store.ingest(&Packed::of(&rows(0..500)).batch()).expect("ingests");
    opened.store.sync().expect("syncs");
    let newer = |range: std::ops::Range<u32>, wall: u64| -> Vec<Entry> {
        rows(range).into_iter().map(|(key, _, value)| (key, at(wall, 0), value)).collect()
    };
    opened.store.commit(Some(&Packed::of(&newer(10..20, 2)).batch()), &[], &[]).expect("commits");
    opened.store.ingest(&Packed::of(&newer(400..450, 3)).batch()).expect("ingests");
    let since = |opened: &Opened, after: u64| {
        let options = ScanOptions { after: Some(at(after, 0)), ..everything(at(9, 0), ScanMode::All) };
        let scan = Scan::new(Arc::clone(&opened.store), options).expect("opens");
        assert!(scan.indexed());
        drain(scan, 1 << 16, 100)
    };
    let process_died = Opened::at(killed(&opened));
    assert_eq!(since(&process_died, 1), [newer(10..20, 2), newer(400..450, 3)].concat());
    let copy = killed(&opened);
    reboot(copy.path());
    let power_failed = Opened::at(copy);
    assert_eq!(since(&power_failed, 1), newer(10..20, 2));
    power_failed.store.commit(Some(&Packed::of(&newer(30..31, 4)).batch()), &[], &[]).expect("commits");
    assert_eq!(since(&power_failed, 0).len(), 511);
    assert_eq!(since(&power_failed.reopen(), 2), newer(30..31, 4));
}
