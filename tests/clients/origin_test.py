"""Origins of records: put by boto3 and in each of the API's formats, given to whoever asks for them, kept
over a SIGKILL, and taken only from keys that may say where records come from.
"""

import json
import pathlib
import socket
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "model")]
import api  # noqa: E402
import raw  # noqa: E402
from region import BINARY, Region, expect  # noqa: E402

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/"
SHARD = "shardId-000000000000"
PRODUCER = "0123456789abcdef" * 2
ASKS = [("X-Spillway-Origin", "true")]


def origin(sequence, previous=None, lane=128):
    return {"Producer": PRODUCER, "Lane": lane, "Sequence": str(sequence),
            "Previous": str(sequence - 1 if previous is None else previous)}


def entry(data, **of):
    return {"Data": data, "PartitionKey": "k", "ExplicitHashKey": str(1 << 127), "Origin": origin(**of)}


def client_of(region, **key):
    """A boto3 client that adds origins, which its model doesn't know, to what it puts."""
    client = region.client(**key)

    def add(params, **_):
        body = json.loads(params["body"])
        for number, record in enumerate(body["Records"], start=1):
            record["Origin"] = origin(number)
        params["body"] = json.dumps(body).encode()
    client.meta.events.register("before-call.kinesis.PutRecords", add)
    return client


def put(client, stream, count=3):
    records = [{"Data": b"boto3", "PartitionKey": "k", "ExplicitHashKey": str(1 << 127)}] * count
    return client.put_records(StreamName=stream, Records=records)


def read(region, content_type, headers=()):
    way = api.Api(region.port, headers=headers)
    iterator = way.ask("GetShardIterator", {"StreamName": "s", "ShardId": SHARD,
                                            "ShardIteratorType": "TRIM_HORIZON"}).document["ShardIterator"]
    records = way.ask("GetRecords", {"ShardIterator": iterator}, content_type).document["Records"]
    way.close()
    return records


def check_formats(region):
    """Three records by boto3, then one in each format; all of them are read in each."""
    client = client_of(region)
    client.create_stream(StreamName="s", ShardCount=1)
    assert put(client, "s")["FailedRecordCount"] == 0
    way = api.Api(region.port)
    for number, content_type in enumerate(api.FORMATS, start=4):
        answer = way.ask("PutRecord", {"StreamName": "s"} | entry(b"raw", sequence=number), content_type)
        assert answer.status == 200, answer
    way.close()
    expected = [origin(number) for number in range(1, 7)]
    for content_type in api.FORMATS:
        assert [r["Origin"] for r in read(region, content_type, ASKS)] == expected, content_type
        for headers in ((), [("X-Spillway-Origin", "false")]):
            assert not any("Origin" in record for record in read(region, content_type, headers))
    return expected


def check_subscriptions(region, expected):
    client = region.client()
    arn = client.register_stream_consumer(StreamARN=ARN + "s", ConsumerName="c")["Consumer"]["ConsumerARN"]
    body = json.dumps({"ConsumerARN": arn, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}})
    request = raw.call("SubscribeToShard", body, region.port, change=lambda headers: headers + ASKS)
    received = b""
    with socket.create_connection(("127.0.0.1", region.port), raw.LONGEST) as connection:
        connection.sendall(request)
        while received.count(b'"Origin":') < len(expected):
            part = connection.recv(1 << 16)
            assert part, received
            received += part
    for one in expected:
        assert json.dumps({"Origin": one}, separators=(",", ":"))[1:-1].encode() in received, one


def check_kept(region, expected):
    region.kill()
    region.start()
    assert [record["Origin"] for record in read(region, api.JSON, ASKS)] == expected


def check_keys(region):
    def create(holder, *statements):
        arguments = []
        if statements:
            path = region.directory / f"{holder}.json"
            path.write_text(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
            arguments = ["--policy", str(path)]
        made = json.loads(subprocess.run(
            [str(BINARY), "keys", "create", holder, "--json", "--data", str(region.data), "--admin",
             f"127.0.0.1:{region.admin}", *arguments], capture_output=True, check=True, timeout=60).stdout)
        return {name: made[name] for name in ("access_key", "secret_key")}

    def allow(action, stream="*"):
        return {"Effect": "Allow", "Action": action, "Resource": ARN + stream}
    producer = create("producer", allow("kinesis:*"))
    broker = create("broker", allow("kinesis:PutRecords"), allow("spillway:PutOrigin", "s"))
    client_of(region, **create("admin")).create_stream(StreamName="t", ShardCount=1)
    for key, stream in ((producer, "s"), (broker, "t")):
        expect("AccessDeniedException", lambda key=key, stream=stream: put(client_of(region, **key), stream),
               f"is not authorized to perform: spillway:PutOrigin on resource: {ARN}{stream} because no "
               "identity-based policy allows the spillway:PutOrigin action")
        assert put(region.client(**key), stream)["FailedRecordCount"] == 0, "without origins"
    assert put(client_of(region, **broker), "s")["FailedRecordCount"] == 0
    way = api.Api(region.port, **producer)
    denied = way.ask("PutRecord", {"StreamName": "s"} | entry(b"x", sequence=1), api.CBOR)
    assert denied.error == "AccessDeniedException" and "PutOrigin" in denied.message, denied
    way.close()


def main():
    with Region() as region:
        expected = check_formats(region)
        check_subscriptions(region, expected)
        check_kept(region, expected)
        check_keys(region)
    print("origins: in every format, to whoever asks, from whoever may: right")


if __name__ == "__main__":
    main()
