// The aggregated format of the Kinesis Producer Library: several user records in one Kinesis
// record.
//
//   0     4  magic F3 89 9A C2
//   4     n  a protobuf (proto2) message:
//              repeated string partition_key_table = 1
//              repeated string explicit_hash_key_table = 2
//              repeated Record records = 3 {
//                required uint64 partition_key_index = 1
//                optional uint64 explicit_hash_key_index = 2
//                required bytes data = 3
//                repeated Tag tags = 4 { required string key = 1; optional string value = 2 }
//              }
//   4+n  16  MD5 of that message
//
// (aggregation-format.md of amazon-kinesis-producer.) What doesn't have this form is a plain
// record, as for every other reader of the format; unknown fields are passed over, and so are tags
// but for one: the tag "spillway" has the record's origin (docs/formats/origin.md).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spillway::wire {

struct UserRecord {
  std::string_view partition_key;
  std::string_view data;
  std::optional<std::string_view> explicit_hash_key = std::nullopt;  // decimal
  std::optional<std::string_view> origin = std::nullopt;  // as stream::parse_origin() reads it

  friend bool operator==(const UserRecord&, const UserRecord&) = default;
};

// The user records of `data`, in their order, as views into it; nullopt where it is no aggregate.
std::optional<std::vector<UserRecord>> split_aggregate(std::string_view data);

std::string make_aggregate(std::span<const UserRecord> records);

}  // namespace spillway::wire
