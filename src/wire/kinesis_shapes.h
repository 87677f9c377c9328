// The inputs of the Kinesis operations that are offered: tables that mirror the service model
// 2013-12-02. tests/model/model_test.py holds them against it.
#pragma once

#include "wire/shapes.h"

namespace spillway::wire::kinesis {

extern const Shape kCreateStreamInput;
extern const Shape kDeleteStreamInput;
extern const Shape kDescribeStreamInput;
extern const Shape kDescribeStreamSummaryInput;
extern const Shape kGetRecordsInput;
extern const Shape kGetShardIteratorInput;
extern const Shape kListShardsInput;
extern const Shape kListStreamsInput;
extern const Shape kPutRecordInput;
extern const Shape kPutRecordsInput;

}  // namespace spillway::wire::kinesis
