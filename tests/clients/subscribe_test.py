"""SubscribeToShard by the newest boto3: where it begins, what it sends, and every way in which it ends."""

import contextlib
import json
import pathlib
import queue
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / name) for name in (".", "http")]
from botocore.exceptions import EventStreamError  # noqa: E402
from raw import call  # noqa: E402
from region import Region, expect, wait_until  # noqa: E402

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/{}"
SHARD = "shardId-00000000000{}"


class Reader:
    """A subscription, read by a thread; its events come by next()."""

    def __init__(self, client, consumer, start, shard=0):
        self.answer = client.subscribe_to_shard(ConsumerARN=consumer, ShardId=SHARD.format(shard),
                                                StartingPosition=start)
        self.events = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for event in self.answer["EventStream"]:
                self.events.put(event["SubscribeToShardEvent"])
            self.events.put("end")
        except Exception as error:  # whatever it is, the test looks at it
            self.events.put(error)

    def next(self):
        return self.events.get(timeout=20)

    def records(self, count):
        """The data of the next so many records, and the event with the last."""
        data = []
        while len(data) < count:
            event = self.next()
            data += [record["Data"].decode() for record in event["Records"]]
        assert len(data) == count, data
        return data, event

    def close(self):
        self.answer["EventStream"].close()


def setup(client, stream, shards=1):
    client.create_stream(StreamName=stream, ShardCount=shards)
    return consumer(client, stream, "reader")


def consumer(client, stream, name):
    return client.register_stream_consumer(StreamARN=STREAM.format(stream),
                                           ConsumerName=name)["Consumer"]["ConsumerARN"]


def put(client, stream, *data):
    return [client.put_record(StreamName=stream, PartitionKey="k", Data=d)["SequenceNumber"] for d in data]


def check_starts(client):
    consumer_arn = setup(client, "starts")
    numbers = put(client, "starts", "a", "b", "c")
    shard = SHARD.format(0)
    middle = client.get_records(ShardIterator=client.get_shard_iterator(
        StreamName="starts", ShardId=shard, ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=numbers[1])["ShardIterator"])["Records"][0]
    starts = [({"Type": "TRIM_HORIZON"}, ["a", "b", "c"]),
              ({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": numbers[1]}, ["b", "c"]),
              ({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": numbers[1]}, ["c"]),
              ({"Type": "AT_TIMESTAMP", "Timestamp": middle["ApproximateArrivalTimestamp"].timestamp() - 60},
               ["a", "b", "c"]),
              ({"Type": "LATEST"}, [])]
    readers = []
    for index, (start, expected) in enumerate(starts):
        reader = Reader(client, consumer(client, "starts", f"start-{index}"), start)
        got, event = reader.records(len(expected)) if expected else ([], None)
        assert got == expected, (start, got)
        if event:
            assert event["MillisBehindLatest"] == 0 and "ChildShards" not in event, event
            assert event["Records"][-1]["SequenceNumber"] == numbers[-1], event
        readers.append(reader)
    put(client, "starts", "new")
    for reader in readers:
        assert reader.records(1)[0] == ["new"]
        reader.close()
    for wrong, error in (({"Type": "AT_SEQUENCE_NUMBER"}, "required"),
                         ({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": "1"}, "did not come from"),
                         ({"Type": "AT_TIMESTAMP"}, "required"),
                         ({"Type": "AT_TIMESTAMP", "Timestamp": time.time() + 1000}, "cannot be greater")):
        expect("InvalidArgumentException", lambda start=wrong: client.subscribe_to_shard(
            ConsumerARN=consumer_arn, ShardId=shard, StartingPosition=start), error)
    for arn, name in ((consumer_arn + "1", shard), (consumer_arn, SHARD.format(7))):
        expect("ResourceNotFoundException", lambda arn=arn, name=name: client.subscribe_to_shard(
            ConsumerARN=arn, ShardId=name, StartingPosition={"Type": "LATEST"}))


def check_silence(client):
    """Empty events come (how often is for subscription_test.cc, whose time is its own), and what they say can be gone
    on with."""
    reader = Reader(client, setup(client, "silent"), {"Type": "LATEST"})
    numbers = []
    for _ in range(2):
        event = reader.next()
        assert event["Records"] == [] and event["MillisBehindLatest"] == 0, event
        numbers.append(int(event["ContinuationSequenceNumber"]))
    put(client, "silent", "x")
    assert reader.records(1)[0] == ["x"]
    after_data = int(reader.next()["ContinuationSequenceNumber"])
    assert numbers[0] <= numbers[1] < after_data, numbers
    reader.close()
    for name, number, expected in (("from-empty", numbers[1], ["x", "y"]), ("from-data", after_data, ["y"])):
        again = Reader(client, consumer(client, "silent", name),
                       {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": str(number)})
        if expected[0] == "x":
            assert again.records(1)[0] == ["x"]
            put(client, "silent", "y")
        assert again.records(1)[0] == ["y"]
        again.close()


def check_many_records(client):
    """More than fits into one event, in order and once; for several consumers at once, of which not all begin
    at the same place, so that they are sent each other's events and their own."""
    setup(client, "many")
    data = [f"{number:06d}" + "x" * 20_000 for number in range(500)]
    numbers = []
    for begin in range(0, len(data), 100):
        answer = client.put_records(StreamName="many", Records=[
            {"Data": d, "PartitionKey": "k"} for d in data[begin:begin + 100]])
        assert answer["FailedRecordCount"] == 0
        numbers += [record["SequenceNumber"] for record in answer["Records"]]
    begins = [0, 0, 0, 0, 77, 77, 78, 300]
    readers = [Reader(client, consumer(client, "many", f"many-{index}"),
                      {"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": numbers[begin]})
               for index, begin in enumerate(begins)]
    for begin, reader in zip(begins, readers):
        assert reader.records(len(data) - begin)[0] == data[begin:], begin
    put(client, "many", *"abc")
    for reader in readers:
        assert reader.records(3)[0] == ["a", "b", "c"]
        reader.close()


def check_shard_end(client):
    arn = setup(client, "split")
    put(client, "split", "before")
    reader = Reader(client, arn, {"Type": "TRIM_HORIZON"})
    assert reader.records(1)[0] == ["before"]
    client.split_shard(StreamName="split", ShardToSplit=SHARD.format(0), NewStartingHashKey=str(2 ** 127))
    event = reader.next()
    assert event["Records"] == [] and "ContinuationSequenceNumber" not in event, event
    assert [child["ShardId"] for child in event["ChildShards"]] == [SHARD.format(1), SHARD.format(2)]
    assert all(child["ParentShards"] == [SHARD.format(0)] for child in event["ChildShards"]), event
    assert reader.next() == "end"
    # One that begins when all is over gets the records and the end.
    late = Reader(client, consumer(client, "split", "late"), {"Type": "TRIM_HORIZON"})
    event = late.records(1)[1]
    assert len(event.get("ChildShards") or late.next()["ChildShards"]) == 2
    assert late.next() == "end"


def check_take_over(client):
    arn = setup(client, "taken")
    first = Reader(client, arn, {"Type": "LATEST"})
    expect("ResourceInUseException", lambda: Reader(client, arn, {"Type": "LATEST"}),
           f"Another active subscription exists for this consumer: 000000000000:taken:{SHARD.format(0)}:reader")
    other = Reader(client, consumer(client, "taken", "other"), {"Type": "LATEST"})
    second = []

    def subscribe_again():
        with contextlib.suppress(client.exceptions.ResourceInUseException):
            second.append(Reader(client, arn, {"Type": "LATEST"}))
        return second
    wait_until(subscribe_again)  # once 5 seconds have passed
    event = first.next()
    while not isinstance(event, Exception):
        event = first.next()
    assert isinstance(event, EventStreamError) and "ResourceInUseException" in str(event), event
    put(client, "taken", "x")
    assert second[0].records(1)[0] == ["x"] and other.records(1)[0] == ["x"]
    second[0].close()
    other.close()


def check_gone(client):
    arn = setup(client, "gone")
    reader = Reader(client, arn, {"Type": "LATEST"})
    other = Reader(client, consumer(client, "gone", "other"), {"Type": "LATEST"})
    client.deregister_stream_consumer(ConsumerARN=arn)
    assert "ResourceNotFoundException" in str(reader.next())
    client.delete_stream(StreamName="gone", EnforceConsumerDeletion=True)
    assert "ResourceNotFoundException" in str(other.next())


def check_restart(region):
    """A drain ends subscriptions, and the next process goes on with their consumers."""
    client = region.client()
    arn = setup(client, "restart")
    reader = Reader(client, arn, {"Type": "LATEST"})
    assert region.stop() == 0
    assert reader.next() == "end"
    region.start()
    put(client, "restart", "x")
    reader = Reader(client, arn, {"Type": "TRIM_HORIZON"})
    assert reader.records(1)[0] == ["x"]
    region.kill()
    event = reader.next()
    assert isinstance(event, Exception) or event == "end", event
    region.start()


def check_life():
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as settings:
        settings.write("[serve]\nsubscription_seconds = 1\n")
        settings.flush()
        with Region("--config", settings.name) as region:
            client = region.client()
            reader = Reader(client, setup(client, "short"), {"Type": "LATEST"})
            assert reader.next() == "end"


def subscribe_with_small_buffers(region, consumer_arn):
    """A connection of which the kernel holds little, with a subscription from the horizon; not read yet."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", region.port))
    connection.sendall(call("SubscribeToShard", json.dumps({
        "ConsumerARN": consumer_arn, "ShardId": SHARD.format(0), "StartingPosition": {"Type": "TRIM_HORIZON"}}),
        port=region.port))
    return connection


def read_to_the_end(connection):
    """All that comes, also before a reset."""
    got = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(1 << 20):
            got += more
    return bytes(got)


def check_slow_readers():
    """One that takes less than the records that come is cut off with an error, one that takes nothing is cut off;
    both long before all was sent, and the third has got all meanwhile."""
    with Region() as region:
        client = region.client(read_timeout=20)
        client.create_stream(StreamName="slow", ShardCount=1)
        slow, none, good = (consumer(client, "slow", name) for name in ("slow", "none", "good"))
        size, count = 1_000_000, 80
        for number in range(count):
            client.put_record(StreamName="slow", PartitionKey="k", Data=b"%06d" % number + b"x" * (size - 6))
        with subscribe_with_small_buffers(region, slow) as slow, subscribe_with_small_buffers(region, none) as none:
            reader = Reader(client, good, {"Type": "TRIM_HORIZON"})
            data = reader.records(count)[0]
            assert [int(record[:6]) for record in data] == list(range(count))
            reader.close()
            for _ in range(45):  # longer than the region bears with it
                assert slow.recv(1 << 14)
                time.sleep(1)
            size_taken, end = 0, b""
            while b"does not take what it is sent" not in end:
                more = slow.recv(1 << 20)
                size_taken += len(more)
                assert more and size_taken < size * count // 2, (size_taken, end)
                end = (end + more)[-1000:]
            got = read_to_the_end(none)
            assert got.startswith(b"HTTP/1.1 200") and len(got) < size * count // 2, len(got)


def main():
    with ThreadPoolExecutor(1) as beside:
        slow = beside.submit(check_slow_readers)
        check_all()
        slow.result()
    print("SubscribeToShard: begins, goes on and ends as at AWS")


def check_all():
    with Region() as region:
        client = region.client(read_timeout=20)
        check_starts(client)
        check_silence(client)
        check_many_records(client)
        check_shard_end(client)
        check_take_over(client)
        check_gone(client)
        check_restart(region)
    check_life()


if __name__ == "__main__":
    main()
