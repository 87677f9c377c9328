"""`spillway bench`: what it says of a run is what the region has, over both versions of HTTP, with
signatures that are verified.
"""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import BINARY, Region, read_all  # noqa: E402

KEYS = ("AKIDBENCH", "secret-of-the-bench")


def bench(region, *arguments, keys=KEYS):
    endpoint = [] if "--endpoint" in arguments else ["--endpoint", region.endpoint]
    return subprocess.run([BINARY, "bench", *arguments, *endpoint, "--duration", "1s", "--json"],
                          env=os.environ | {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]},
                          capture_output=True, text=True, timeout=60, check=False)


def report(region, *arguments):
    ended = bench(region, *arguments)
    assert ended.returncode == 0, ended
    found = json.loads(ended.stdout)
    assert found["errors"] == found["failed_records"] == 0, found
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["max_ms"], found
    return found


def check_formats(region, client):
    """CBOR and https, over both versions of HTTP; keys of one part of the hash keys alone."""
    https = ["--endpoint", f"https://localhost:{region.port}", "--ca", str(region.data / "tls" / "ca.pem")]
    for number, more in enumerate((["--cbor"], https, [*https, "--http2", "4", "--cbor"])):
        for kind in ("put-record", "put-records"):
            stream = f"format-{kind}-{number}"
            client.create_stream(StreamName=stream, ShardCount=2)
            found = report(region, kind, "--stream", stream, "--connections", "2", "--record-bytes", "100",
                           "--records-per-request", "20", "--hash-from", "0.5", *more)
            records = read_all(client, stream)
            assert 0 < found["records"] <= len(records["shardId-000000000001"]), found
            assert not records["shardId-000000000000"], "the other half of the hash keys got some"
            assert {len(record["Data"]) for record in records["shardId-000000000001"]} == {100}
    refused = bench(region, "put-record", "--endpoint", f"https://localhost:{region.port}")
    assert refused.returncode == 1 and "certificate is not trusted" in refused.stderr, refused


def check_subscriptions(region, client):
    https = ["--endpoint", f"https://localhost:{region.port}", "--ca", str(region.data / "tls" / "ca.pem")]
    for number, more in enumerate(([], ["--cbor"], https, ["--http2", "4"], [*https, "--http2", "2", "--cbor"])):
        client.create_stream(StreamName=f"subscribed-{number}", ShardCount=2)
        found = report(region, "subscribe", "--stream", f"subscribed-{number}", "--consumers", "3", "--record-bytes", "50",
                       "--records-per-request", "5", "--requests-per-second", "100", *more)
        assert 3 * 5 * 75 <= found["records"] <= 3 * 5 * 105, found
        assert found["payload_bytes"] == 50 * found["records"], found


def check_puts_elsewhere(region, client):
    """Puts to one region and reads of another: what came to the latter is counted, which is nothing."""
    with Region() as other:
        other.client().create_stream(StreamName="elsewhere", ShardCount=1)
        client.create_stream(StreamName="elsewhere", ShardCount=1)
        for kind in (["put-to-read"], ["put-to-read", "--http2", "2"], ["subscribe", "--consumers", "2"]):
            before = stored(other.client(), "elsewhere")
            ended = bench(region, *kind, "--stream", "elsewhere", "--requests-per-second", "50", "--records-per-request",
                          "5", "--put-endpoint", other.endpoint)
            found = json.loads(ended.stdout)
            assert found["errors"] == found["failed_records"] == found["records"] == 0, found
            assert stored(other.client(), "elsewhere") >= before + 50, "the puts"
        assert stored(client, "elsewhere") == 0


def stored(client, stream):
    return sum(len(records) for records in read_all(client, stream).values())


def main():
    region = Region()
    settings = region.directory / "spillway.toml"
    settings.write_text(f'[[serve.keys]]\naccess_key = "{KEYS[0]}"\nsecret_key = "{KEYS[1]}"\n', encoding="utf-8")
    region.arguments = ("--config", str(settings))
    with region:
        client = region.client(*KEYS)
        for number, transport in enumerate(([], ["--http2", "4"])):
            for kind, more, per_request in (("put-record", [], 1),
                                            ("put-records", ["--records-per-request", "50"], 50)):
                stream = f"{kind}-{number}"
                client.create_stream(StreamName=stream, ShardCount=2)
                found = report(region, kind, "--stream", stream, "--connections", "4", "--record-bytes", "100",
                               *more, *transport)
                # Those before the measured time, and under way at its end, are stored, too.
                assert found["records"] == found["requests"] * per_request, found
                assert found["records"] <= stored(client, stream) <= 10 * found["records"] + 1000, found
                assert found["payload_bytes"] == 100 * found["records"], found
        client.create_stream(StreamName="open", ShardCount=1)
        found = report(region, "put-record", "--stream", "open", "--requests-per-second", "200")
        assert 150 <= found["requests"] <= 210, found
        found = report(region, "get-records", "--stream", "put-records-0")
        assert found["records"] > 0, found
        found = report(region, "put-to-read", "--stream", "open", "--requests-per-second", "200")
        assert 150 <= found["records"] <= 210, found
        check_formats(region, client)
        check_subscriptions(region, client)
        check_puts_elsewhere(region, client)
        wrong = bench(region, "put-record", "--stream", "open", keys=(KEYS[0], "another-secret"))
        assert wrong.returncode != 0 or json.loads(wrong.stdout)["errors"] > 0, wrong
        assert "InvalidSignature" in wrong.stdout + wrong.stderr, wrong
    print("spillway bench: what it reports is what is stored")


if __name__ == "__main__":
    main()
