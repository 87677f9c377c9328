"""`--limits aws` by the newest boto3: throttling, quotas, and streams on demand that grow."""

import os
import pathlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, expect, read_all, wait_until  # noqa: E402

ACCOUNT = "under account 000000000000"
LOW, HIGH = "0", str(2 ** 128 - 1)


def records(count, size, key=LOW):
    return [{"Data": b"x" * size, "PartitionKey": "k", "ExplicitHashKey": key} for _ in range(count)]


def check_records(client):
    client.create_stream(StreamName="s", ShardCount=2)
    answer = client.put_records(StreamName="s", Records=records(500, 6000))
    failed = [entry for entry in answer["Records"] if "ErrorCode" in entry]
    assert answer["FailedRecordCount"] == len(failed) and 250 <= len(failed) <= 330, len(failed)
    assert all(entry["ErrorCode"] == "ProvisionedThroughputExceededException" and entry["ErrorMessage"] ==
               f"Rate exceeded for shard shardId-000000000000 in stream s {ACCOUNT}." for entry in failed)
    answer = client.put_records(StreamName="s", Records=records(10, 6000, HIGH))
    assert answer["FailedRecordCount"] == 0, "the other shard has its own limit"
    wait_until(lambda: client.put_records(StreamName="s", Records=records(1, 10))["FailedRecordCount"] == 0)


def check_reads(client):
    iterator = client.get_shard_iterator(StreamName="s", ShardId="shardId-000000000001",
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    seen = 0
    for _ in range(500):
        try:
            client.get_records(ShardIterator=iterator, Limit=1)
        except client.exceptions.ProvisionedThroughputExceededException as error:
            assert "Rate exceeded for Shard - 000000000000/s/shardId-000000000001" in str(error), error
            break
        seen += 1
    else:
        raise AssertionError("never throttled")
    assert seen >= 5, seen


def check_control_plane(client):
    for _ in range(500):
        try:
            client.describe_limits()
        except client.exceptions.LimitExceededException as error:
            assert "Rate exceeded for account 000000000000." in str(error), error
            break
    else:
        raise AssertionError("never throttled")
    expect("LimitExceededException", lambda: client.update_shard_count(
        StreamName="s", TargetShardCount=5, ScalingType="UNIFORM_SCALING"), "over double")
    expect("LimitExceededException", lambda: client.create_stream(StreamName="t", ShardCount=499),
           "would exceed the shard limit for the account 000000000000 in us-east-1")


def check_what_was_acknowledged_is_there(region):
    """Under more than the shards take: exactly the records that were acknowledged can be read."""
    client = region.client()
    client.create_stream(StreamName="sum", ShardCount=1)
    taken, throttled, until = [], 0, time.monotonic() + 3
    while time.monotonic() < until:
        batch = [{"Data": b"%d" % (len(taken) + throttled + i), "PartitionKey": "k"} for i in range(400)]
        answer = client.put_records(StreamName="sum", Records=batch)["Records"]
        for record, entry in zip(batch, answer):
            if "ErrorCode" in entry:
                throttled += 1
            else:
                taken.append((entry["SequenceNumber"], record["Data"]))
    assert throttled > 0 and 1000 <= len(taken) <= 6000, (len(taken), throttled)
    region.kill()
    region.start()
    found = read_slowly(region.client(), "sum")
    assert found == taken, "other records than those that were acknowledged"


def read_slowly(client, stream):
    iterator = client.get_shard_iterator(StreamName=stream, ShardId="shardId-000000000000",
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    found = []
    while True:
        try:
            answer = client.get_records(ShardIterator=iterator)
        except client.exceptions.ProvisionedThroughputExceededException:
            time.sleep(0.2)
            continue
        found += [(record["SequenceNumber"], record["Data"]) for record in answer["Records"]]
        iterator = answer["NextShardIterator"]
        if not answer["Records"]:
            return found


def check_on_demand():
    """Without limits: a stream on demand gets the shards of its warm throughput, then of its load."""
    with Region() as region:
        client = region.client()
        client.create_stream(StreamName="d", StreamModeDetails={"StreamMode": "ON_DEMAND"},
                             WarmThroughputMiBps=10)

        def shards():
            summary = client.describe_stream_summary(StreamName="d")["StreamDescriptionSummary"]
            return summary["OpenShardCount"]
        wait_until(lambda: shards() == 10)
        sent, deadline = 0, time.monotonic() + 90
        while shards() <= 10:
            if time.monotonic() > deadline:
                raise AssertionError("it did not grow")
            # Up to 2,500 records a second into the lowest shard.
            client.put_records(StreamName="d", Records=records(500, 10))
            sent += 500
            time.sleep(0.2)
        assert sum(map(len, read_all(client, "d").values())) == sent
        metrics = client.describe_stream_summary(StreamName="d")["StreamDescriptionSummary"]
        assert metrics["WarmThroughput"] == {"TargetMiBps": 10, "CurrentMiBps": 10}, metrics


def check_full_queue():
    """Without limits: more at once than waits for the disk is throttled, record by record, and not stored."""
    region = Region()
    config = region.directory / "spillway.toml"
    config.write_text("[serve]\nqueue_mib = 8\n", encoding="utf-8")
    region.arguments = ("--config", str(config))
    with region:
        client = region.client()
        client.create_stream(StreamName="q", ShardCount=4)
        taken, full, deadline = [], threading.Event(), time.monotonic() + 120

        def put(thread):
            number = 0
            while not full.is_set() and time.monotonic() < deadline:
                batch = [{"Data": b"%d-%d " % (thread, number + i) + os.urandom(500_000),
                          "PartitionKey": f"{thread}-{number + i}"} for i in range(9)]
                answer = client.put_records(StreamName="q", Records=batch)["Records"]
                for record, entry in zip(batch, answer):
                    if "ErrorCode" not in entry:
                        taken.append(record["Data"][:record["Data"].index(b" ")])
                        continue
                    assert entry["ErrorCode"] == "ProvisionedThroughputExceededException", entry
                    full.set()
                number += 9
        with ThreadPoolExecutor(8) as threads:
            for one in [threads.submit(put, thread) for thread in range(8)]:
                one.result()
        assert full.is_set(), "36 MB at once were never too much for 8 MiB"
        assert client.put_records(StreamName="q", Records=records(1, 10))["FailedRecordCount"] == 0, "it passes"
        region.kill()
        region.start()
        found = [record["Data"] for shard in read_all(region.client(), "q").values() for record in shard]
        found = [data[:data.index(b" ")] for data in found if b" " in data[:20]]
        assert sorted(found) == sorted(taken), (len(found), len(taken))


def main():
    with Region("--limits", "aws") as region:
        client = region.client()
        check_records(client)
        check_reads(client)
        check_control_plane(client)
        check_what_was_acknowledged_is_there(region)
    check_on_demand()
    check_full_queue()
    print("limits: rates, quotas and streams on demand: as at AWS")


if __name__ == "__main__":
    main()
