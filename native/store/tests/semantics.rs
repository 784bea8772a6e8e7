//! What the store answers, against a model that is a sorted map.

mod support;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use spanvault_core::engine_key::Timestamp;
use spanvault_store::{Scan, ScanMode, ScanOptions};
use support::{Entry, Opened, Packed, at, drain};

type Model = BTreeMap<(Vec<u8>, Reverse<Timestamp>), Vec<u8>>;

fn entries(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Entry>> {
    let byte = prop_oneof![Just(0u8), Just(0x88), Just(0xff), Just(b'a')];
    let user = proptest::collection::vec(byte, 1..4);
    let value = prop_oneof![Just(vec![]), proptest::collection::vec(any::<u8>(), 5..40), Just(vec![7; 5000])];
    proptest::collection::vec((user, (1u64..6, 0u32..2).prop_map(|(w, l)| at(w, l)), value), sizes)
}

fn expected(model: &Model, options: &ScanOptions) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut settled: Option<&[u8]> = None;
    for ((user, Reverse(timestamp)), value) in model {
        let inside = *user >= options.start_key && *user < options.end_key;
        let in_window = *timestamp <= options.as_of && options.after.is_none_or(|after| *timestamp > after);
        if !inside || !in_window {
            continue;
        }
        if options.mode == ScanMode::Latest {
            if settled == Some(user) {
                continue;
            }
            settled = Some(user);
            if value.is_empty() && options.drop_tombstones {
                continue;
            }
        }
        found.push((user.clone(), *timestamp, value.clone()));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn scans_select_what_the_model_selects(
        first in entries(0..40),
        second in entries(0..40),
        spans in proptest::collection::vec((0u8..3, 0u8..3), 0..2),
        sorted: bool,
        bounds in (0usize..6, 0usize..6),
        window in (0u64..7, proptest::option::of(0u64..7)),
        latest: bool,
        drop_tombstones: bool,
        room in (1usize..200, 1usize..5),
    ) {
        let opened = Opened::new();
        let mut model = Model::new();
        let put = |model: &mut Model, entries: &[Entry]| {
            model.extend(entries.iter().map(|(user, ts, value)| ((user.clone(), Reverse(*ts)), value.clone())));
        };
        let mut ingested = first;
        if sorted {
            ingested.sort_by_key(|(user, ts, _)| (user.clone(), Reverse(*ts)));
        }
        opened.store.ingest(&Packed::of(&ingested).batch()).expect("ingests");
        put(&mut model, &ingested);
        let edges: [&[u8]; 6] = [b"", b"\0", b"a", b"a\x88", b"\x88", b"\xff\xff\xff"];
        let cleared: Vec<_> = spans.iter().map(|&(a, b)| (edges[usize::from(a)], edges[usize::from(b) + 2])).collect();
        let committed = Packed::of(&second);
        opened.store.commit(Some(&committed.batch()), &cleared, &[]).expect("commits");
        for (key, end_key) in &cleared {
            model.retain(|(user, _), _| user.as_slice() < *key || user.as_slice() >= *end_key);
        }
        put(&mut model, &second);

        let (start, end) = (edges[bounds.0.min(bounds.1)], edges[bounds.0.max(bounds.1)]);
        prop_assume!(start <= end);
        let options = ScanOptions {
            start_key: start.to_vec(),
            end_key: end.to_vec(),
            as_of: at(window.0, 1),
            after: window.1.map(|wall| at(wall, 0)),
            mode: if latest { ScanMode::Latest } else { ScanMode::All },
            drop_tombstones,
        };
        let scan = Scan::new(Arc::clone(&opened.store), options.clone()).expect("opens");
        prop_assert_eq!(drain(scan, room.0, room.1), expected(&model, &options));

        for user in edges {
            let newest = model.iter().find(|((key, Reverse(ts)), _)| key == user && *ts <= at(window.0, 0));
            let got = opened.store.get(user, at(window.0, 0)).expect("reads").map(|version| (version.timestamp, version.value));
            prop_assert_eq!(got, newest.map(|((_, Reverse(ts)), value)| (*ts, value.clone())));
        }

        let stats = opened.store.stats(b"", b"\xff\xff\xff\xff", 100, 1 << 40).expect("walks");
        let sizes: Vec<u64> = model.iter().map(|((user, _), value)| (user.len() + value.len()) as u64).collect();
        prop_assert_eq!((stats.entries, stats.bytes), (sizes.len() as u64, sizes.iter().sum::<u64>()));
    }

    #[test]
    fn erasing_in_steps_erases_the_span(all in entries(1..60), limit in 1usize..6000) {
        let opened = Opened::new();
        opened.store.ingest(&Packed::of(&all).batch()).expect("ingests");
        let mut from = b"a".to_vec();
        while let Some(next) = opened.store.erase(&from, b"\x88\x01", limit).expect("erases") {
            from = next;
        }
        let mut kept: Model = Model::new();
        kept.extend(all.into_iter().map(|(user, ts, value)| ((user, Reverse(ts)), value)));
        kept.retain(|(user, _), _| user.as_slice() < b"a".as_slice() || user.as_slice() >= b"\x88\x01".as_slice());
        let options = support::everything(Timestamp::MAX, ScanMode::All);
        let wanted = expected(&kept, &ScanOptions { end_key: vec![0xff; 5], ..options.clone() });
        let scan = Scan::new(opened.store, ScanOptions { end_key: vec![0xff; 5], ..options }).expect("opens");
        prop_assert_eq!(drain(scan, 10_000, 100), wanted);
    }
}

#[test]
fn a_scan_sees_its_snapshot_while_others_write() {
    let opened = Opened::new();
    let old: Entry = (b"k".to_vec(), at(1, 0), b"old..".to_vec());
    opened.store.ingest(&Packed::of([&old]).batch()).expect("ingests");
    let scan = Scan::new(Arc::clone(&opened.store), support::everything(at(9, 0), ScanMode::All)).expect("opens");
    let new: Entry = (b"k".to_vec(), at(2, 0), b"new..".to_vec());
    opened.store.commit(Some(&Packed::of([&new]).batch()), &[(b"a", b"z")], &[]).expect("commits");
    assert_eq!(drain(scan, 100, 10), [old]);
    let scan = Scan::new(Arc::clone(&opened.store), support::everything(at(9, 0), ScanMode::All)).expect("opens");
    assert_eq!(drain(scan, 100, 10), [new]);
}

#[test]
fn rows_are_not_cut_by_split_keys() {
    let opened = Opened::new();
    // Rows of three families of about 30 bytes: keys 88 89 <row> 88 / 89 89 / 8a 89.
    let mut entries: Vec<Entry> = Vec::new();
    for row in 0..50u8 {
        for family in [&[0x88][..], &[0x89, 0x89], &[0x8a, 0x89]] {
            entries.push(([&[0x88, 0x89, 0x90 + row][..], family].concat(), at(1, 0), vec![1; 26]));
        }
    }
    opened.store.ingest(&Packed::of(&entries).batch()).expect("ingests");
    let stats = opened.store.stats(b"", b"\xff", 200, 1 << 30).expect("walks");
    assert!(stats.split_keys.len() >= 15, "{} split keys", stats.split_keys.len());
    assert!(stats.split_keys.iter().all(|key| key.len() == 3), "a row was cut");
    // The same walk in steps visits everything once.
    let (mut from, mut seen, mut steps) = (Vec::new(), 0, 0);
    loop {
        let step = opened.store.stats(&from, b"\xff", 200, 1000).expect("walks");
        (seen, steps) = (seen + step.entries, steps + 1);
        match step.resume_key {
            Some(key) => from = key,
            None => break,
        }
    }
    assert_eq!((seen, steps > 3), (150, true));
}

#[test]
fn batches_in_the_middle_fill_their_pages_and_disturb_nothing() {
    let rows = |table: u8, range: std::ops::Range<u32>| -> Vec<Entry> {
        range.map(|row| ([&[table][..], &row.to_be_bytes()].concat(), at(1, 0), vec![table; 90])).collect()
    };
    let opened = Opened::new();
    let data = opened.directory.path().join("data.mdb");
    let size = || std::fs::metadata(&data).expect("a data file").len();
    let ingest = |entries: &[Entry]| opened.store.ingest(&Packed::of(entries).batch()).expect("ingests");
    let empty = size();
    let last = rows(9, 0..20_000);
    ingest(&last);
    let appended = size() - empty;
    let mut all = Vec::new();
    for table in [3, 5] {
        for from in [0, 5_000, 10_000, 15_000] {
            let batch = rows(table, from..from + 5_000);
            ingest(&batch);
            all.extend(batch);
        }
    }
    all.extend(last);
    let grown = size() - empty - appended;
    assert!(grown < appended * 2 * 13 / 10, "{grown} bytes for twice the rows that took {appended} when appended");
    let scan = Scan::new(Arc::clone(&opened.store), support::everything(at(1, 0), ScanMode::All)).expect("opens");
    assert_eq!(drain(scan, 1 << 20, 10_000), all);
}
