"""A thousand idle subscriptions, over bare sockets: what they cost, and that all of them hear of a record.
And one whose client takes nothing, which must hold neither memory nor the others.
"""

import datetime
import json
import os
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, wait_until  # noqa: E402

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
SHARDS = 50
CONSUMERS = 20
SANITIZED = os.environ.get("SPILLWAY_SANITIZE")  # whose own memory says nothing of the server's


def subscribe(region, consumer, shard):
    """Without configured keys any well-formed signature will do."""
    body = json.dumps({"ConsumerARN": consumer, "ShardId": f"shardId-{shard:012d}",
                       "StartingPosition": {"Type": "LATEST"}})
    now = datetime.datetime.now(datetime.timezone.utc)
    connection = socket.create_connection(("127.0.0.1", region.port), timeout=20)
    connection.sendall((
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n"
        "X-Amz-Target: Kinesis_20131202.SubscribeToShard\r\n"
        f"X-Amz-Date: {now:%Y%m%dT%H%M%SZ}\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential=any/{now:%Y%m%d}/us-east-1/kinesis/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}\r\n\r\n{body}").encode())
    return connection


def read_until(connection, mark):
    got = b""
    while mark not in got:
        more = connection.recv(1 << 16)
        assert more, got[-500:]
        got += more
    return got


def status_of(region, name):
    for line in pathlib.Path(f"/proc/{region.process.pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(name)


def check_idle(region, client, consumers):
    before, threads = status_of(region, "VmRSS"), status_of(region, "Threads")
    connections = [subscribe(region, consumer, shard) for consumer in consumers for shard in range(SHARDS)]
    for connection in connections:
        read_until(connection, b"initial-response")
    cost = (status_of(region, "VmRSS") - before) / 1024
    assert status_of(region, "Threads") == threads
    assert cost <= 50 or SANITIZED, f"{cost} MiB"
    answer = client.put_records(StreamName="s", Records=[
        {"Data": b"all", "PartitionKey": "k", "ExplicitHashKey": str(2 ** 128 // SHARDS * shard + 1)}
        for shard in range(SHARDS)])
    assert answer["FailedRecordCount"] == 0
    for connection in connections:
        read_until(connection, b"YWxs")  # "all"
        connection.close()
    print(f"{len(connections)} idle subscriptions: {cost:.1f} MiB, no threads")


def check_slow(region, client, consumer):
    """What a client doesn't take isn't collected for it."""
    slow = subscribe(region, consumer, 0)
    read_until(slow, b"initial-response")
    data = b"x" * 500_000

    def put(count):
        for _ in range(count):
            client.put_record(StreamName="s", PartitionKey="k", Data=data, ExplicitHashKey="1")
    put(60)  # the tail is full now
    before = status_of(region, "VmRSS")
    put(100)
    grown = (status_of(region, "VmRSS") - before) / 1024
    assert grown < 20 or SANITIZED, f"{grown} MiB"
    # It has lost nothing by that.
    size, wanted = 0, 160 * len(data)
    while size < wanted * 4 // 3:
        more = slow.recv(1 << 20)
        assert more
        size += len(more)
    slow.close()
    print(f"a subscription that isn't read: {grown:.1f} MiB for 50 MB of records")


def main():
    region = Region()
    settings = region.directory / "spillway.toml"
    settings.write_text("[serve]\ntail_mib = 8\njournal_file_mib = 16\n", encoding="utf-8")
    region.arguments = ("--config", str(settings))
    with region:
        client = region.client()
        client.create_stream(StreamName="s", ShardCount=SHARDS)
        consumers = [client.register_stream_consumer(StreamARN=STREAM, ConsumerName=f"c{i}")
                     ["Consumer"]["ConsumerARN"] for i in range(CONSUMERS + 1)]
        check_idle(region, client, consumers[:CONSUMERS])
        check_slow(region, client, consumers[CONSUMERS])
        wait_until(lambda: region.stop() == 0)


if __name__ == "__main__":
    main()
