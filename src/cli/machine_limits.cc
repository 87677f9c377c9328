#include "cli/machine_limits.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cstring>
#include <vector>

#include "base/base64.h"
#include "base/crc32c.h"
#include "base/digest.h"
#include "base/random.h"
#include "cli/loopback_limit.h"
#include "io/clock.h"
#include "io/posix_disk.h"
#include "metrics/histogram.h"

namespace spillway::cli {

namespace {

constexpr auto kTimePerMeasurement = milliseconds(250);

// How often a second `step` can be done.
template <typename Step>
double rate_of(Step step) {
  io::SystemClock clock;
  step();  // warms caches, and pages in what it touches
  const MonoTime begin = clock.mono_now();
  std::uint64_t times = 0;
  MonoTime now = begin;
  do {
    step();
    ++times;
    now = clock.mono_now();
  } while (now - begin < kTimePerMeasurement);
  return static_cast<double>(times) / std::chrono::duration<double>(now - begin).count();
}

std::string random_bytes(std::size_t size) {
  Random random(1);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  return bytes;
}

std::string put_records_body() {
  const std::string data = random_bytes(1024);
  std::string text(base64_encoded_size(data.size()), '\0');
  base64_encode(data, text.data());
  std::string body = R"({"StreamName":"bench","Records":[)";
  for (int i = 0; i < 500; ++i)
    body += fmt::format(R"({}{{"Data":"{}","PartitionKey":"key-{}"}})", i == 0 ? "" : ",", text, i);
  return body + "]}";
}

double parse_rate(const std::string& body) {
  const simdjson::padded_string padded(body);
  simdjson::ondemand::parser parser;
  return rate_of([&] {
    std::size_t bytes = 0;
    simdjson::ondemand::document document = parser.iterate(padded);
    for (auto record : document["Records"].get_array()) {
      bytes += std::string_view(record["Data"]).size();
      bytes += std::string_view(record["PartitionKey"]).size();
    }
    if (bytes == 0) std::abort();
  });
}

// A zero-filled file, written and synced from its beginning to its end and again, as a journal is.
class SyncedFile {
 public:
  static Result<SyncedFile> make(const std::string& directory) {
    SyncedFile made;
    made.path_ = io::join_path(directory, "machine-limits.tmp");
    if (auto removed = made.disk_->remove(made.path_);
        !removed.ok() && removed.error().code != ErrorCode::kNotFound)
      return std::move(removed).error();
    SPILLWAY_ASSIGN(made.file_, made.disk_->open(made.path_, io::OpenMode::kCreate));
    made.status_ = made.file_->fill_with_zeros(kSize);
    if (made.status_.ok()) made.status_ = made.file_->sync_data();
    return made;
  }
  void write(std::string_view bytes) {
    if (offset_ + bytes.size() > kSize) offset_ = 0;
    if (status_.ok()) status_ = file_->write_at(offset_, bytes);
    if (status_.ok()) status_ = file_->sync_data();
    offset_ += bytes.size();
  }
  // Whether everything went well.
  Status remove() {
    SPILLWAY_TRY(disk_->remove(path_));
    return std::move(status_);
  }

 private:
  static constexpr std::uint64_t kSize = std::uint64_t{64} << 20;

  std::unique_ptr<io::PosixDisk> disk_ = std::make_unique<io::PosixDisk>();
  std::string path_;
  std::unique_ptr<io::File> file_;
  std::uint64_t offset_ = 0;
  Status status_;
};

// Times a second that `size` bytes can be written and synced.
Result<double> sync_rate(const std::string& directory, std::size_t size) {
  SPILLWAY_ASSIGN(auto file, SyncedFile::make(directory));
  const std::string bytes = random_bytes(size);
  const double rate = rate_of([&] { file.write(bytes); });
  SPILLWAY_TRY(file.remove());
  return rate;
}

Status measure_arrivals(const std::string& directory, MachineLimits& limits) {
  constexpr auto kEach = std::chrono::microseconds(100);  // 10,000 a second
  constexpr auto kTime = seconds(5);
  constexpr std::size_t kRecord = 160;
  constexpr std::size_t kSector = 512;
  constexpr std::size_t kWriteMax = std::size_t{4} << 20;
  SPILLWAY_ASSIGN(auto file, SyncedFile::make(directory));
  const std::string bytes = random_bytes(kWriteMax);
  io::SystemClock clock;
  metrics::Histogram waits;
  const MonoTime begin = clock.mono_now();
  std::int64_t done = 0;
  for (MonoTime now = begin; now - begin < kTime; now = clock.mono_now()) {
    const std::int64_t due = (now - begin) / kEach;
    if (due == done) continue;
    const std::size_t size = static_cast<std::size_t>(due - done) * kRecord;
    file.write(std::string_view(bytes).substr(0, (size + kSector - 1) / kSector * kSector));
    const MonoTime synced = clock.mono_now();
    for (; done < due; ++done) waits.record(synced - (begin + kEach * done));
  }
  limits.arrivals_p50_ms = static_cast<double>(waits.quantile(0.5).count()) / 1e6;
  limits.arrivals_p99_ms = static_cast<double>(waits.quantile(0.99).count()) / 1e6;
  return file.remove();
}

}  // namespace

Result<MachineLimits> measure_machine(const std::string& directory) {
  constexpr double kGiga = 1e9;
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  MachineLimits limits;
  const std::string block = random_bytes(kBlock);
  const auto block_size = static_cast<double>(kBlock);

  limits.sha256_gb_per_s = rate_of([&] { sha256(block); }) * block_size / kGiga;
  volatile std::uint32_t sum = 0;
  limits.crc32c_gb_per_s = rate_of([&] { sum = crc32c(block); }) * block_size / kGiga;
  const std::string from = random_bytes(64 * kBlock);
  std::string to(from.size(), '\0');
  limits.memcpy_gb_per_s = rate_of([&] { std::memcpy(to.data(), from.data(), from.size()); }) *
                           static_cast<double>(from.size()) / kGiga;
  std::string text(base64_encoded_size(kBlock), '\0');
  limits.base64_encode_gb_per_s =
      rate_of([&] { base64_encode(block, text.data()); }) * block_size / kGiga;
  std::string decoded(base64_decoded_size_max(text.size()), '\0');
  limits.base64_decode_gb_per_s = rate_of([&] { base64_decode(text, decoded.data()); }) *
                                  static_cast<double>(text.size()) / kGiga;
  const std::string body = put_records_body();
  limits.simdjson_gb_per_s = parse_rate(body) * static_cast<double>(body.size()) / kGiga;
  limits.md5_keys_per_s = rate_of([&] { sum = md5("partition-key-01")[0]; });
  SPILLWAY_ASSIGN(limits.syncs_per_s, sync_rate(directory, 4096));
  SPILLWAY_ASSIGN(const double blocks_per_s, sync_rate(directory, kBlock));
  limits.synced_mb_per_s = blocks_per_s * block_size / 1e6;
  SPILLWAY_TRY(measure_arrivals(directory, limits));
  SPILLWAY_ASSIGN(limits.loopback, measure_loopback());
  return limits;
}

std::string to_json(const MachineLimits& limits) {
  return fmt::format(
      R"({{"sha256_gb_per_s":{:.3f},"memcpy_gb_per_s":{:.3f},"crc32c_gb_per_s":{:.3f},)"
      R"("base64_decode_gb_per_s":{:.3f},"base64_encode_gb_per_s":{:.3f},"simdjson_gb_per_s":{:.3f},)"
      R"("md5_keys_per_s":{:.0f},"syncs_per_s":{:.0f},"synced_mb_per_s":{:.1f},)"
      R"("loopback_requests_per_s":{:.0f},"loopback_gb_per_s":{:.3f},"arrivals_p50_ms":{:.3f},"arrivals_p99_ms":{:.3f}}})",
      limits.sha256_gb_per_s, limits.memcpy_gb_per_s, limits.crc32c_gb_per_s,
      limits.base64_decode_gb_per_s, limits.base64_encode_gb_per_s, limits.simdjson_gb_per_s,
      limits.md5_keys_per_s, limits.syncs_per_s, limits.synced_mb_per_s,
      limits.loopback.requests_per_s, limits.loopback.gb_per_s, limits.arrivals_p50_ms,
      limits.arrivals_p99_ms);
}

}  // namespace spillway::cli
