// Command judge-pebble is a stranger's reader: Pebble's own sstable package with CockroachDB's comparer says of every
// given SST whether its block checksums hold, its keys ascend, and how many there are.
// It prints one line per file, `<entries> <path>`, and exits 1 at the first file that Pebble refuses.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

func judge(path string) (entries int, err error) {
	// Pebble panics on some malformed keys; a refusal all the same.
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("pebble panicked: %v", reason)
		}
	}()
	file, err := vfs.Default.Open(path)
	if err != nil {
		return 0, err
	}
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return 0, err
	}
	reader, err := sstable.NewReader(nil, readable, sstable.ReaderOptions{
		Comparer:   &cockroachkvs.Comparer,
		KeySchemas: sstable.MakeKeySchemas(&cockroachkvs.KeySchema),
	})
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	if err := reader.ValidateBlockChecksums(); err != nil {
		return 0, err
	}
	properties, err := reader.ReadPropertiesBlock(nil, nil)
	if err != nil {
		return 0, err
	}
	iter, err := reader.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return 0, err
	}
	defer iter.Close()
	var previous []byte
	for kv := iter.First(); kv != nil; kv = iter.Next() {
		if entries > 0 && cockroachkvs.Comparer.Compare(previous, kv.K.UserKey) >= 0 {
			return 0, fmt.Errorf("key %x does not follow %x", kv.K.UserKey, previous)
		}
		if kv.K.SeqNum() != 0 {
			return 0, fmt.Errorf("key %x has sequence number %d", kv.K.UserKey, kv.K.SeqNum())
		}
		if err := cockroachkvs.Comparer.ValidateKey.Validate(kv.K.UserKey); err != nil {
			return 0, err
		}
		previous = append(previous[:0], kv.K.UserKey...)
		entries++
	}
	if err := iter.Error(); err != nil {
		return 0, err
	}
	if uint64(entries) != properties.NumEntries {
		return 0, fmt.Errorf("properties name %d entries, the file holds %d", properties.NumEntries, entries)
	}
	// Every key must also be found by seeking, which exercises the index separators.
	seeker, err := reader.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return 0, err
	}
	defer seeker.Close()
	step := 0
	for kv := iter.First(); kv != nil; kv = iter.Next() {
		if step++; step%97 != 1 {
			continue
		}
		found := seeker.SeekGE(kv.K.UserKey, 0)
		if found == nil || !bytes.Equal(found.K.UserKey, kv.K.UserKey) {
			return 0, fmt.Errorf("seeking %x finds another key", kv.K.UserKey)
		}
	}
	return entries, nil
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: judge-pebble FILE.sst…")
		os.Exit(2)
	}
	for _, path := range os.Args[1:] {
		entries, err := judge(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
		fmt.Printf("%d %s\n", entries, path)
	}
}
