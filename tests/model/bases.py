"""A request of every operation that a region accepts, as far as what it names is there."""

ACCOUNT, REGION = "000000000000", "us-east-1"
SHARD = "shardId-000000000000"
HASH_KEY = str(1 << 127)
POLICY = ('{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},'
          '"Action":"kinesis:DescribeStreamSummary","Resource":"%s"}]}')


def stream_arn(name):
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"


class Target:
    """What requests are about. Names where nothing is will do."""

    def __init__(self, stream, consumer="c", consumer_arn=None, iterator="A" * 100):
        self.stream, self.arn, self.iterator = stream, stream_arn(stream), iterator
        self.consumer = consumer
        self.consumer_arn = consumer_arn or f"{self.arn}/consumer/{consumer}:1600000000"


BASES = {
    "AddTagsToStream": lambda t: {"StreamName": t.stream, "Tags": {"a": "b"}},
    "CreateStream": lambda t: {"StreamName": t.stream, "ShardCount": 1},
    "DecreaseStreamRetentionPeriod": lambda t: {"StreamName": t.stream, "RetentionPeriodHours": 24},
    "DeleteResourcePolicy": lambda t: {"ResourceARN": t.arn},
    "DeleteStream": lambda t: {"StreamName": t.stream},
    "DeregisterStreamConsumer": lambda t: {"StreamARN": t.arn, "ConsumerName": t.consumer},
    "DescribeAccountSettings": lambda t: {},
    "DescribeLimits": lambda t: {},
    "DescribeStream": lambda t: {"StreamName": t.stream},
    "DescribeStreamConsumer": lambda t: {"StreamARN": t.arn, "ConsumerName": t.consumer},
    "DescribeStreamSummary": lambda t: {"StreamName": t.stream},
    "DisableEnhancedMonitoring": lambda t: {"StreamName": t.stream, "ShardLevelMetrics": ["ALL"]},
    "EnableEnhancedMonitoring": lambda t: {"StreamName": t.stream, "ShardLevelMetrics": ["ALL"]},
    "GetRecords": lambda t: {"ShardIterator": t.iterator},
    "GetResourcePolicy": lambda t: {"ResourceARN": t.arn},
    "GetShardIterator": lambda t: {"StreamName": t.stream, "ShardId": SHARD,
                                   "ShardIteratorType": "TRIM_HORIZON"},
    "IncreaseStreamRetentionPeriod": lambda t: {"StreamName": t.stream, "RetentionPeriodHours": 48},
    "ListShards": lambda t: {"StreamName": t.stream},
    "ListStreamConsumers": lambda t: {"StreamARN": t.arn},
    "ListStreams": lambda t: {},
    "ListTagsForResource": lambda t: {"ResourceARN": t.arn},
    "ListTagsForStream": lambda t: {"StreamName": t.stream},
    "MergeShards": lambda t: {"StreamName": t.stream, "ShardToMerge": SHARD,
                              "AdjacentShardToMerge": "shardId-000000000001"},
    "PutRecord": lambda t: {"StreamName": t.stream, "Data": b"data", "PartitionKey": "key"},
    "PutRecords": lambda t: {"StreamName": t.stream,
                             "Records": [{"Data": b"data", "PartitionKey": "key"}]},
    "PutResourcePolicy": lambda t: {"ResourceARN": t.arn, "Policy": POLICY % t.arn},
    "RegisterStreamConsumer": lambda t: {"StreamARN": t.arn, "ConsumerName": t.consumer},
    "RemoveTagsFromStream": lambda t: {"StreamName": t.stream, "TagKeys": ["a"]},
    "SplitShard": lambda t: {"StreamName": t.stream, "ShardToSplit": SHARD,
                             "NewStartingHashKey": HASH_KEY},
    "StartStreamEncryption": lambda t: {"StreamName": t.stream, "EncryptionType": "KMS",
                                        "KeyId": "alias/aws/kinesis"},
    "StopStreamEncryption": lambda t: {"StreamName": t.stream, "EncryptionType": "KMS",
                                       "KeyId": "alias/aws/kinesis"},
    "SubscribeToShard": lambda t: {"ConsumerARN": t.consumer_arn, "ShardId": SHARD,
                                   "StartingPosition": {"Type": "LATEST"}},
    "TagResource": lambda t: {"ResourceARN": t.arn, "Tags": {"a": "b"}},
    "UntagResource": lambda t: {"ResourceARN": t.arn, "TagKeys": ["a"]},
    "UpdateAccountSettings": lambda t: {"MinimumThroughputBillingCommitment": {"Status": "DISABLED"}},
    "UpdateMaxRecordSize": lambda t: {"StreamARN": t.arn, "MaxRecordSizeInKiB": 2048},
    "UpdateShardCount": lambda t: {"StreamName": t.stream, "TargetShardCount": 2,
                                   "ScalingType": "UNIFORM_SCALING"},
    "UpdateStreamMode": lambda t: {"StreamARN": t.arn,
                                   "StreamModeDetails": {"StreamMode": "ON_DEMAND"}},
    "UpdateStreamRecordDistributionStrategy": lambda t: {
        "StreamARN": t.arn, "RecordDistributionStrategy": "USER_PARTITION_KEY"},
    "UpdateStreamWarmThroughput": lambda t: {"StreamName": t.stream, "WarmThroughputMiBps": 10},
}
