// peer-rocksdb measures RocksDB's SstFileWriter on records that the bench wrote: `peer-rocksdb DATA CODEC LEVEL BLOCK RUNS`.
// DATA is { u32le key bytes, u32le value bytes, key, value }…, keys in cockroach_comparator order. The file goes to a
// sink that discards it, so that only the writer is measured. Prints one JSON line: processor seconds of each run (user and
// system, all threads, so that a busy machine does not count) and bytes out. Debian ships RocksDB with assertions on; the bench says so beside the figure.
#include <rocksdb/comparator.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using rocksdb::Slice;
using rocksdb::Status;

class CockroachComparator : public rocksdb::Comparator {
 public:
  const char* Name() const override { return "cockroach_comparator"; }
  int Compare(const Slice& a, const Slice& b) const override {
    const size_t x = Prefix(a), y = Prefix(b);
    if (const int order = Slice(a.data(), x).compare(Slice(b.data(), y))) return order;
    return Slice(b.data() + y, b.size() - y).compare(Slice(a.data() + x, a.size() - x));
  }
  void FindShortestSeparator(std::string*, const Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}

 private:
  static size_t Prefix(const Slice& key) { return key.empty() ? 0 : key.size() - static_cast<unsigned char>(key[key.size() - 1]); }
};

class NullFile : public rocksdb::WritableFile {
 public:
  Status Append(const Slice& data) override { size_ += data.size(); return Status::OK(); }
  Status Append(const Slice& data, const rocksdb::DataVerificationInfo&) override { return Append(data); }
  Status Close() override { return Status::OK(); }
  Status Flush() override { return Status::OK(); }
  Status Sync() override { return Status::OK(); }
  uint64_t GetFileSize() override { return size_; }

 private:
  uint64_t size_ = 0;
};

class NullEnv : public rocksdb::EnvWrapper {
 public:
  using EnvWrapper::EnvWrapper;
  Status NewWritableFile(const std::string&, std::unique_ptr<rocksdb::WritableFile>* file, const rocksdb::EnvOptions&) override {
    *file = std::make_unique<NullFile>();
    return Status::OK();
  }
};

uint32_t U32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

double ProcessorSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: peer-rocksdb DATA none|snappy|zstd LEVEL BLOCK RUNS\n");
    return 2;
  }
  std::ifstream input(argv[1], std::ios::binary);
  const std::vector<char> data{std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>()};
  const std::string codec = argv[2];
  const CockroachComparator comparator;
  NullEnv env(rocksdb::Env::Default());
  rocksdb::Options options;
  options.env = &env;
  options.comparator = &comparator;
  options.compression = codec == "none" ? rocksdb::kNoCompression : codec == "snappy" ? rocksdb::kSnappyCompression : rocksdb::kZSTD;
  options.compression_opts.level = std::atoi(argv[3]);
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 2;
  table.checksum = rocksdb::kCRC32c;
  table.block_size = std::atoi(argv[4]);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  std::string seconds;
  uint64_t bytes = 0;
  for (int run = 0; run < std::atoi(argv[5]); run++) {
    const double begin = ProcessorSeconds();
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), options);
    Status status = writer.Open("/discarded.sst");
    for (const char *at = data.data(), *end = at + data.size(); status.ok() && at < end;) {
      const uint32_t key = U32(at), value = U32(at + 4);
      status = writer.Put(Slice(at + 8, key), Slice(at + 8 + key, value));
      at += 8 + key + value;
    }
    rocksdb::ExternalSstFileInfo info;
    if (status.ok()) status = writer.Finish(&info);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
    bytes = info.file_size;
    seconds += (run == 0 ? "" : ",") + std::to_string(ProcessorSeconds() - begin);
  }
  std::printf("{\"seconds\":[%s],\"fileBytes\":%llu}\n", seconds.c_str(), static_cast<unsigned long long>(bytes));
  return 0;
}
