"""boto3, unmodified: streams, telemetry in and out, and the API's own errors."""

import pathlib
import sys

import boto3

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, expect, read_all  # noqa: E402
from telemetry_records import compare, telemetry  # noqa: E402


def main():
    with Region() as region:
        client = region.client()
        client.create_stream(StreamName="telemetry", ShardCount=3)
        client.get_waiter("stream_exists").wait(StreamName="telemetry")
        rows = telemetry(3000)
        put = {}
        for at in range(0, len(rows), 500):
            batch = rows[at:at + 500]
            answer = client.put_records(StreamName="telemetry", Records=[
                {"Data": data.encode(), "PartitionKey": key} for key, data in batch])
            assert answer["FailedRecordCount"] == 0
            for (_, data), result in zip(batch, answer["Records"]):
                put[(result["ShardId"], result["SequenceNumber"])] = data
        found = read_all(client, "telemetry")
        got = {(shard, r["SequenceNumber"]): r["Data"].decode()
               for shard, records in found.items() for r in records}
        assert got == put and len(got) == len(rows), (len(got), len(put), len(rows))
        compare(rows, [r["Data"].decode() for records in found.values() for r in records])
        for records in found.values():
            numbers = [int(r["SequenceNumber"]) for r in records]
            assert numbers == sorted(set(numbers)) and records

        # Iterators of all five types.
        shard, records = next(iter(found.items()))
        second = records[1]["SequenceNumber"]

        def first_from(**options):
            iterator = client.get_shard_iterator(StreamName="telemetry", ShardId=shard, **options)
            return client.get_records(ShardIterator=iterator["ShardIterator"], Limit=1)["Records"]
        assert first_from(ShardIteratorType="TRIM_HORIZON")[0] == records[0]
        assert first_from(ShardIteratorType="AT_SEQUENCE_NUMBER",
                          StartingSequenceNumber=second)[0] == records[1]
        assert first_from(ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                          StartingSequenceNumber=second)[0] == records[2]
        assert first_from(ShardIteratorType="AT_TIMESTAMP", Timestamp=1)[0] == records[0]
        assert first_from(ShardIteratorType="LATEST") == []

        # The API's own errors.
        expect("ResourceInUseException", lambda: client.create_stream(StreamName="telemetry", ShardCount=1))
        expect("ResourceNotFoundException",
               lambda: client.put_record(StreamName="none", Data=b"", PartitionKey="k"),
               "Stream none under account 000000000000 not found.")
        expect("ValidationException", lambda: client.put_record(StreamName="a b", Data=b"", PartitionKey="k"),
               "Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular "
               "expression pattern: [a-zA-Z0-9_.-]+")
        expect("ValidationException",
               lambda: client.put_record(StreamName="telemetry", Data=b"", PartitionKey="k" * 257),
               "at 'partitionKey'")
        expect("InvalidArgumentException",
               lambda: client.put_record(StreamName="telemetry", Data=b"", PartitionKey="k",
                                         ExplicitHashKey=str(2 ** 128)), "ExplicitHashKey")
        expect("InvalidArgumentException", lambda: client.get_records(ShardIterator="made-up"))
        expect("InvalidArgumentException",
               lambda: first_from(ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber="17"))

        # Pages.
        for i in range(5):
            client.create_stream(StreamName=f"page-{i}", ShardCount=1)
        names, token = [], {}
        while token is not None:
            page = client.list_streams(Limit=2, **token)
            names += page["StreamNames"]
            token = {"ExclusiveStartStreamName": names[-1]} if page["HasMoreStreams"] else None
        assert names == [f"page-{i}" for i in range(5)] + ["telemetry"], names
        client.delete_stream(StreamName="page-0")
        expect("ResourceNotFoundException", lambda: client.describe_stream(StreamName="page-0"))

        # A clean stop and a second start find everything.
        assert region.stop() == 0
        region.start()
        assert read_all(region.client(), "telemetry") == found
    print(f"boto3 {boto3.__version__}: right")
    print(f"ran: JSON over HTTP/1.1 | {len(rows)} records of telemetry in and out, five kinds of iterators, errors, pages, "
          "all of it again after a restart")


if __name__ == "__main__":
    main()
