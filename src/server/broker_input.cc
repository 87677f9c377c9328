#include "server/broker_input.h"

namespace spillway::server {
namespace {

constexpr std::string_view kAccount = "000000000000";
constexpr std::string_view kOperations[] = {"DescribeStream", "DescribeStreamSummary",
                                            "ListShards",     "ListStreams",
                                            "PutRecord",      "PutRecords"};
constexpr std::string_view kNoOthers =
    "a broker takes records (PutRecord, PutRecords) and tells of its streams (DescribeStream, "
    "DescribeStreamSummary, ListShards, ListStreams); read them, and change streams, at a region";

stream::TokenKey make_token_key(io::Entropy& entropy) {
  stream::TokenKey key{};
  entropy.fill(key);
  return key;
}

DispatchOptions dispatch_options(const BrokerConfig& config) {
  DispatchOptions options;
  options.region = config.region;
  options.operations = kOperations;
  options.no_others = kNoOthers;
  return options;
}

}  // namespace

kinesis::ServiceOptions service_options(const BrokerConfig& config) {
  kinesis::ServiceOptions options;
  options.region = config.region;
  options.account = kAccount;
  return options;
}

BrokerInput::BrokerInput(const BrokerConfig& config, const InputStreams& streams,
                         const KeyTableRef& keys, const Parts& parts)
    : engine_(parts.spool, streams.named, parts.metrics),
      master_keys_({config.data, config.region, std::string(kAccount)}, parts.disk, parts.clock,
                   parts.entropy, parts.log),
      service_(service_options(config), engine_, parts.clock, parts.entropy,
               make_token_key(parts.entropy), master_keys_),
      dispatch_(dispatch_options(config), parts.loops, service_, keys, parts.audit_log,
                parts.entropy, parts.metrics, parts.log) {}

}  // namespace spillway::server
