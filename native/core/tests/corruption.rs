//! Damage: every bit flipped, every length cut, in small files of several formats. The answer is an error or the same
//! as before; never a panic and never another answer.

mod support;

use spanvault_core::Code;
use spanvault_core::cursor::MergeFile;
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::Result;
use spanvault_core::merge::{LayerMerge, MergeOptions, MergeStep};
use spanvault_core::selection::Mode;
use spanvault_core::verify::describe_sst;
use support::{Entry, Span, Table, build, key, merge_file};

fn entries() -> Vec<Entry> {
    let mut out = Vec::new();
    for user in [&b"\xbd\x89\x88\x88"[..], b"\xbd\x89\x89\x88", b"\xbd\x89\x8a\x88"] {
        for wall in [0x1234_5678_9abc_def0u64, 0x1234_5678_9abc_0001] {
            let mut value = vec![0, 0, 0, 0, 3, b'v', wall as u8];
            spanvault_core::value::set_checksum(user, &mut value).expect("sound");
            out.push((key(user, wall, (wall & 1) as u32), value));
        }
    }
    out
}

fn tables() -> Vec<(&'static str, Table)> {
    let plain = Table { block_entries: 2, ..Table::of(&entries()) };
    let time = Timestamp { wall: 9, logical: 0 };
    let span = Span { start: b"\xbd\x89\x88".to_vec(), end: b"\xbd\x8a".to_vec(), time };
    vec![
        ("leveldb", Table { format: 0, ..plain.clone() }),
        ("two levels, xxhash64", Table { format: 1, partition: 2, xxhash: true, ..plain.clone() }),
        ("range keys", Table { format: 2, spans: vec![span], ..plain.clone() }),
        ("value blocks", Table { format: 3, value_block_from: 7, ..plain.clone() }),
        ("obsolete bits", Table { format: 4, ..plain }),
    ]
}

/// All entries, through the merge, or the first error.
fn read(bytes: &[u8]) -> Result<Vec<Entry>> {
    read_through(merge_file("damaged.sst", bytes, 0), bytes, bytes)
}

/// The same of a file whose bytes come as `first`, and as `again` when they are asked for anew.
fn read_through(file: MergeFile, first: &[u8], again: &[u8]) -> Result<Vec<Entry>> {
    let options = MergeOptions { mode: Mode::All, verify_checksums: true, ..MergeOptions::default() };
    let mut merge = LayerMerge::new(&options)?;
    merge.add_file(file)?;
    let (mut room, mut offsets) = (vec![0; 4096], vec![0; 201]);
    let mut out = Vec::new();
    loop {
        match merge.next(&mut room, &mut offsets)? {
            MergeStep::Batch { count, .. } => {
                let at = |n: usize| offsets[n] as usize;
                out.extend(
                    (0..count)
                        .map(|i| (room[at(2 * i)..at(2 * i + 1)].to_vec(), room[at(2 * i + 1)..at(2 * i + 2)].to_vec())),
                );
            }
            MergeStep::Need(needs) => {
                for need in needs {
                    let from = need.offset as usize;
                    let bytes = if need.again { again } else { first };
                    merge.feed(need.file, need.offset, &bytes[from..from + need.length as usize])?;
                }
            }
            MergeStep::Grow(n) => room.resize(n, 0),
            MergeStep::Done => return Ok(out),
        }
    }
}

#[test]
fn damage_is_refused_or_harmless() {
    for (name, table) in tables() {
        let sound = build(&table);
        let answer = read(&sound).unwrap_or_else(|e| panic!("{name}: {e}"));
        let report = describe_sst(name, &sound).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(report.entries, 6, "{name}");
        let (mut refused, mut harmless) = (0, 0);
        let mut judge = |bytes: &[u8], what: &str| {
            let described = describe_sst(name, bytes);
            match read(bytes) {
                Ok(again) => assert_eq!(again, answer, "{name}: another answer after {what}"),
                Err(fault) => {
                    refused += 1;
                    assert!(fault.message().contains("sst damaged.sst: "), "{fault}");
                    // A footer without a checksum may turn into that of a format that stores values otherwise.
                    let known = [Code::CorruptSst, Code::UnsupportedFormat, Code::CorruptValue];
                    assert!(known.contains(&fault.code()), "{fault}");
                    assert!(described.is_err(), "{name}: described after {what}, though merging says {fault}");
                }
            }
            match described {
                Ok(again) => {
                    harmless += 1;
                    // The footer's version may turn into one that means the same for this file.
                    let again = spanvault_core::verify::SstReport { format: report.format.clone(), ..again };
                    assert_eq!(again, report, "{name}: another report after {what}");
                }
                Err(fault) => {
                    let named = ["block at offset", "footer", "the value of key"];
                    assert!(named.iter().any(|part| fault.message().contains(part)), "{fault}");
                }
            }
        };
        for at in 0..sound.len() {
            for bit in 0..8 {
                let mut bytes = sound.clone();
                bytes[at] ^= 1 << bit;
                judge(&bytes, &format!("flipping bit {bit} of byte {at}"));
            }
        }
        for cut in 0..sound.len() {
            judge(&sound[..cut], &format!("cutting at {cut}"));
        }
        assert!(refused > sound.len() * 7 && harmless < 8 * 45, "{name}: {refused} refused, {harmless} harmless");
    }
}

#[test]
fn damage_on_the_way_is_read_again_and_damage_at_rest_told() {
    for (name, table) in tables() {
        let sound = build(&table);
        let answer = read(&sound).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut healed = 0;
        for tail_bytes in [0, 70, sound.len() as u64] {
            let file = MergeFile { remote: true, tail_bytes, ..merge_file("damaged.sst", &sound, 0) };
            for at in 0..sound.len() {
                let mut bytes = sound.clone();
                bytes[at] ^= 0x10;
                let at_rest = read(&bytes);
                assert_eq!(read_through(file.clone(), &bytes, &bytes), at_rest, "{name}: byte {at}");
                match read_through(file.clone(), &bytes, &sound) {
                    Ok(entries) => {
                        assert_eq!(entries, answer, "{name}: byte {at}");
                        healed += usize::from(at_rest.is_err());
                    }
                    // The footer without a checksum again: what it leads to is found late.
                    Err(fault) => assert_eq!(fault.code(), Code::CorruptValue, "{name}: byte {at}: {fault}"),
                }
                let local = MergeFile { remote: false, ..file.clone() };
                assert_eq!(read_through(local, &bytes, &sound), at_rest, "{name}: byte {at}");
            }
        }
        assert!(healed > sound.len() * 5 / 2, "{name}: {healed} of three times {}", sound.len());
    }
}

#[test]
fn what_no_backup_holds_is_named() {
    let refusal = |table: &Table| read(&build(table)).expect_err("must be refused").to_string();
    let mut table = Table::of(&entries());
    table.entries[3].1 = 2;
    let text = refusal(&table);
    assert!(text.starts_with("SV_CORRUPT_SST") && text.contains("kind 2 at \"\\xbd\\x89\\x89\\x88"), "{text}");
    assert_eq!(describe_sst("f", &build(&table)).expect("described all the same").entries, 6);

    let mut table = Table::of(&entries());
    table.entries.swap(2, 4);
    let text = refusal(&table);
    assert!(text.contains("out of order") && text.contains("\\x8a") && text.contains(" after "), "{text}");

    let mut table = Table::of(&entries());
    table.entries[1] = table.entries[0].clone();
    assert!(refusal(&table).contains("twice"));

    let mut table = Table::of(&entries());
    table.entries[5].2[6] ^= 1;
    let text = refusal(&table);
    assert!(text.starts_with("SV_CORRUPT_VALUE: sst damaged.sst: ") && text.contains("\\xbd\\x89\\x8a\\x88"), "{text}");
    assert_eq!(describe_sst("f", &build(&table)).expect_err("must be refused").code(), Code::CorruptValue);

    let lock = [b"\xbd\x89\x8b\x88\x00\x01".to_vec(), vec![7; 16], vec![18]].concat();
    let mut table = Table::of(&entries());
    table.entries.push((lock, 1, vec![1]));
    assert!(refusal(&table).contains("no timestamp"));

    let mut wrong = Table::of(&entries());
    wrong.properties.push(("pebble.num.values.in.blob-files", vec![1]));
    assert!(refusal(&wrong).starts_with("SV_UNSUPPORTED_FORMAT") && refusal(&wrong).contains("blob files"));
}
