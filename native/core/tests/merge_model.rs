//! The merge against a model: random MVCC data over several layers, formats and files, every option, any feeding.

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use spanvault_core::cursor::MergeFile;
use spanvault_core::emit::Checksums;
use spanvault_core::engine_key::Timestamp;
use spanvault_core::merge::{LayerMerge, MergeOptions};
use spanvault_core::selection::Mode;
use spanvault_core::value;
use support::{Entry, Noise, Span, Table, build, drain, key};

const PREFIX: &[u8] = b"\xbd\x89";

/// Versions of keys, as a file holds them.
type Points = BTreeMap<(Vec<u8>, std::cmp::Reverse<Timestamp>), Vec<u8>>;

/// One file of a layer: what it holds and how it is written.
#[derive(Clone, Debug)]
struct Part {
    layer: u32,
    points: Points,
    spans: Vec<Span>,
    format: u32,
    block_entries: usize,
    partition: usize,
    value_blocks: bool,
    xxhash: bool,
    elided: bool,
    start: Vec<u8>,
    end: Vec<u8>,
    end_inclusive: bool,
}

fn user() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0u8), Just(0x88), Just(0x89), Just(0xff)];
    proptest::collection::vec(byte, 0..4).prop_map(|tail| [PREFIX, &tail].concat())
}

fn time() -> impl Strategy<Value = Timestamp> {
    (1u64..6, prop_oneof![3 => Just(0u32), 1 => 1u32..3]).prop_map(|(wall, logical)| Timestamp { wall, logical })
}

/// Nothing (a tombstone), a tombstone with a header, a value, a value with a header.
fn stored() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(vec![0, 0, 0, 2, 0x65, 0x0a, 0]),
        5 => proptest::collection::vec(any::<u8>(), 0..9).prop_map(|data| [&[0, 0, 0, 0, 3][..], &data].concat()),
        1 => any::<u8>().prop_map(|byte| vec![0, 0, 0, 2, 0x65, 0x0a, 0, 0, 0, 0, 0, 3, byte]),
    ]
}

fn bound() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![2 => Just(Vec::new()), 1 => user()]
}

/// Values that end in an odd byte have their checksum, the others none.
fn summed(mut points: Points) -> Points {
    for ((user, _), value) in &mut points {
        if value.last().is_some_and(|byte| byte % 2 == 1) {
            value::set_checksum(user, value).expect("sound");
        }
    }
    points
}

fn part() -> impl Strategy<Value = Part> {
    let points = proptest::collection::btree_map((user(), time().prop_map(std::cmp::Reverse)), stored(), 0..25);
    let spans = proptest::collection::vec((user(), user(), time()), 0..3);
    let shape = (0u32..5, 1usize..6, 0usize..3, any::<bool>(), any::<bool>(), any::<bool>());
    (0u32..4, points, spans, shape, (bound(), bound(), any::<bool>())).prop_map(
        |(layer, points, spans, (format, block_entries, partition, value_blocks, xxhash, elided), bounds)| Part {
            layer,
            points: summed(points),
            spans: spans
                .into_iter()
                .filter(|(start, end, _)| start < end && format >= 2)
                .map(|(start, end, time)| Span { start, end, time })
                .collect(),
            format,
            block_entries,
            partition: if format == 0 { 0 } else { partition },
            value_blocks,
            xxhash,
            elided,
            start: bounds.0,
            end: bounds.1,
            end_inclusive: bounds.2,
        },
    )
}

impl Part {
    fn holds(&self, user: &[u8]) -> bool {
        self.start.as_slice() <= user
            && (self.end.is_empty() || user < self.end.as_slice() || (self.end_inclusive && user == self.end))
    }

    fn bytes(&self) -> Vec<u8> {
        let strip = |user: &[u8]| if self.elided { user[PREFIX.len()..].to_vec() } else { user.to_vec() };
        let entries: Vec<Entry> =
            self.points.iter().map(|((u, t), v)| (key(&strip(u), t.0.wall, t.0.logical), v.clone())).collect();
        let spans = self.spans.iter().map(|s| Span { start: strip(&s.start), end: strip(&s.end), time: s.time });
        build(&Table {
            format: self.format,
            spans: spans.collect(),
            block_entries: self.block_entries,
            partition: self.partition,
            value_block_from: if self.value_blocks { 6 } else { usize::MAX },
            xxhash: self.xxhash,
            ..Table::of(&entries)
        })
    }

    fn file(&self, bytes: &[u8]) -> MergeFile {
        MergeFile {
            name: "part".to_owned(),
            file_bytes: bytes.len() as u64,
            layer: self.layer,
            elided_prefix: if self.elided { PREFIX.to_vec() } else { Vec::new() },
            start_key: self.start.clone(),
            end_key: self.end.clone(),
            end_inclusive: self.end_inclusive,
            ..MergeFile::default()
        }
    }
}

/// Versions of one key: layer and value.
type Versions<'a> = BTreeMap<Timestamp, (u32, &'a [u8])>;

/// What the merge must emit, by the definitions of crdb-format.md 7.6.
fn model(parts: &[Part], options: &MergeOptions) -> Vec<Entry> {
    let inside =
        |u: &[u8]| options.start_key.as_slice() <= u && (options.end_key.is_empty() || u < options.end_key.as_slice());
    let mut keys: BTreeMap<&[u8], Versions<'_>> = BTreeMap::new();
    for part in parts {
        for ((user, time), value) in part.points.iter().filter(|((u, _), _)| part.holds(u) && inside(u)) {
            let slot = keys.entry(user).or_default().entry(time.0).or_insert((part.layer, value));
            if part.layer > slot.0 {
                *slot = (part.layer, value);
            }
        }
    }
    let as_of = options.as_of.unwrap_or(Timestamp::MAX);
    let new = |t: Timestamp| options.after.is_none_or(|after| t > after);
    let mut out = Vec::new();
    for (user, versions) in keys {
        let mut deletions: Vec<Timestamp> = parts
            .iter()
            .filter(|p| p.holds(user))
            .flat_map(|p| &p.spans)
            .filter(|s| s.start.as_slice() <= user && user < s.end.as_slice() && s.time <= as_of)
            .map(|s| s.time)
            .collect();
        let versions: Vec<(Timestamp, &[u8])> =
            versions.into_iter().filter(|(t, _)| *t <= as_of).map(|(t, (_, v))| (t, v)).rev().collect();
        let Some(&(oldest, _)) = versions.last() else { continue };
        deletions.retain(|t| *t >= oldest);
        deletions.sort();
        deletions.dedup();
        // Every event of the key, newest first; a range tombstone at the time of a version hides it.
        let mut events: BTreeMap<Timestamp, &[u8]> = versions.into_iter().collect();
        deletions.iter().for_each(|t| {
            events.insert(*t, &[]);
        });
        let mut events: Vec<(Timestamp, &[u8])> = events.into_iter().rev().collect();
        if options.mode == Mode::Latest {
            events.truncate(1);
        }
        for (time, value) in events.into_iter().filter(|(t, _)| new(*t)) {
            if options.mode == Mode::Latest && options.drop_tombstones && value::is_tombstone(value) {
                continue;
            }
            let (mut time, mut value) = (time, value.to_vec());
            if let Some(rewritten) = options.rewrite_timestamp {
                time = rewritten;
                value = value::parse(&value).expect("sound").body.to_vec();
            }
            let user = match options.rewrites.as_slice() {
                [] => user.to_vec(),
                [old, new] if user.starts_with(old) => [new, &user[old.len()..]].concat(),
                _ => continue,
            };
            match options.checksums {
                Checksums::Keep => {}
                Checksums::Clear => value::clear_checksum(&user, &mut value).expect("sound"),
                Checksums::Compute => value::set_checksum(&user, &mut value).expect("sound"),
            }
            out.push((key(&user, time.wall, time.logical), value));
        }
    }
    out
}

fn options() -> impl Strategy<Value = MergeOptions> {
    let rewrites = prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(vec![PREFIX.to_vec(), b"\xf6\x6e\x8a".to_vec()]),
        1 => Just(vec![[PREFIX, &[0x88]].concat(), b"\xbf\x89".to_vec()]),
    ];
    let times =
        (proptest::option::of(time()), proptest::option::weighted(0.3, time()), proptest::option::weighted(0.3, time()));
    let checksums = prop_oneof![Just(Checksums::Keep), Just(Checksums::Clear), Just(Checksums::Compute)];
    (bound(), bound(), times, any::<bool>(), any::<bool>(), rewrites, checksums).prop_map(
        |(start_key, end_key, (as_of, after, rewrite), all, drop_tombstones, rewrites, checksums)| MergeOptions {
            start_key,
            end_key,
            as_of,
            after,
            mode: if all { Mode::All } else { Mode::Latest },
            drop_tombstones,
            rewrites,
            rewrite_timestamp: rewrite.filter(|_| !all),
            checksums,
            verify_checksums: true,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_merge_emits_what_the_model_says(parts in proptest::collection::vec(part(), 0..7), options in options(), seed: u64) {
        let files: Vec<Vec<u8>> = parts.iter().map(Part::bytes).collect();
        let mut merge = LayerMerge::new(&options).expect("options");
        for (part, bytes) in parts.iter().zip(&files) {
            merge.add_file(part.file(bytes)).expect("before it begins");
        }
        let merged = drain(&mut merge, &files, &mut Noise(seed)).expect("sound files");
        // Files of one layer may hold one version twice with different values: then either is right, the first is taken.
        prop_assert_eq!(&merged, &model(&parts, &options));
        let facts = merge.facts();
        prop_assert_eq!(facts.entries_emitted, merged.len() as u64);
        if options.start_key.is_empty() && options.end_key.is_empty() && parts.iter().all(|p| p.start.is_empty() && p.end.is_empty()) {
            prop_assert_eq!(facts.entries_read, parts.iter().map(|p| p.points.len() as u64).sum::<u64>());
        }
    }
}

/// 3000 files one behind the other are opened only when they are reached, and never many at a time.
#[test]
fn files_are_opened_in_key_order() {
    let files: Vec<Vec<u8>> =
        (0..3000u32).map(|i| build(&Table::of(&[(key(&i.to_be_bytes(), 5, 0), vec![0, 0, 0, 0, 3])]))).collect();
    let mut merge = LayerMerge::new(&MergeOptions::default()).expect("options");
    for (i, bytes) in files.iter().enumerate() {
        let (start_key, end_key) = ((i as u32).to_be_bytes().to_vec(), (i as u32 + 1).to_be_bytes().to_vec());
        let file = MergeFile { start_key, end_key, ..support::merge_file("f", bytes, 0) };
        merge.add_file(file).expect("before it begins");
    }
    let (mut room, mut offsets) = (vec![0; 1 << 16], vec![0; 4001]);
    let (mut widest, mut steps, mut count) = (0, 0, 0);
    loop {
        steps += 1;
        match merge.next(&mut room, &mut offsets).expect("sound files") {
            spanvault_core::merge::MergeStep::Need(needs) => {
                widest = widest.max(needs.len());
                for need in needs {
                    let from = need.offset as usize;
                    merge.feed(need.file, need.offset, &files[need.file][from..from + need.length as usize]).expect("asked");
                }
            }
            spanvault_core::merge::MergeStep::Batch { count: n, .. } => count += n,
            spanvault_core::merge::MergeStep::Grow(_) => unreachable!("the room is ample"),
            spanvault_core::merge::MergeStep::Done => break,
        }
    }
    assert_eq!(count, 3000);
    assert!(widest <= 16 && steps < 1000, "{widest} files at a time, {steps} steps");
}
