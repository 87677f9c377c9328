"""Many clients at once: put, read at the tip, create, delete and list streams, scrape metrics.

Each reader sees each record that was put once, in order, while streams come and go around it. Under
ThreadSanitizer (tools/tsan) this is what brings the region's threads together.
"""

import pathlib
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region  # noqa: E402

PUTTERS, BATCHES, RECORDS = 4, 40, 25
SHARDS = 4
PATIENCE = 120  # seconds without a record that is known to be there: it is lost


class Parts:
    """Threads of which the first failure is the test's."""

    def __init__(self):
        self.threads, self.failures = [], []

    def add(self, function, *arguments):
        def run():
            try:
                function(*arguments)
            except BaseException as failure:  # pylint: disable=broad-except
                self.failures.append(failure)
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def join(self):
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise self.failures[0]


def put(client, number, acknowledged):
    for batch in range(BATCHES):
        data = [f"{number} {batch} {i}".encode() for i in range(RECORDS)]
        answer = client.put_records(StreamName="s", Records=[
            {"Data": d, "PartitionKey": str((batch + i) % 31)} for i, d in enumerate(data)])
        assert answer["FailedRecordCount"] == 0, answer
        for d, result in zip(data, answer["Records"]):
            acknowledged[d] = (result["ShardId"], result["SequenceNumber"])


def read(client, shard, done, acknowledged, found):
    """Follows the tip of a shard until everybody has put and everything of it was seen."""
    iterator = client.get_shard_iterator(StreamName="s", ShardId=shard,
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    seen, deadline = [], time.monotonic() + PATIENCE
    while True:
        finished = done.is_set()
        answer = client.get_records(ShardIterator=iterator)
        iterator = answer["NextShardIterator"]
        seen += answer["Records"]
        expected = sum(place[0] == shard for place in acknowledged.values()) if finished else None
        if expected is not None and len(seen) >= expected:
            break
        if answer["Records"]:
            deadline = time.monotonic() + PATIENCE
        assert time.monotonic() < deadline, f"{shard}: {len(seen)} records seen, {expected} put"
    numbers = [int(record["SequenceNumber"]) for record in seen]
    assert numbers == sorted(set(numbers)), f"{shard} is out of order"
    found.append({record["Data"]: (shard, record["SequenceNumber"]) for record in seen})


def come_and_go(client, number, done):
    while not done.is_set():
        name = f"passing-{number}"
        client.create_stream(StreamName=name, ShardCount=2)
        client.put_record(StreamName=name, Data=b"x", PartitionKey="k")
        assert name in client.list_streams()["StreamNames"]
        assert len(client.list_shards(StreamName=name)["Shards"]) == 2
        client.delete_stream(StreamName=name)


def scrape(admin, done):
    while not done.is_set():
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        assert "spillway_journal_frames_total" in text


def main():
    with Region() as region:
        region.client().create_stream(StreamName="s", ShardCount=SHARDS)
        done, acknowledged, found = threading.Event(), {}, []
        putters, others = Parts(), Parts()
        for number in range(SHARDS):
            others.add(read, region.client(), f"shardId-{number:012}", done, acknowledged, found)
        for number in range(2):
            others.add(come_and_go, region.client(), number, done)
        others.add(scrape, region.admin, done)
        for number in range(PUTTERS):
            putters.add(put, region.client(), number, acknowledged)
        try:
            putters.join()
        finally:
            done.set()
        others.join()
        everything = {data: place for part in found for data, place in part.items()}
        assert everything == acknowledged and len(everything) == PUTTERS * BATCHES * RECORDS
        assert region.stop() == 0
    print(f"concurrent: {len(everything)} records by {PUTTERS} clients, each seen once by {SHARDS} "
          "readers, while streams came and went")


if __name__ == "__main__":
    main()
