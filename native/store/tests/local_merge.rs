//! A merge that reads local files itself gives what one gives that is fed, and says which file cannot be read.

use std::fs;
use std::path::{Path, PathBuf};

use spanvault_core::batch::{Batch, Packer};
use spanvault_core::cursor::MergeFile;
use spanvault_core::engine_key::{self, Timestamp};
use spanvault_core::merge::{LayerMerge, MergeOptions, MergeStep};
use spanvault_core::selection::Mode;
use spanvault_core::sst_writer::{SstOptions, SstWriter};
use spanvault_store::{FileFault, LocalMerge, LocalStep};

type Entry = (Vec<u8>, Vec<u8>);

const LAYERS: u8 = 40;

/// Each layer holds every 40th row of a table, some kilobytes in several blocks.
fn layer(number: u8) -> Vec<u8> {
    let (mut bytes, mut offsets) = (vec![0; 1 << 20], vec![0; 4001]);
    let mut packer = Packer::new(&mut bytes, &mut offsets).expect("room");
    for row in 0..200u8 {
        let mut key = Vec::new();
        let user = [0xf2, 0x89, 0xf7, row, number];
        engine_key::encode(&mut key, &user, Some(Timestamp { wall: 1 + u64::from(number), logical: 0 }));
        let value: Vec<u8> = (0..90u32).map(|i| (i * u32::from(row) * 7 + u32::from(number)) as u8).collect();
        packer.push(&key, &[&[0, 0, 0, 0, 3][..], &value].concat()).expect("room");
    }
    let count = packer.count();
    let mut writer = SstWriter::new(SstOptions { block_bytes: 4096, ..SstOptions::default() }).expect("a writer");
    let mut file = vec![0; 1 << 20];
    let batch = Batch::new(&bytes, &offsets, count).expect("a batch");
    let at = writer.write(&batch, 0, &mut file, 0).expect("writes").out_pos;
    let (end, done) = writer.finish(&mut file, at).expect("finishes");
    assert!(done);
    file.truncate(end);
    file
}

struct Fixture {
    directory: tempfile::TempDir,
    layers: Vec<Vec<u8>>,
}

impl Fixture {
    fn new() -> Self {
        let fixture =
            Fixture { directory: tempfile::tempdir().expect("a directory"), layers: (0..LAYERS).map(layer).collect() };
        fs::create_dir(fixture.root()).expect("root");
        for (number, bytes) in fixture.layers.iter().enumerate() {
            fs::write(fixture.path(number), bytes).expect("a file");
        }
        fixture
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn path(&self, number: usize) -> PathBuf {
        self.root().join(number.to_string())
    }

    /// A merge of all layers, of which those that `fed` chooses are handed in.
    fn merge(&self, fed: impl Fn(usize) -> bool, budget: Option<u64>) -> LocalMerge {
        let options = MergeOptions { mode: Mode::All, ..MergeOptions::default() };
        let mut merge = LayerMerge::new(&options).expect("a merge");
        if let Some(bytes) = budget {
            merge.set_budget(bytes);
        }
        let mut merge = LocalMerge::new(merge);
        for (number, bytes) in self.layers.iter().enumerate() {
            let file = MergeFile {
                name: number.to_string(),
                layer: number as u32,
                file_bytes: bytes.len() as u64,
                ..MergeFile::default()
            };
            if fed(number) {
                assert_eq!(merge.add_file(file).expect("added"), number);
            } else {
                let size = merge.add_local(MergeFile { file_bytes: 0, ..file }, &self.root(), &self.path(number));
                assert_eq!(size.expect("added"), Ok(bytes.len() as u64));
            }
        }
        merge
    }

    fn drain(&self, merge: &mut LocalMerge) -> Result<Vec<Entry>, (usize, FileFault)> {
        let (mut bytes, mut offsets, mut entries) = (vec![0; 3000], vec![0; 65], Vec::new());
        loop {
            match merge.next_behind(&mut bytes, &mut offsets, 0).expect("sound files") {
                LocalStep::Failed { file, fault } => return Err((file, fault)),
                LocalStep::Step(MergeStep::Batch { count, .. }) => {
                    let batch = Batch::new(&bytes, &offsets, count).expect("a batch");
                    entries.extend(batch.iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
                }
                LocalStep::Step(MergeStep::Need(needs)) => {
                    for need in needs {
                        let (from, to) = (need.offset as usize, (need.offset + need.length) as usize);
                        merge.merge_mut().feed(need.file, need.offset, &self.layers[need.file][from..to]).expect("wanted");
                    }
                }
                LocalStep::Step(MergeStep::Grow(size)) => bytes.resize(size, 0),
                LocalStep::Step(MergeStep::Done) => return Ok(entries),
            }
        }
    }
}

#[test]
fn gives_what_a_merge_gives_that_is_fed_and_counts_what_it_reads() {
    let fixture = Fixture::new();
    let expected = fixture.drain(&mut fixture.merge(|_| true, None)).expect("entries");
    assert_eq!(expected.len(), usize::from(LAYERS) * 200);
    let total: usize = fixture.layers.iter().map(Vec::len).sum();
    for budget in [None, Some(1 << 20), Some(1)] {
        for some in [1, 3, usize::MAX] {
            let mut merge = fixture.merge(|number| number % some == some - 1 && some > 1, budget);
            assert_eq!(fixture.drain(&mut merge).expect("entries"), expected, "{budget:?}, {some}");
            let counted: Vec<_> = merge.reads().collect();
            assert_eq!(counted.iter().all(|file| file.reads > 0), some != 3);
            if some == 1 {
                let bytes: u64 = counted.iter().map(|file| file.bytes).sum();
                // The end of a file, of a window at least, may be read again for its blocks.
                assert!(
                    bytes >= total as u64 && bytes <= total as u64 + u64::from(LAYERS) * (64 << 10),
                    "{bytes} of {total}"
                );
            }
        }
    }
}

#[test]
fn says_which_file_cannot_be_read() {
    let fixture = Fixture::new();
    let add = |path: &Path| {
        let mut merge = fixture.merge(|_| true, None);
        merge.add_local(MergeFile::default(), &fixture.root(), path).expect("named")
    };
    fs::write(fixture.directory.path().join("secret"), b"secret").expect("secret");
    std::os::unix::fs::symlink(fixture.directory.path().join("secret"), fixture.root().join("out")).expect("out");
    assert_eq!(add(&fixture.root().join("out")), Err(FileFault::Outside));
    assert_eq!(add(&fixture.root().join("none")), Err(FileFault::System(libc::ENOENT)));
    assert_eq!(add(&fixture.root()), Err(FileFault::NotAFile));

    let mut merge = fixture.merge(|_| false, Some(1));
    let bytes = fixture.layers[7].len() as u64;
    fs::File::options().write(true).open(fixture.path(7)).and_then(|file| file.set_len(bytes - 1)).expect("cut");
    let failed = fixture.drain(&mut merge);
    assert!(matches!(failed, Err((7, FileFault::Cut { at, .. })) if at == bytes - 1), "{failed:?}");

    let fixture = Fixture::new();
    let mut merge = fixture.merge(|_| false, Some(1));
    fs::remove_file(fixture.path(9)).expect("gone");
    assert_eq!(fixture.drain(&mut merge), Err((9, FileFault::System(libc::ENOENT))));
}
