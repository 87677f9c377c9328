// A machine with a reader of all regions: what it has committed, which stays, and the process,
// which comes and goes. The process is client/regions_reader.h with an application that takes its
// time for each batch, and commits now and then, as the seed wants it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "client/regions_reader.h"
#include "sim/broker_model.h"
#include "sim/region_link.h"
#include "sim/stage.h"

namespace spillway::sim {

// On the stage, which outlives it, as the links and the model do.
class ReaderMachine final : public client::RegionsEvents {
 public:
  struct Parts {
    Stage& stage;
    BrokerModel& model;
    std::vector<RegionLink*> links;  // to the regions
  };

  ReaderMachine(Parts parts, client::RegionsReaderOptions options, Random random);
  ~ReaderMachine() override;  // not while the process runs

  bool running() const { return reader_ != nullptr; }
  // Starts the process from what was committed last.
  Status start();
  // The process is gone, with what was not committed.
  void crash();

  std::uint64_t commits() const { return commits_; }
  std::uint64_t gaps() const { return gaps_; }
  std::uint64_t copies() const { return copies_; }  // that readers dropped

 private:
  void on_ready() override;
  void on_region(const std::string& name, const Status& status) override;
  void on_gaps(std::uint64_t gaps) override { gaps_ += gaps; }

  void handle();
  void commit();

  const Parts parts_;
  const client::RegionsReaderOptions options_;
  Random random_;
  std::string committed_;
  std::unique_ptr<client::RegionsReader> reader_;
  std::unique_ptr<io::Timer> handling_;  // of `batch_`
  std::unique_ptr<io::Timer> committing_;
  std::vector<client::RegionRecord> batch_;
  std::uint64_t commits_ = 0;
  std::uint64_t gaps_ = 0;
  std::uint64_t copies_ = 0;
};

}  // namespace spillway::sim
