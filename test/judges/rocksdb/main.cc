// judge-rocksdb is a stranger's reader: RocksDB's SstFileReader, with CockroachDB's key order registered as
// `cockroach_comparator`, opens every given SST, verifies all block checksums and iterates it.
// It prints one line per file, `<entries> <path>`, and exits 1 at the first file that RocksDB refuses.
#include <rocksdb/comparator.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace {

using rocksdb::Slice;

struct EngineKey {
  Slice user;     // with the 00 sentinel
  Slice version;  // without the length byte, normalised
};

// Length of the version with its length byte, from the key's last byte; a malformed key counts as unversioned.
EngineKey Split(const Slice& key) {
  if (key.empty()) return {key, Slice()};
  const size_t suffix = static_cast<unsigned char>(key[key.size() - 1]);
  if (suffix == 0 || suffix >= key.size()) return {key, Slice()};
  Slice version(key.data() + key.size() - suffix, suffix - 1);
  if (version.size() == 13) version.remove_suffix(1);
  if (version.size() == 12 && Slice(version.data() + 8, 4) == Slice("\0\0\0\0", 4)) version.remove_suffix(4);
  return {Slice(key.data(), key.size() - suffix), version};
}

class CockroachComparator : public rocksdb::Comparator {
 public:
  const char* Name() const override { return "cockroach_comparator"; }
  int Compare(const Slice& a, const Slice& b) const override {
    const EngineKey x = Split(a), y = Split(b);
    if (const int order = x.user.compare(y.user)) return order;
    if (x.version.empty() || y.version.empty()) return int(!x.version.empty()) - int(!y.version.empty());
    return y.version.compare(x.version);
  }
  void FindShortestSeparator(std::string*, const Slice&) const override {}
  void FindShortSuccessor(std::string*) const override {}
};

bool Refuse(const char* path, const std::string& reason) {
  std::fprintf(stderr, "%s: %s\n", path, reason.c_str());
  return false;
}

bool Judge(const char* path, const CockroachComparator& comparator) {
  rocksdb::Options options;
  options.comparator = &comparator;
  rocksdb::SstFileReader reader(options);
  if (auto status = reader.Open(path); !status.ok()) return Refuse(path, status.ToString());
  if (auto status = reader.VerifyChecksum(); !status.ok()) return Refuse(path, status.ToString());
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  std::unique_ptr<rocksdb::Iterator> it(reader.NewIterator(read));
  std::unique_ptr<rocksdb::Iterator> seeker(reader.NewIterator(read));
  uint64_t entries = 0;
  std::string previous;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (entries > 0 && comparator.Compare(previous, it->key()) >= 0) return Refuse(path, "keys do not ascend at entry " + std::to_string(entries));
    if (entries % 97 == 0) {
      seeker->Seek(it->key());
      if (!seeker->Valid() || seeker->key() != it->key()) return Refuse(path, "seeking entry " + std::to_string(entries) + " finds another key");
    }
    previous = it->key().ToString();
    ++entries;
  }
  if (!it->status().ok()) return Refuse(path, it->status().ToString());
  const uint64_t named = reader.GetTableProperties()->num_entries;
  if (named != entries) return Refuse(path, "properties name " + std::to_string(named) + " entries, the file holds " + std::to_string(entries));
  std::printf("%llu %s\n", static_cast<unsigned long long>(entries), path);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: judge-rocksdb FILE.sst...\n");
    return 2;
  }
  const CockroachComparator comparator;
  return std::all_of(argv + 1, argv + argc, [&](const char* path) { return Judge(path, comparator); }) ? 0 : 1;
}
