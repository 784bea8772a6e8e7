//! What the store refuses.

mod support;

use std::sync::Arc;

use spanvault_core::batch::Batch;
use spanvault_core::fault::Code;
use spanvault_store::{MetaPut, Scan, ScanMode, ScanOptions, close_store, open_store, store};
use support::{Opened, Packed, at, drain, everything};

#[test]
fn keys_beyond_the_limit_of_lmdb_are_named() {
    let opened = Opened::new();
    let put = |length: usize| {
        let entry = (vec![b'k'; length], at(1, 0), b"value".to_vec());
        opened.store.ingest(&Packed::of([&entry]).batch())
    };
    let refused = put(4000).expect_err("too long");
    assert_eq!(refused.code(), Code::Limit);
    let details = refused.details().to_vec();
    let limit: usize = details.iter().find(|(name, _)| *name == "limit").expect("named").1.parse().expect("a number");
    assert!(refused.message().contains("4010 bytes") && refused.message().contains(&limit.to_string()), "{refused}");
    assert!(limit >= 1900, "limit {limit}");
    // The longest key is stored and read back; one byte more is refused.
    put(limit - 10).expect("fits");
    assert_eq!(put(limit - 9).expect_err("too long").code(), Code::Limit);
    let long = vec![b'k'; limit - 10];
    assert!(opened.store.get(&long, at(1, 0)).expect("reads").is_some());
    assert!(opened.store.get(&vec![b'k'; 5000], at(1, 0)).expect("reads").is_none());
    let meta = MetaPut { key: &"m".repeat(5000), value: Some(b"x") };
    assert_eq!(opened.store.commit(None, &[], &[meta]).expect_err("too long").code(), Code::Limit);
    assert_eq!(opened.store.commit(None, &[], &[MetaPut { key: "", value: None }]).expect_err("empty").code(), Code::Usage);
}

#[test]
fn keys_without_a_timestamp_are_refused_and_nothing_is_stored() {
    let opened = Opened::new();
    for key in [&b"k\0"[..], b"", b"k", b"k\0\x01\x02"] {
        let bytes = [b"a\0\0\0\0\0\0\0\0\x05\x09", key].concat();
        let offsets = [0, 11, 11, bytes.len() as u32, bytes.len() as u32];
        let batch = Batch::new(&bytes, &offsets, 2).expect("a sound batch");
        assert_eq!(opened.store.ingest(&batch).expect_err("refused").code(), Code::CorruptValue, "{key:?}");
        assert_eq!(opened.store.commit(Some(&batch), &[], &[]).expect_err("refused").code(), Code::CorruptValue);
    }
    assert!(opened.store.get(b"a", at(9, 0)).expect("reads").is_none());
}

#[test]
fn equal_timestamps_of_different_forms_are_one_version() {
    let opened = Opened::new();
    for (form, value) in [
        (&b"\0\0\0\0\0\0\0\x05\x09"[..], b"1"),
        (b"\0\0\0\0\0\0\0\x05\0\0\0\0\x0d", b"2"),
        (b"\0\0\0\0\0\0\0\x05\0\0\0\0\x01\x0e", b"3"),
    ] {
        let bytes = [b"k\0", form, value].concat();
        let offsets = [0, bytes.len() as u32 - 1, bytes.len() as u32];
        opened.store.ingest(&Batch::new(&bytes, &offsets, 1).expect("a sound batch")).expect("ingests");
    }
    let scan = Scan::new(Arc::clone(&opened.store), everything(at(9, 0), ScanMode::All)).expect("opens");
    assert_eq!(drain(scan, 100, 10), [(b"k".to_vec(), at(5, 0), b"3".to_vec())]);
}

#[test]
fn a_full_map_is_a_limit_and_the_store_lives_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let handle = open_store(directory.path(), 1 << 20).expect("opens");
    let store = store(handle).expect("open");
    let entry = (b"k".to_vec(), at(1, 0), vec![0; 2 << 20]);
    assert_eq!(store.ingest(&Packed::of([&entry]).batch()).expect_err("full").code(), Code::Limit);
    store.commit(None, &[], &[MetaPut { key: "m", value: Some(b"x") }]).expect("commits");
    assert_eq!(store.meta_get("m").expect("reads").as_deref(), Some(&b"x"[..]));
    close_store(handle).expect("closes");
}

#[test]
fn handles_are_counted_and_a_scan_outlives_its_handle() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open_store(directory.path(), support::MAP_BYTES).expect("opens");
    let second = open_store(&directory.path().join("."), support::MAP_BYTES).expect("joins");
    assert_eq!(first, second);
    close_store(first).expect("closes");
    let entry = (b"k".to_vec(), at(1, 0), b"value".to_vec());
    store(second).expect("still open").ingest(&Packed::of([&entry]).batch()).expect("ingests");
    let scan = Scan::new(store(second).expect("open"), everything(at(9, 0), ScanMode::All)).expect("opens");
    close_store(second).expect("closes");
    assert_eq!(close_store(second).expect_err("closed").code(), Code::Usage);
    assert_eq!(store(second).map(|_| ()).expect_err("closed").code(), Code::Usage);
    // Opened again while the old scan lives: the same environment under a new handle.
    let third = open_store(directory.path(), support::MAP_BYTES).expect("opens");
    assert_ne!(third, second);
    assert_eq!(drain(scan, 100, 10), [entry]);
    close_store(third).expect("closes");
}

#[test]
fn bad_arguments_of_scans_and_walks_are_refused() {
    let opened = Opened::new();
    let backwards = ScanOptions { start_key: b"b".to_vec(), end_key: b"a".to_vec(), ..everything(at(1, 0), ScanMode::All) };
    assert_eq!(Scan::new(Arc::clone(&opened.store), backwards).map(|_| ()).expect_err("backwards").code(), Code::Usage);
    let mut scan = Scan::new(Arc::clone(&opened.store), everything(at(1, 0), ScanMode::All)).expect("opens");
    assert_eq!(scan.next(&mut [0; 10], &mut [0; 2]).expect_err("no room").code(), Code::Usage);
    assert_eq!(opened.store.stats(b"", b"z", 0, 1).expect_err("zero").code(), Code::Usage);
}
