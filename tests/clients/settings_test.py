"""What streams can be told by the newest boto3: retention, tags, mode, sizes, and statuses that take
their time.
"""

import contextlib
import json
import pathlib
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.exceptions import ClientError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, expect, read_all, wait_until  # noqa: E402

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
ACCOUNT = "under account 000000000000"


def summary(client, name="s"):
    return client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def check_retention(client):
    def increase(hours):
        return lambda: client.increase_stream_retention_period(StreamName="s", RetentionPeriodHours=hours)

    def decrease(hours):
        return lambda: client.decrease_stream_retention_period(StreamARN=ARN, RetentionPeriodHours=hours)
    increase(48)()
    assert summary(client)["RetentionPeriodHours"] == 48
    expect("InvalidArgumentException", increase(47), "can not be shorter than existing")
    expect("InvalidArgumentException", decrease(49), "can not be longer than existing")
    expect("InvalidArgumentException", increase(8761), "is too long")
    expect("InvalidArgumentException", decrease(23), "is too short")
    decrease(24)()
    assert summary(client)["RetentionPeriodHours"] == 24
    expect("ResourceNotFoundException", lambda: client.increase_stream_retention_period(
        StreamName="none", RetentionPeriodHours=48), f"Stream none {ACCOUNT} not found.")


def check_tags(client):
    client.add_tags_to_stream(StreamName="s", Tags={"a": "1", "b": "2", "c": ""})
    client.tag_resource(ResourceARN=ARN, Tags={"b": "3", "ключ": "значение"})
    client.remove_tags_from_stream(StreamName="s", TagKeys=["a", "was never there"])
    client.untag_resource(ResourceARN=ARN, TagKeys=["c"])
    expected = [{"Key": "b", "Value": "3"}, {"Key": "ключ", "Value": "значение"}]
    assert client.list_tags_for_resource(ResourceARN=ARN)["Tags"] == expected
    page = client.list_tags_for_stream(StreamName="s", Limit=1)
    assert page["Tags"] == expected[:1] and page["HasMoreTags"], page
    page = client.list_tags_for_stream(StreamName="s", ExclusiveStartTagKey="b")
    assert page["Tags"] == expected[1:] and not page["HasMoreTags"], page
    many = {f"k{i}": "v" for i in range(49)}
    expect("InvalidArgumentException", lambda: client.add_tags_to_stream(StreamName="s", Tags=many),
           "more than 50 tags")
    expect("InvalidArgumentException", lambda: client.tag_resource(ResourceARN=ARN, Tags={"aws:x": "1"}),
           "aws:")
    for text in ("a;b", "a,b", "a\tb", "a\nb"):
        for tags in ({text: "v"}, {"k": text}):
            expect("InvalidArgumentException", lambda: client.tag_resource(ResourceARN=ARN, Tags=tags),
                   "Some tags contain invalid characters.")
        expect("InvalidArgumentException",
               lambda: client.remove_tags_from_stream(StreamName="s", TagKeys=[text]),
               "Some tags contain invalid characters.")
    for other in ("upstream/s", "stream/s/shard/x", "x/stream/s"):
        expect("InvalidArgumentException",
               lambda: client.list_tags_for_resource(ResourceARN=ARN.replace("stream/s", other)),
               "is neither a stream's nor a consumer's.")
    expect("ResourceNotFoundException",
           lambda: client.list_tags_for_resource(ResourceARN=ARN.replace("us-east-1", "us-west-2")))


def check_modes_and_sizes(client):
    expect("InvalidArgumentException", lambda: client.update_stream_warm_throughput(
        StreamName="s", WarmThroughputMiBps=10), "On-Demand")
    client.update_stream_mode(StreamARN=ARN, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    answer = client.update_stream_warm_throughput(StreamARN=ARN, WarmThroughputMiBps=10)
    assert answer["WarmThroughput"]["TargetMiBps"] == 10, answer
    wait_until(lambda: summary(client)["WarmThroughput"]["CurrentMiBps"] == 10)
    assert summary(client)["OpenShardCount"] == 10
    limits = client.describe_limits()
    assert limits["OnDemandStreamCount"] == 1 and limits["OpenShardCount"] == 0, limits
    client.update_stream_mode(StreamARN=ARN, StreamModeDetails={"StreamMode": "PROVISIONED"})
    assert "WarmThroughput" not in summary(client)

    large = b"x" * (1 << 20)
    expect("InvalidArgumentException",
           lambda: client.put_record(StreamName="s", Data=large, PartitionKey="k"), "1024 KiB")
    client.update_max_record_size(StreamARN=ARN, MaxRecordSizeInKiB=10240)
    client.put_record(StreamName="s", Data=large, PartitionKey="k")
    assert summary(client)["MaxRecordSizeInKiB"] == 10240
    expect("InvalidArgumentException", lambda: client.update_max_record_size(MaxRecordSizeInKiB=2048),
           "StreamARN must be provided")


def check_distribution(region):
    """What the pinned boto3 doesn't know yet is added to its requests."""
    def newer(operation, **more):
        client = region.client(parameter_validation=False)

        def add(params, **_):
            params["body"] = json.dumps(json.loads(params["body"]) | more).encode()
        client.meta.events.register(f"before-call.kinesis.{operation}", add)
        return client
    on_demand = {"StreamMode": "ON_DEMAND"}
    newer("CreateStream", RecordDistributionStrategy="AUTO").create_stream(
        StreamName="a", StreamModeDetails=on_demand)
    client = region.client(parameter_validation=False)
    shards = {client.put_record(StreamName="a", Data=b"x")["ShardId"] for _ in range(8)}
    assert len(shards) == 4, shards
    expect("InvalidArgumentException", lambda: client.put_record(
        StreamName="a", Data=b"x", SequenceNumberForOrdering="1"), "AUTO")
    expect("ValidationException", lambda: client.put_record(StreamName="s", Data=b"x"), "partitionKey")
    expect("DryRunOperationException", lambda: newer("PutRecords", DryRun=True).put_records(
        StreamName="a", Records=[{"Data": b"never there"}]), "would have succeeded")
    found = [record["Data"] for records in read_all(client, "a").values() for record in records]
    assert found == [b"x"] * 8, found
    client.delete_stream(StreamName="a")


def check_caller(region):
    """AWS's STS on the same port, as far as the Kinesis Producer Library needs it."""
    def sts(secret_key):
        return boto3.client("sts", endpoint_url=region.endpoint, region_name="us-east-1",
                            aws_access_key_id="AKIDCALLER", aws_secret_access_key=secret_key)
    caller = sts("secret-of-caller").get_caller_identity()
    assert caller["Account"] == "000000000000" and caller["UserId"] == "AKIDCALLER", caller
    assert caller["Arn"] == "arn:aws:iam::000000000000:user/AKIDCALLER", caller
    expect("InvalidSignatureException", sts("another-secret").get_caller_identity, "does not match")
    expect("InvalidAction", sts("secret-of-caller").get_session_token, "only GetCallerIdentity")


def check_settings_outlive_the_process(region):
    region.kill()
    region.start()
    found = summary(region.client())
    assert found["MaxRecordSizeInKiB"] == 10240, found
    assert len(region.client().list_tags_for_stream(StreamName="s")["Tags"]) == 2


def redistributing(region):
    """The pinned boto3 doesn't know the operation yet: another one's request is made into its."""
    client = region.client()

    def change(params, **_):
        params["headers"]["X-Amz-Target"] = "Kinesis_20131202.UpdateStreamRecordDistributionStrategy"
        arn = json.loads(params["body"])["StreamARN"]
        params["body"] = json.dumps({"StreamARN": arn, "RecordDistributionStrategy": "AUTO"}).encode()
    client.meta.events.register("before-call.kinesis.UpdateStreamMode", change)
    return client.update_stream_mode


def check_updating():
    """After every operation of which AWS says that the stream is UPDATING meanwhile; a stream each, whose changes
    don't end before the test does, and begin to take their time once the streams are there."""
    region = Region()
    settings = region.directory / "spillway.toml"
    settings.write_text("[serve]\ntransition_ms = 600000\n", encoding="utf-8")
    with region:
        client = region.client()
        on_demand = {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
        encryption = {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
        first, second = "shardId-000000000000", "shardId-000000000001"
        metrics = {"ShardLevelMetrics": ["IncomingBytes"]}
        changes = [  # of a stream by its name, if there is no ARN; how it is made
            (client.merge_shards, {"ShardToMerge": first, "AdjacentShardToMerge": second}, {"ShardCount": 2}),
            (client.split_shard, {"ShardToSplit": first, "NewStartingHashKey": "9"}, {"ShardCount": 1}),
            (client.update_shard_count, {"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"}, {"ShardCount": 1}),
            (client.increase_stream_retention_period, {"RetentionPeriodHours": 72}, {"ShardCount": 1}),
            (client.decrease_stream_retention_period, {"RetentionPeriodHours": 24}, {"ShardCount": 1}),
            (client.enable_enhanced_monitoring, metrics, {"ShardCount": 1}),
            (client.disable_enhanced_monitoring, metrics, {"ShardCount": 1}),
            (client.start_stream_encryption, encryption, {"ShardCount": 1}),
            (client.stop_stream_encryption, encryption, {"ShardCount": 1}),
            (client.update_max_record_size, {"StreamARN": "", "MaxRecordSizeInKiB": 2048}, {"ShardCount": 1}),
            (client.update_stream_mode, {"StreamARN": ""} | on_demand, {"ShardCount": 1}),
            (client.update_stream_warm_throughput, {"WarmThroughputMiBps": 10}, on_demand),
            (redistributing(region), {"StreamARN": ""} | on_demand, on_demand)]
        names = [f"u{index}" for index in range(len(changes))]
        for name, (_, _, made) in zip(names, changes):
            client.create_stream(StreamName=name, **made)
            client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
            client.start_stream_encryption(StreamName=name, **encryption)
            client.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["OutgoingBytes", "IncomingBytes"])
        assert region.stop() == 0
        region.arguments = ("--config", str(settings))
        region.start()
        for name, (change, members, _) in zip(names, changes):
            by_arn = "StreamARN" in members
            members = members | ({"StreamARN": ARN[:-1] + name} if by_arn else {"StreamName": name})
            assert summary(client, name)["StreamStatus"] == "ACTIVE", name
            change(**members)
            assert summary(client, name)["StreamStatus"] == "UPDATING", members
            expect("ResourceInUseException", lambda change=change, members=members: change(**members), "UPDATING")


def check_statuses(region):
    client = region.client()

    def status():
        return summary(client, "t")["StreamStatus"]
    client.create_stream(StreamName="t", ShardCount=1)
    assert status() == "CREATING"
    expect("ResourceNotFoundException",
           lambda: client.put_record(StreamName="t", Data=b"", PartitionKey="k"))
    expect("ResourceInUseException",
           lambda: client.add_tags_to_stream(StreamName="t", Tags={"a": "b"}),
           f"Stream t {ACCOUNT} not ACTIVE, instead in state CREATING")
    of_t = {"ResourceARN": ARN[:-1] + "t"}
    for listing in (lambda: client.list_shards(StreamName="t"),
                    lambda: client.list_stream_consumers(StreamARN=of_t["ResourceARN"]),
                    lambda: client.list_tags_for_resource(**of_t)):
        expect("ResourceInUseException", listing, "not ACTIVE, instead in state CREATING")
    client.get_waiter("stream_exists").wait(StreamName="t", WaiterConfig={"Delay": 1})
    client.split_shard(StreamName="t", ShardToSplit="shardId-000000000000", NewStartingHashKey="9")
    assert status() == "UPDATING"
    client.put_record(StreamName="t", Data=b"", PartitionKey="k")
    assert len(client.list_shards(StreamName="t")["Shards"]) == 3
    wait_until(lambda: status() == "ACTIVE")
    for change in client.start_stream_encryption, client.stop_stream_encryption:
        change(StreamName="t", EncryptionType="KMS", KeyId="alias/aws/kinesis")
        assert status() == "UPDATING"
        expect("ResourceInUseException", lambda change=change: change(
            StreamName="t", EncryptionType="KMS", KeyId="alias/aws/kinesis"), "UPDATING")
        wait_until(lambda: status() == "ACTIVE")
    client.delete_stream(StreamName="t")
    assert status() == "DELETING"
    expect("ResourceInUseException", lambda: client.delete_stream(StreamName="t"), "DELETING")
    expect("ResourceInUseException", lambda: client.create_stream(StreamName="t", ShardCount=1))
    client.get_waiter("stream_not_exists").wait(StreamName="t", WaiterConfig={"Delay": 1})
    client.create_stream(StreamName="t", ShardCount=2)
    client.get_waiter("stream_exists").wait(StreamName="t", WaiterConfig={"Delay": 1})
    assert summary(client, "t")["OpenShardCount"] == 2


def check_requests_max():
    """More requests at once than there may be are told to come again; half a request, from whomever, is none."""
    region = Region()
    config = region.directory / "spillway.toml"
    config.write_text("[serve]\nrequests_max = 1\n", encoding="utf-8")
    region.arguments = ("--config", str(config))
    with region, contextlib.ExitStack() as held:
        for _ in range(3):
            half = held.enter_context(socket.create_connection(("127.0.0.1", region.port), timeout=20))
            half.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{")
        client = region.client()
        client.create_stream(StreamName="s", ShardCount=1)
        turned_away, taken, deadline = threading.Event(), [], time.monotonic() + 60

        def put():
            while not turned_away.is_set() and time.monotonic() < deadline:
                try:
                    taken.append(client.put_record(StreamName="s", Data=b"a", PartitionKey="k")["SequenceNumber"])
                except ClientError as error:
                    answer = error.response
                    assert answer["Error"]["Code"] == "ServiceUnavailable", answer
                    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503, answer
                    turned_away.set()
        with ThreadPoolExecutor(8) as threads:
            for one in [threads.submit(put) for _ in range(8)]:
                one.result()
        assert turned_away.is_set(), "eight at once were never too many"
        found = [record["SequenceNumber"] for record in read_all(client, "s")["shardId-000000000000"]]
        assert sorted(found) == sorted(taken), "what was turned away was stored all the same"


def main():
    with Region() as region:
        client = region.client()
        client.create_stream(StreamName="s", ShardCount=1)
        check_retention(client)
        check_tags(client)
        check_modes_and_sizes(client)
        check_distribution(region)
        check_settings_outlive_the_process(region)
    settings = pathlib.Path(region.directory.parent) / f"{region.directory.name}.toml"
    settings.write_text("[serve]\ntransition_ms = 1000\n", encoding="utf-8")
    try:
        with Region("--config", str(settings)) as region:
            check_statuses(region)
    finally:
        settings.unlink()
    settings = pathlib.Path(region.directory.parent) / f"{region.directory.name}.toml"
    settings.write_text('[[serve.keys]]\naccess_key = "AKIDCALLER"\nsecret_key = "secret-of-caller"\n')
    try:
        with Region("--config", str(settings)) as region:
            check_caller(region)
    finally:
        settings.unlink()
    check_updating()
    check_requests_max()
    print("settings: retention, tags, modes, sizes and statuses: right")


if __name__ == "__main__":
    main()
