// Command peer-pebble measures Pebble's sstable.Writer on records that the bench wrote: `peer-pebble DATA CODEC LEVEL BLOCK RUNS`.
// DATA is { u32le key bytes, u32le value bytes, key, value }…, keys in cockroach_comparator order. The file goes to a
// sink that discards it. Prints one JSON line: processor seconds of each run (user and system, all threads, garbage
// collection too, so that a busy machine does not count) and bytes out.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/cockroachdb/pebble/v2/cockroachkvs"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// discard is an objstorage.Writable that counts.
type discard struct{ bytes int64 }

func (d *discard) Write(p []byte) error { d.bytes += int64(len(p)); return nil }
func (d *discard) Finish() error        { return nil }
func (d *discard) Abort()               {}

func processorSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	nanoseconds := usage.Utime.Nano() + usage.Stime.Nano()
	return float64(nanoseconds) / 1e9
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: peer-pebble DATA none|snappy|zstd LEVEL BLOCK RUNS")
		os.Exit(2)
	}
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	level, _ := strconv.Atoi(os.Args[3])
	blockSize, _ := strconv.Atoi(os.Args[4])
	runs, _ := strconv.Atoi(os.Args[5])
	profile := block.NoCompression
	switch os.Args[2] {
	case "snappy":
		profile = block.SnappyCompression
	case "zstd":
		// The named profile is level 3; the level is a plain field of its settings.
		leveled := *block.ZstdCompression
		leveled.DataBlocks.Level = uint8(level)
		leveled.OtherBlocks.Level = uint8(level)
		profile = &leveled
	}
	out := struct {
		Seconds   []float64 `json:"seconds"`
		FileBytes int64     `json:"fileBytes"`
	}{}
	for run := 0; run < runs; run++ {
		sink := &discard{}
		begin := processorSeconds()
		writer := sstable.NewWriter(sink, sstable.WriterOptions{
			Comparer:    &cockroachkvs.Comparer,
			TableFormat: sstable.TableFormatRocksDBv2,
			BlockSize:   blockSize,
			Compression: profile,
			MergerName:  "nullptr",
		})
		for at := data; len(at) > 0; {
			key, value := binary.LittleEndian.Uint32(at), binary.LittleEndian.Uint32(at[4:])
			if err := writer.Set(at[8:8+key], at[8+key:8+key+value]); err != nil {
				panic(err)
			}
			at = at[8+key+value:]
		}
		if err := writer.Close(); err != nil {
			panic(err)
		}
		out.Seconds = append(out.Seconds, processorSeconds()-begin)
		out.FileBytes = sink.bytes
	}
	_ = json.NewEncoder(os.Stdout).Encode(out)
}
