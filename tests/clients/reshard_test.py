"""Records put while shards split and merge: none refused, and every one read once, in the order of its
key, by a reader that goes from parents to children as KCL does.
"""

import concurrent.futures
import pathlib
import random
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, expect, wait_until  # noqa: E402

WRITERS = 4
COUNTS = (8, 3, 10, 1, 5, 2)


def write(region, writer, stop):
    """Numbered records under keys of its own, until told to stop: key → how many."""
    client, put, generator = region.client(), {}, random.Random(writer)
    while not stop.is_set():
        keys = [f"{writer}-{generator.randrange(20)}" for _ in range(generator.randrange(1, 40))]
        records = []
        for key in keys:
            put[key] = put.get(key, 0) + 1
            records.append({"PartitionKey": key, "Data": str(put[key]).encode()})
        answer = client.put_records(StreamName="s", Records=records)
        assert answer["FailedRecordCount"] == 0, answer
    return put


def read_lineage(client):
    """Every record, a shard's when its parents are read to their end: key → numbers, in that order."""
    shards = {shard["ShardId"]: shard for shard in client.list_shards(StreamName="s")["Shards"]}
    found, done, waiting = {}, set(), list(shards)
    while waiting:
        for name in waiting:
            parents = [shards[name].get("ParentShardId"), shards[name].get("AdjacentParentShardId")]
            if not any(parent in waiting for parent in parents):
                break
        else:
            raise AssertionError(f"a circle of parents: {waiting}")
        waiting.remove(name)
        iterator = client.get_shard_iterator(StreamName="s", ShardId=name,
                                             ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        children = []
        while iterator:
            answer = client.get_records(ShardIterator=iterator)
            for record in answer["Records"]:
                found.setdefault(record["PartitionKey"], []).append(int(record["Data"]))
            children = answer.get("ChildShards", [])
            iterator = answer.get("NextShardIterator")
            assert bool(iterator) != bool(children), answer
            if iterator and not answer["Records"]:
                break
        is_open = "EndingSequenceNumber" not in shards[name]["SequenceNumberRange"]
        assert is_open != bool(children), f"{name}: {children}"
        for child in children:
            assert name in child["ParentShards"], child
        done.add(name)
    return found


def check_errors(client):
    account = "under account 000000000000"
    client.create_stream(StreamName="e", ShardCount=3)

    def split(shard, key):
        return lambda: client.split_shard(StreamName="e", ShardToSplit=shard, NewStartingHashKey=key)

    def merge(shard, adjacent):
        return lambda: client.merge_shards(StreamName="e", ShardToMerge=shard,
                                           AdjacentShardToMerge=adjacent)
    zero, one, two = (f"shardId-00000000000{i}" for i in range(3))
    expect("ResourceNotFoundException", split("shardId-000000000009", "7"),
           f"Could not find shard shardId-000000000009 in stream e {account}.")
    for key in ("0", "1", str(2**128 // 3 - 1), str(2**128 - 1)):
        expect("InvalidArgumentException", split(zero, key), "is not both greater than one plus")
    expect("InvalidArgumentException", merge(zero, two), "are not an adjacent pair of shards")
    expect("InvalidArgumentException", merge(one, zero), "are not an adjacent pair of shards")
    expect("InvalidArgumentException", merge(zero, zero), "are not an adjacent pair of shards")
    merge(zero, one)()
    expect("ResourceInUseException", merge(one, two), "has already been merged or split")
    expect("ResourceInUseException", split(zero, "7"), "has already been merged or split")
    expect("LimitExceededException", lambda: client.update_shard_count(
        StreamName="e", TargetShardCount=100_001, ScalingType="UNIFORM_SCALING"), "100000")
    client.create_stream(StreamName="d", StreamModeDetails={"StreamMode": "ON_DEMAND"})
    expect("ValidationException", lambda: client.update_shard_count(
        StreamName="d", TargetShardCount=8, ScalingType="UNIFORM_SCALING"),
        f"Request is invalid. Stream d {account} is in On-Demand mode.")


def main():
    with Region() as region:
        client, stop = region.client(), threading.Event()
        client.create_stream(StreamName="s", ShardCount=2)
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            writers = [pool.submit(write, region, i, stop) for i in range(WRITERS)]
            try:
                for count in COUNTS:
                    answer = client.update_shard_count(StreamName="s", TargetShardCount=count,
                                                       ScalingType="UNIFORM_SCALING")
                    assert answer["TargetShardCount"] == count, answer
                    shards = client.list_shards(StreamName="s", ShardFilter={"Type": "AT_LATEST"})
                    assert len(shards["Shards"]) == count, shards
                    for shard in shards["Shards"]:  # until each has taken something
                        iterator = client.get_shard_iterator(
                            StreamName="s", ShardId=shard["ShardId"],
                            ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
                        wait_until(lambda it=iterator: client.get_records(ShardIterator=it)["Records"])
            finally:
                stop.set()
            put = {}
            for writer in writers:
                put |= writer.result()
        found = read_lineage(client)
        assert {key: list(range(1, count + 1)) for key, count in put.items()} == found, "lost or doubled"
        check_errors(client)
        print(f"reshard: {sum(put.values())} records while shards became {', '.join(map(str, COUNTS))}: "
              "none refused, each read once and in order")


if __name__ == "__main__":
    main()
