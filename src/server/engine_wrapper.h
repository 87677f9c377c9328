// For tests: an engine that does as another one does, but for what a test overrides.
#pragma once

#include <memory>
#include <utility>

#include "stream/engine.h"

namespace spillway::server {

class EngineWrapper : public stream::Engine {
 public:
  explicit EngineWrapper(std::unique_ptr<stream::Engine> engine) : engine_(std::move(engine)) {}

  void append(std::vector<stream::AppendItem> items,
              UniqueFunction<void(std::vector<Result<stream::Appended>>)> done) override {
    engine_->append(std::move(items), std::move(done));
  }
  void read(stream::ReadRequest request,
            UniqueFunction<void(Result<stream::ReadResult>)> done) override {
    engine_->read(request, std::move(done));
  }
  void find_by_time(stream::ShardId shard, WallTime time,
                    UniqueFunction<void(Result<stream::Position>)> done) override {
    engine_->find_by_time(shard, time, std::move(done));
  }
  void find_trim_horizon(stream::ShardId shard,
                         UniqueFunction<void(Result<stream::Position>)> done) override {
    engine_->find_trim_horizon(shard, std::move(done));
  }
  Result<stream::ShardTip> tip(stream::ShardId shard) override { return engine_->tip(shard); }
  void release(stream::ShardId shard, stream::Position before) override {
    engine_->release(shard, before);
  }
  std::uint64_t stored_bytes() override { return engine_->stored_bytes(); }
  stream::CatalogRef catalog() override { return engine_->catalog(); }
  void update_catalog(UniqueFunction<Result<stream::CatalogChange>(const stream::Catalog&)> decide,
                      UniqueFunction<void(Result<stream::CatalogRef>)> done) override {
    engine_->update_catalog(std::move(decide), std::move(done));
  }
  void set_listener(stream::EngineListener* listener) override { engine_->set_listener(listener); }
  Status writable() override { return engine_->writable(); }
  void stop() override { engine_->stop(); }

 private:
  const std::unique_ptr<stream::Engine> engine_;
};

}  // namespace spillway::server
