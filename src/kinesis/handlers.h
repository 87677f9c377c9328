// The operations that this build offers; each is in the file of its name.
#pragma once

#include "kinesis/operation.h"

namespace spillway::kinesis {

Task<Reply> create_stream(Service& service, Call& call);
Task<Reply> delete_stream(Service& service, Call& call);
Task<Reply> describe_stream(Service& service, Call& call);
Task<Reply> describe_stream_summary(Service& service, Call& call);
Task<Reply> get_records(Service& service, Call& call);
Task<Reply> get_shard_iterator(Service& service, Call& call);
Task<Reply> list_shards(Service& service, Call& call);
Task<Reply> list_streams(Service& service, Call& call);
Task<Reply> put_record(Service& service, Call& call);
Task<Reply> put_records(Service& service, Call& call);

}  // namespace spillway::kinesis
