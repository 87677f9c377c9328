"""Enhanced monitoring and account settings by the newest boto3: metrics of shards at /metrics."""

import pathlib
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, expect  # noqa: E402

SHARD = '{stream="s",shard="shardId-%012d"}'


def metrics(region):
    """name with labels → value"""
    with urllib.request.urlopen(f"http://127.0.0.1:{region.admin}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def put_and_read(client):
    for key in ("0", str(2 ** 127)):
        client.put_record(StreamName="s", Data=b"x" * 100, PartitionKey="k" * 10, ExplicitHashKey=key)
    for shard in client.list_shards(StreamName="s")["Shards"]:
        iterator = client.get_shard_iterator(StreamName="s", ShardId=shard["ShardId"],
                                             ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        assert len(client.get_records(ShardIterator=iterator)["Records"]) == 1


def check_monitoring(region, client):
    client.create_stream(StreamName="s", ShardCount=2)
    put_and_read(client)
    found = metrics(region)
    assert found['spillway_stream_incoming_bytes_total{stream="s"}'] == "220", found
    assert found['spillway_stream_outgoing_records_total{stream="s"}'] == "2", found
    assert not any(name.startswith("spillway_shard_") for name in found), found
    answer = client.enable_enhanced_monitoring(StreamName="s", ShardLevelMetrics=["IncomingBytes"])
    assert answer["CurrentShardLevelMetrics"] == [], answer
    assert answer["DesiredShardLevelMetrics"] == ["IncomingBytes"], answer
    found = metrics(region)
    for index in range(2):
        assert found["spillway_shard_incoming_bytes_total" + SHARD % index] == "110", found
    answer = client.enable_enhanced_monitoring(StreamName="s", ShardLevelMetrics=["ALL"])
    assert len(answer["DesiredShardLevelMetrics"]) == 7, answer
    assert metrics(region)["spillway_shard_outgoing_records_total" + SHARD % 1] == "1"

    region.kill()
    region.start()
    client = region.client()
    described = client.describe_stream(StreamName="s")["StreamDescription"]
    assert len(described["EnhancedMonitoring"][0]["ShardLevelMetrics"]) == 7, described
    assert "spillway_shard_iterator_age_milliseconds" + SHARD % 0 in metrics(region)
    client.disable_enhanced_monitoring(StreamName="s", ShardLevelMetrics=["IteratorAgeMilliseconds"])
    found = metrics(region)
    assert "spillway_shard_iterator_age_milliseconds" + SHARD % 0 not in found, found
    client.delete_stream(StreamName="s")
    assert not any('stream="s"' in name for name in metrics(region))


def check_account(region):
    client = region.client()
    status = client.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"]
    assert status == "DISABLED", status
    made = client.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    expect("ValidationException", lambda: client.update_account_settings(
        MinimumThroughputBillingCommitment={"Status": "ON"}), "enum value set")
    region.kill()
    region.start()
    found = region.client().describe_account_settings()
    assert found["MinimumThroughputBillingCommitment"] == made["MinimumThroughputBillingCommitment"]
    assert found["MinimumThroughputBillingCommitment"]["StartedAt"]


def main():
    with Region() as region:
        check_monitoring(region, region.client())
        check_account(region)
    print("monitoring: metrics of streams and shards, account settings: right")


if __name__ == "__main__":
    main()
