// The operations that this build offers; each is in the file of its name or of
// what it shares with others (tags.cc, reshard.cc, …).
#pragma once

#include "kinesis/operation.h"

namespace spillway::kinesis {

Task<Reply> add_tags_to_stream(Service& service, Call& call);
Task<Reply> create_stream(Service& service, Call& call);
Task<Reply> decrease_stream_retention_period(Service& service, Call& call);
Task<Reply> delete_resource_policy(Service& service, Call& call);
Task<Reply> delete_stream(Service& service, Call& call);
Task<Reply> deregister_stream_consumer(Service& service, Call& call);
Task<Reply> describe_account_settings(Service& service, Call& call);
Task<Reply> describe_limits(Service& service, Call& call);
Task<Reply> describe_stream(Service& service, Call& call);
Task<Reply> describe_stream_consumer(Service& service, Call& call);
Task<Reply> describe_stream_summary(Service& service, Call& call);
Task<Reply> disable_enhanced_monitoring(Service& service, Call& call);
Task<Reply> enable_enhanced_monitoring(Service& service, Call& call);
Task<Reply> get_records(Service& service, Call& call);
Task<Reply> get_resource_policy(Service& service, Call& call);
Task<Reply> get_shard_iterator(Service& service, Call& call);
Task<Reply> increase_stream_retention_period(Service& service, Call& call);
Task<Reply> list_shards(Service& service, Call& call);
Task<Reply> list_stream_consumers(Service& service, Call& call);
Task<Reply> list_streams(Service& service, Call& call);
Task<Reply> list_tags_for_resource(Service& service, Call& call);
Task<Reply> list_tags_for_stream(Service& service, Call& call);
Task<Reply> merge_shards(Service& service, Call& call);
Task<Reply> put_record(Service& service, Call& call);
Task<Reply> put_records(Service& service, Call& call);
Task<Reply> put_resource_policy(Service& service, Call& call);
Task<Reply> register_stream_consumer(Service& service, Call& call);
Task<Reply> remove_tags_from_stream(Service& service, Call& call);
Task<Reply> split_shard(Service& service, Call& call);
Task<Reply> start_stream_encryption(Service& service, Call& call);
Task<Reply> stop_stream_encryption(Service& service, Call& call);
Task<Reply> subscribe_to_shard(Service& service, Call& call);
Task<Reply> tag_resource(Service& service, Call& call);
Task<Reply> untag_resource(Service& service, Call& call);
Task<Reply> update_account_settings(Service& service, Call& call);
Task<Reply> update_max_record_size(Service& service, Call& call);
Task<Reply> update_shard_count(Service& service, Call& call);
Task<Reply> update_stream_mode(Service& service, Call& call);
Task<Reply> update_stream_record_distribution_strategy(Service& service, Call& call);
Task<Reply> update_stream_warm_throughput(Service& service, Call& call);

}  // namespace spillway::kinesis
