//! Walks of what was ingested lately, which are answered without reading it, against a model: whatever else writes in between,
//! a walk tells what is there.

mod support;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;
use spanvault_core::engine_key::Timestamp;
use spanvault_store::MetaPut;
use support::{Entry, Opened, Packed, at};

type Model = BTreeMap<(Vec<u8>, Reverse<Timestamp>), Vec<u8>>;

#[derive(Clone, Debug)]
enum Act {
    /// So many rows behind all others.
    Append(u8),
    /// Rows anywhere.
    Ingest(Vec<u8>),
    Commit(Vec<u8>),
    Clear(u8, u8),
    Erase(u8, u8),
    Collect(u8, u8),
    Meta,
    /// A commit that changes nothing.
    Nothing,
    Walk(u8, u8, u64, u64),
}

fn act() -> impl Strategy<Value = Act> {
    let rows = || proptest::collection::vec(any::<u8>(), 1..6);
    prop_oneof![
        6 => (1u8..40).prop_map(Act::Append),
        1 => rows().prop_map(Act::Ingest),
        1 => rows().prop_map(Act::Commit),
        1 => any::<(u8, u8)>().prop_map(|(a, b)| Act::Clear(a, b)),
        1 => any::<(u8, u8)>().prop_map(|(a, b)| Act::Erase(a, b)),
        1 => any::<(u8, u8)>().prop_map(|(a, b)| Act::Collect(a, b)),
        2 => Just(Act::Meta),
        1 => Just(Act::Nothing),
        6 => (any::<u8>(), any::<u8>(), 1u64..20_000, 1u64..20_000).prop_map(|(a, b, split, limit)| Act::Walk(a, b, split, limit)),
    ]
}

/// A row of table 104: two column families are one row.
fn user(row: u8) -> Vec<u8> {
    let (row, family) = (row / 2, row % 2);
    let suffix: &[u8] = if family == 0 { &[0x88] } else { &[0x89, 0x89] };
    [&[0xf0, 0x89, 0xf6, row], suffix].concat()
}

/// The `n`th version: its value tells it.
fn entry(row: u8, n: u64) -> Entry {
    (user(row), at(n, 0), n.to_be_bytes().repeat(1 + usize::from(row % 5)))
}

fn put(model: &mut Model, entries: &[Entry]) {
    model.extend(entries.iter().map(|(user, ts, value)| ((user.clone(), Reverse(*ts)), value.clone())));
}

/// Whether a walk in steps finds what the model has, and cuts where rows begin, in order.
fn walk(opened: &Opened, model: &Model, start: &[u8], end: &[u8], split: u64, limit: u64) -> Result<(), TestCaseError> {
    let inside = |user: &[u8]| start <= user && user < end;
    let sizes = model.iter().filter(|((user, _), _)| inside(user)).map(|((user, _), value)| user.len() + value.len());
    let wanted = (sizes.clone().count() as u64, sizes.sum::<usize>() as u64);
    let (mut from, mut sums, mut cuts) = (start.to_vec(), (0, 0), Vec::new());
    loop {
        let step = opened.store.stats(&from, end, split, limit).expect("walks");
        sums = (sums.0 + step.entries, sums.1 + step.bytes);
        cuts.extend(step.split_keys);
        let Some(next) = step.resume_key else { break };
        cuts.push(next.clone());
        from = next;
    }
    prop_assert_eq!(sums, wanted);
    prop_assert!(cuts.iter().all(|cut| cut.len() == 4 && inside(cut)), "a row was cut");
    prop_assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]), "cuts are out of order");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_walk_tells_what_is_there(acts in proptest::collection::vec(act(), 1..40)) {
        let opened = Opened::new();
        let store = &opened.store;
        let (mut model, mut next, mut n) = (Model::new(), 0u8, 1u64);
        for act in acts {
            n += 1;
            let versions = |rows: &[u8]| -> Vec<Entry> { rows.iter().map(|&row| entry(row, n)).collect() };
            let span = |a: u8, b: u8| (user(a.min(b)), user(a.max(b)));
            match act {
                Act::Append(rows) => {
                    let entries = versions(&(next..next.saturating_add(rows)).collect::<Vec<_>>());
                    next = next.saturating_add(rows);
                    store.ingest(&Packed::of(&entries).batch()).expect("ingests");
                    put(&mut model, &entries);
                }
                Act::Ingest(rows) => {
                    let entries = versions(&rows);
                    store.ingest(&Packed::of(&entries).batch()).expect("ingests");
                    put(&mut model, &entries);
                }
                Act::Commit(rows) => {
                    let entries = versions(&rows);
                    store.commit(Some(&Packed::of(&entries).batch()), &[], &[]).expect("commits");
                    put(&mut model, &entries);
                }
                Act::Clear(a, b) => {
                    let (start, end) = span(a, b);
                    store.commit(None, &[(&start, &end)], &[]).expect("commits");
                    model.retain(|(user, _), _| *user < start || *user >= end);
                }
                Act::Erase(a, b) => {
                    let (start, end) = span(a, b);
                    while store.erase(&start, &end, 300).expect("erases").is_some() {}
                    model.retain(|(user, _), _| *user < start || *user >= end);
                }
                Act::Collect(a, b) => {
                    let (start, end) = span(a, b);
                    let mut from = Some(start.clone());
                    while let Some(at_key) = from {
                        from = store.collect(&start, &end, Some(&at_key), at(n, 0), 300).expect("collects").resume_key;
                    }
                    let mut newer: Option<Vec<u8>> = None;
                    model.retain(|(user, _), _| {
                        let older = newer.as_ref() == Some(user);
                        newer = Some(user.clone());
                        !older || *user < start || *user >= end
                    });
                }
                Act::Meta => store.commit(None, &[], &[MetaPut { key: "m", value: Some(b"v") }]).expect("commits"),
                Act::Nothing => store.commit(None, &[], &[MetaPut { key: "none", value: None }]).expect("commits"),
                Act::Walk(a, b, split, limit) => {
                    let (start, end) = span(a, b);
                    walk(&opened, &model, &start, &end, split, limit)?;
                    walk(&opened, &model, b"", b"\xff", split, limit)?;
                }
            }
        }
        walk(&opened, &model, b"", b"\xff", 1 << 30, 1 << 30)?;
    }
}
