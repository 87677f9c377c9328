// Who may do what: the policies of the caller's access key and of the resource, before an operation
// touches anything.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "auth/policy.h"
#include "kinesis/operation.h"
#include "wire/shapes.h"

namespace spillway::kinesis {

struct ServiceOptions;  // service.h

// Whether an operation moves records (PutRecord, GetRecords, …) and not what holds them. Those are
// not audited one by one.
bool is_data_plane(std::string_view operation);

// The answer to give instead, where the caller may not do that with this (valid) input. Notes the
// resource in the call, for the audit log. Where the input names no resource in a form that is
// right, it is left to the operation to say so.
std::optional<Reply> authorize(Service& service, Call& call, const wire::Value& input);

// Whether the caller's policy and that of call.resource (nullptr: it has none) allow it `action`
// ("kinesis:PutRecord"); the answer to give instead.
std::optional<Reply> check_policies(const ServiceOptions& options, const Call& call,
                                    std::string_view action, const auth::Policy* of_resource);

// The resource policies of streams and consumers, parsed when they are first needed. Thread-safe.
class ResourcePolicies {
 public:
  // `id` of the stream or consumer; nullptr where `text` is empty. A text that can't be read denies
  // everything: it may say so.
  std::shared_ptr<const auth::Policy> find(std::uint64_t id, const std::string& text);

 private:
  struct Entry {
    std::string text;
    std::shared_ptr<const auth::Policy> policy;
  };
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<const Entry>> entries_;
};

}  // namespace spillway::kinesis
