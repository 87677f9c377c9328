"""A thousand idle subscriptions, over bare sockets, each way in which they can be had: what they cost, and that
all of them hear of a record.
And one whose client takes nothing, which must hold neither memory nor the others.
"""

import collections
import json
import os
import pathlib
import resource
import socket
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "http"))
from h2_abuse_test import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, signed  # noqa: E402
from raw import call  # noqa: E402
from region import Region, wait_until  # noqa: E402

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
SHARDS = 50
CONSUMERS = 20
SANITIZED = os.environ.get("SPILLWAY_SANITIZE")  # whose own memory says nothing of the server's


# MIB is a bound; docs/performance.md says what was measured.
Way = collections.namedtuple("Way", "name http2 tls shared mib")
WAYS = (Way("HTTP/1.1", False, False, False, 50), Way("HTTP/2, a connection each", True, False, False, 50),
        Way("HTTP/1.1 in TLS", False, True, False, 36), Way("HTTP/2 in TLS, a connection each", True, True, False, 80),
        Way("HTTP/2 in TLS, a connection of a consumer", True, True, True, 20))


def connect(region, way):
    """HTTP/2's has begun."""
    connection = socket.create_connection(("127.0.0.1", region.port), timeout=20)
    if way.tls:
        context = ssl.create_default_context(cafile=str(region.data / "tls" / "ca.pem"))
        context.set_alpn_protocols(["h2" if way.http2 else "http/1.1"])
        connection = context.wrap_socket(connection, server_hostname="localhost")
    if way.http2:
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))
    return connection


def subscribe(region, way, connection, consumer, shard, stream_id=1):
    """Without configured keys any well-formed signature will do. It has begun."""
    body = json.dumps({"ConsumerARN": consumer, "ShardId": f"shardId-{shard:012d}",
                       "StartingPosition": {"Type": "LATEST"}})
    if way.http2:
        headers, sent = signed(region.port, "SubscribeToShard", body)
        connection.sendall(frame(HEADERS, END_HEADERS, stream_id, headers) + frame(DATA, END_STREAM, stream_id, sent))
    else:
        connection.sendall(call("SubscribeToShard", body, port=region.port))
    read_until(connection, b"initial-response")


def read_until(connection, mark, times=1):
    got = b""
    while got.count(mark) < times:
        more = connection.recv(1 << 16)
        assert more, got[-500:]
        got += more
    return got


def status_of(region, name):
    for line in pathlib.Path(f"/proc/{region.process.pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(name)


def check_idle(region, client, consumers, way):
    before, threads = status_of(region, "VmRSS"), status_of(region, "Threads")
    connections = []
    for consumer in consumers:
        for shard in range(SHARDS):
            if not way.shared or shard == 0:
                connections.append(connect(region, way))
            subscribe(region, way, connections[-1], consumer, shard, 2 * shard + 1 if way.shared else 1)
    cost = (status_of(region, "VmRSS") - before) / 1024
    assert status_of(region, "Threads") == threads
    assert cost <= way.mib or SANITIZED, f"{way.name}: {cost} MiB"
    answer = client.put_records(StreamName="s", Records=[
        {"Data": b"all", "PartitionKey": "k", "ExplicitHashKey": str(2 ** 128 // SHARDS * shard + 1)}
        for shard in range(SHARDS)])
    assert answer["FailedRecordCount"] == 0
    for connection in connections:
        read_until(connection, b"YWxs", SHARDS if way.shared else 1)  # "all"
        connection.close()
    print(f"{len(consumers) * SHARDS} idle subscriptions over {way.name}: {cost:.1f} MiB, no threads")


def check_slow(region, client, consumer):
    """What a client doesn't take isn't collected for it."""
    slow = connect(region, WAYS[0])
    subscribe(region, WAYS[0], slow, consumer, 0)
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


def check(way):
    """In a region of its own, whose memory has held nothing yet."""
    region = Region()
    settings = region.directory / "spillway.toml"
    settings.write_text("[serve]\ntail_mib = 8\njournal_file_mib = 16\n", encoding="utf-8")
    region.arguments = ("--config", str(settings))
    with region:
        client = region.client()
        client.create_stream(StreamName="s", ShardCount=SHARDS)
        consumers = [client.register_stream_consumer(StreamARN=STREAM, ConsumerName=f"c{i}")
                     ["Consumer"]["ConsumerARN"] for i in range(CONSUMERS + 1)]
        check_idle(region, client, consumers[:CONSUMERS], way)
        if way is WAYS[0]:
            check_slow(region, client, consumers[CONSUMERS])
        wait_until(lambda: region.stop() == 0)


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    for way in WAYS:
        check(way)


if __name__ == "__main__":
    main()
