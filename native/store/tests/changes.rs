//! The change index and garbage collection: what they may save and what they may never change.

mod support;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::Code;
use spanvault_store::{Scan, ScanMode, ScanOptions};
use support::{Entry, Opened, Packed, at, drain, everything};

type Model = BTreeMap<(Vec<u8>, Reverse<Timestamp>), Vec<u8>>;

/// A step of a history. Keys are one byte and a few bytes more, times small, so that everything meets.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Entry>),
    Ingest(Vec<Entry>),
    Clear(u8, u8),
    Erase(u8, u8, usize),
    Cut,
    Forget(u64),
    Reopen,
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let user = (0u8..40, prop_oneof![Just(&b""[..]), Just(&b"\0"[..]), Just(&b"x"[..])]);
    let value = prop_oneof![Just(vec![]), Just(vec![1; 10]), Just(vec![2; 3000])];
    let entry = (user, (1u64..30, 0u32..2), value);
    let entry =
        entry.prop_map(|((byte, tail), (wall, logical), value)| ([&[byte], tail].concat(), at(wall, logical), value));
    proptest::collection::vec(entry, 1..25)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => entries().prop_map(Step::Commit),
        4 => entries().prop_map(|mut entries| { entries.sort(); Step::Ingest(entries) }),
        1 => entries().prop_map(Step::Ingest),
        1 => (0u8..42, 0u8..42).prop_map(|(a, b)| Step::Clear(a.min(b), a.max(b))),
        1 => (0u8..42, 0u8..42, 1usize..4000).prop_map(|(a, b, limit)| Step::Erase(a.min(b), a.max(b), limit)),
        2 => Just(Step::Cut),
        1 => (1u64..30).prop_map(Step::Forget),
        1 => Just(Step::Reopen),
    ]
}

/// Runs a history; returns the mark below which windows are scanned whole.
fn play(mut opened: Opened, model: &mut Model, steps: &[Step]) -> (Opened, u64) {
    let mut forgotten = 0;
    let put = |model: &mut Model, entries: &[Entry]| {
        model.extend(entries.iter().map(|(user, ts, value)| ((user.clone(), Reverse(*ts)), value.clone())));
    };
    for step in steps {
        match step {
            Step::Commit(entries) => {
                opened.store.commit(Some(&Packed::of(entries).batch()), &[], &[]).expect("commits");
                put(model, entries);
            }
            Step::Ingest(entries) => {
                opened.store.ingest(&Packed::of(entries).batch()).expect("ingests");
                put(model, entries);
            }
            Step::Clear(a, b) => {
                opened.store.commit(None, &[(&[*a], &[*b])], &[]).expect("clears");
                model.retain(|(user, _), _| user[0] < *a || user[0] >= *b);
            }
            Step::Erase(a, b, limit) => {
                let mut from = vec![*a];
                while let Some(next) = opened.store.erase(&from, &[*b], *limit).expect("erases") {
                    from = next;
                }
                model.retain(|(user, _), _| user[0] < *a || user[0] >= *b);
            }
            Step::Cut => opened.store.cut_changes(),
            Step::Forget(wall) => {
                while opened.store.forget_changes(at(*wall, 0), 7).expect("forgets") {}
                forgotten = forgotten.max(*wall);
            }
            Step::Reopen => opened = opened.reopen(),
        }
    }
    (opened, forgotten)
}

fn filtered(model: &Model, options: &ScanOptions) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    let mut settled: Option<&[u8]> = None;
    for ((user, Reverse(timestamp)), value) in model {
        let inside = *user >= options.start_key && *user < options.end_key;
        let in_window = *timestamp <= options.as_of && options.after.is_none_or(|after| *timestamp > after);
        if !inside || !in_window || options.mode == ScanMode::Latest && settled == Some(user) {
            continue;
        }
        settled = Some(user);
        if !(options.mode == ScanMode::Latest && options.drop_tombstones && value.is_empty()) {
            found.push((user.clone(), *timestamp, value.clone()));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_index_changes_no_answer(
        steps in proptest::collection::vec(step(), 1..16),
        windows in proptest::collection::vec((0u64..31, 0u64..31, 0u8..42, 0u8..42, any::<bool>(), any::<bool>()), 1..8),
        room in (1usize..4000, 1usize..6),
    ) {
        let mut model = Model::new();
        let (opened, forgotten) = play(Opened::new(), &mut model, &steps);
        for (after, as_of, a, b, latest, drop_tombstones) in windows {
            let options = ScanOptions {
                start_key: vec![a.min(b)],
                end_key: vec![a.max(b)],
                as_of: at(as_of, 1),
                after: Some(at(after, 0)),
                mode: if latest { ScanMode::Latest } else { ScanMode::All },
                drop_tombstones,
            };
            let scan = Scan::new(Arc::clone(&opened.store), options.clone()).expect("opens");
            prop_assert!(scan.indexed() || after < forgotten, "a window after {after} is not indexed, forgotten to {forgotten}");
            prop_assert_eq!(drain(scan, room.0, room.1), filtered(&model, &options));
        }
    }

    #[test]
    fn collected_versions_are_those_that_no_later_read_sees(
        first in proptest::collection::vec(step(), 1..12),
        second in proptest::collection::vec(step(), 0..6),
        thresholds in (1u64..30, 1u64..30),
        spans in ((0u8..42, 0u8..42), (0u8..42, 0u8..42)),
        limit in prop_oneof![1u64..200, Just(1 << 20)],
    ) {
        let mut model = Model::new();
        let (mut opened, _) = play(Opened::new(), &mut model, &first);
        let mut floor = [0; 42];
        for (round, (threshold, (a, b))) in [(thresholds.0, spans.0), (thresholds.1, spans.1)].into_iter().enumerate() {
            let (start, end) = ([a.min(b)], [a.max(b)]);
            let mut from: Option<Vec<u8>> = None;
            loop {
                let step = opened.store.collect(&start, &end, from.as_deref(), at(threshold, 0), limit).expect("collects");
                // A reader between two steps: at and after the threshold nothing is missing, nothing comes back to life.
                let options = ScanOptions {
                    start_key: start.to_vec(),
                    end_key: end.to_vec(),
                    drop_tombstones: true,
                    ..everything(at(29, 1), ScanMode::Latest)
                };
                let scan = Scan::new(Arc::clone(&opened.store), options.clone()).expect("opens");
                prop_assert_eq!(drain(scan, 1 << 16, 100), filtered(&model, &options));
                from = step.resume_key;
                if from.is_none() {
                    break;
                }
            }
            for key in start[0]..end[0] {
                floor[usize::from(key)] = threshold.max(floor[usize::from(key)]);
            }
            prop_assert_eq!(opened.store.threshold(&start, &end).expect("reads").map(|ts| ts.wall), floor[usize::from(start[0])..usize::from(end[0])].iter().copied().filter(|&wall| wall > 0).max());
            if round == 0 {
                // Only versions above the thresholds come later.
                let later: Vec<Step> = second.iter().map(|step| match step {
                    Step::Commit(entries) => Step::Commit(raise(entries)),
                    Step::Ingest(entries) => Step::Ingest(raise(entries)),
                    other => other.clone(),
                }).collect();
                opened = play(opened, &mut model, &later).0;
            }
        }
        // What is left is the model without garbage: nothing more, and nothing less.
        let mut kept = model.clone();
        let mut shadowed: Option<Vec<u8>> = None;
        kept.retain(|(user, Reverse(timestamp)), value| {
            if timestamp.wall > floor[usize::from(user[0])] || *timestamp > at(floor[usize::from(user[0])], 0) {
                return true;
            }
            let old = shadowed.as_ref() == Some(user);
            shadowed = Some(user.clone());
            !old && !value.is_empty()
        });
        for key in 0..42u8 {
            let wall = floor[usize::from(key)];
            let options = ScanOptions { start_key: vec![key], end_key: vec![key + 1], ..everything(Timestamp::MAX, ScanMode::All) };
            let scan = Scan::new(Arc::clone(&opened.store), options.clone()).expect("opens");
            prop_assert_eq!(drain(scan, 1 << 16, 100), filtered(&kept, &options), "key {}", key);
            if wall > 0 {
                let early = ScanOptions { as_of: at(wall, 0), ..options.clone() };
                prop_assert_eq!(Scan::new(Arc::clone(&opened.store), early).err().expect("refuses").code(), Code::Coverage);
                let late = ScanOptions { after: Some(at(wall - 1, 9)), ..options.clone() };
                prop_assert_eq!(Scan::new(Arc::clone(&opened.store), late).err().expect("refuses").code(), Code::Coverage);
                let next = ScanOptions { after: Some(at(wall, 0)), ..options };
                prop_assert!(Scan::new(Arc::clone(&opened.store), next).is_ok());
            }
        }
    }
}

fn raise(entries: &[Entry]) -> Vec<Entry> {
    entries.iter().map(|(user, ts, value)| (user.clone(), at(ts.wall + 30, ts.logical), value.clone())).collect()
}

fn key(row: u32) -> Vec<u8> {
    row.to_be_bytes().to_vec()
}

fn visited(opened: &Opened, after: Option<Timestamp>, start: u32, end: u32) -> (usize, u64) {
    let options = ScanOptions { start_key: key(start), end_key: key(end), after, ..everything(at(99, 0), ScanMode::Latest) };
    let mut scan = Scan::new(Arc::clone(&opened.store), options).expect("opens");
    let (mut bytes, mut offsets, mut count) = (vec![0; 1 << 16], vec![0; 2001], 0);
    loop {
        match scan.next(&mut bytes, &mut offsets).expect("scans") {
            spanvault_store::ScanStep::Done => return (count, scan.bytes_visited()),
            spanvault_store::ScanStep::Batch { count: more, .. } => count += more,
            spanvault_store::ScanStep::Grow(_) => panic!("a row of 100 bytes does not fit"),
        }
    }
}

#[test]
fn one_percent_of_changes_costs_less_than_five_percent() {
    let opened = Opened::new();
    let rows: Vec<Entry> = (0..50_000).map(|row| (key(row), at(1, 0), vec![7; 100])).collect();
    for batch in rows.chunks(5000) {
        opened.store.ingest(&Packed::of(batch).batch()).expect("ingests");
    }
    // Half of the changes lie before the window, in the same run unless it is cut, and must cost little.
    let update = |range: std::ops::Range<u32>, wall: u64| {
        let rows: Vec<Entry> = range.map(|row| (key(row * 7919 % 50_000), at(wall, 0), vec![8; 100])).collect();
        for batch in rows.chunks(50) {
            opened.store.commit(Some(&Packed::of(batch).batch()), &[], &[]).expect("commits");
        }
    };
    update(0..500, 2);
    let (all, full) = visited(&opened, None, 0, 50_000);
    update(500..1000, 3);
    let (changed, incremental) = visited(&opened, Some(at(2, 0)), 0, 50_000);
    assert_eq!((all, changed), (50_000, 500));
    assert!(incremental * 20 < full, "{incremental} of {full} bytes");
    // In pieces, as a backup of many ranges reads it, hardly more.
    let pieces: Vec<_> = (0..50).map(|piece| visited(&opened, Some(at(2, 0)), piece * 1000, (piece + 1) * 1000)).collect();
    let sum = pieces.iter().map(|(_, bytes)| bytes).sum::<u64>();
    assert_eq!(pieces.iter().map(|(count, _)| count).sum::<usize>(), 500);
    assert!(sum * 20 < full, "{sum} of {full} bytes");
    opened.store.cut_changes();
    update(1000..1250, 4);
    let (changed, cut) = visited(&opened, Some(at(3, 0)), 0, 50_000);
    assert_eq!(changed, 250);
    assert!(cut * 50 < full, "{cut} of {full} bytes");
}

#[test]
fn a_store_without_an_index_is_scanned_whole_until_it_begins() {
    let opened = Opened::new();
    let rows: Vec<Entry> = (0..100).map(|row| (key(row), at(1, 0), vec![7; 100])).collect();
    opened.store.ingest(&Packed::of(&rows).batch()).expect("ingests");
    while opened.store.forget_changes(at(5, 0), 10).expect("forgets") {}
    let indexed = |after| {
        let options = ScanOptions { after: Some(after), ..everything(at(9, 0), ScanMode::All) };
        Scan::new(Arc::clone(&opened.store), options).expect("opens").indexed()
    };
    assert!(!indexed(at(4, 0)));
    assert!(indexed(at(5, 0)));
    opened.store.begin_changes(at(1, 0)).expect("does nothing: it has begun");
    assert!(!indexed(at(4, 0)));
}
