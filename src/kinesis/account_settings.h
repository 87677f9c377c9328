#pragma once

#include "kinesis/service.h"

namespace spillway::kinesis {

// What MinimumThroughputBillingCommitment is at `now`.
enum class Commitment { kDisabled, kEnabled, kEnabledUntilEarliestEnd };
Commitment commitment_of(const Service& service, const stream::AccountSettings& account,
                         WallTime now);

}  // namespace spillway::kinesis
