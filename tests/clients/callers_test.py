"""Who depends on which stream: recorded, shown at the admin port and by `spillway audit callers`, and
kept over a restart.
"""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "http"))
import raw  # noqa: E402
from region import BINARY, Region, expect, wait_until  # noqa: E402


def callers(region, query=""):
    with urllib.request.urlopen(f"http://127.0.0.1:{region.admin}/v1/callers{query}", timeout=20) as answer:
        return json.load(answer)["callers"]


def audit(region, *arguments):
    return subprocess.run([str(BINARY), "audit", "callers", "--admin", f"127.0.0.1:{region.admin}", *arguments],
                          check=True, stdout=subprocess.PIPE, text=True).stdout


def use(region):
    producer = region.client(access_key="AKIDPRODUCER", user_agent_appid="shop")
    reader = region.client(access_key="AKIDREADER")
    for stream in ("orders", "clicks"):
        producer.create_stream(StreamName=stream, ShardCount=1)
        producer.put_records(StreamName=stream, Records=[{"Data": b"x" * 10, "PartitionKey": "key"}] * 3)
    iterator = reader.get_shard_iterator(StreamName="orders", ShardId="shardId-000000000000",
                                         ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    reader.get_records(ShardIterator=iterator, Limit=2)
    subscriber = region.client(access_key="AKIDSUBSCRIBER")
    arn = subscriber.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]["StreamARN"]
    consumer = subscriber.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    with contextlib.closing(subscriber.subscribe_to_shard(
            ConsumerARN=consumer, ShardId="shardId-000000000000",
            StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]) as events:
        assert len(next(iter(events))["SubscribeToShardEvent"]["Records"]) == 3
    expect("ResourceNotFoundException",
           lambda: reader.put_record(StreamName="none", Data=b"", PartitionKey="k"))


def check(region):
    found = {(caller["stream"], caller["access_key"]): caller for caller in callers(region)}
    assert len(found) == 4, found
    put = found["orders", "AKIDPRODUCER"]
    assert put["agent"] == "Boto3 shop" and put["peer"] == "127.0.0.1", put
    assert put["put"]["records"] == 3 and put["put"]["bytes"] == 39 and put["put"]["requests"] == 1, put
    read = found["orders", "AKIDREADER"]
    assert read["get"]["records"] == 2 and read["describe"]["requests"] == 1, read
    assert read["lag_ms"] >= 0 and read["first_seen_ms"] <= read["last_seen_ms"], read
    subscribed = found["orders", "AKIDSUBSCRIBER"]
    assert subscribed["subscribe"]["records"] == 3 and subscribed["subscribe"]["requests"] == 1, subscribed
    assert subscribed["subscribe"]["bytes"] == 39 and "get" not in subscribed, subscribed
    assert [caller["stream"] for caller in callers(region, "?stream=clicks")] == ["clicks"]


def check_audit(region):
    table = audit(region)
    lines = table.splitlines()
    assert lines[0].split()[:3] == ["STREAM", "ACCESS", "KEY"] and len(lines) == 6, table
    assert lines[-1] == "If orders stopped, 2 callers would have no source left.", table
    assert "clicks" not in audit(region, "--stream", "orders")
    rows = [json.loads(line) for line in audit(region, "--json").splitlines()]
    assert rows == callers(region), rows
    gone = subprocess.run([str(BINARY), "audit", "callers", "--admin", "127.0.0.1:1"], check=False,
                          stderr=subprocess.PIPE, text=True)
    assert gone.returncode == 1 and "127.0.0.1:1" in gone.stderr, gone
    assert "is it running? --admin names" in gone.stderr, gone
    settings = region.directory / "callers.toml"
    settings.write_text(f'[serve]\nadmin = "127.0.0.1:{region.admin}"\n')
    configured = subprocess.run([str(BINARY), "audit", "callers", "--config", str(settings)], check=False,
                                capture_output=True, text=True)
    # But for the time that passes between the two, which may change a column's width too.
    first, second = (re.sub(r"\d+ (s|min) ago", "", text).split() for text in (configured.stdout, audit(region)))
    assert configured.returncode == 0 and first == second, configured


AGENTS = {
    "quotes": b'a"gent\\/1',
    "no UTF-8": b"\xff\xfe\x80agent/1",
    "cut UTF-8": b"x" * 63 + "é".encode() + b"/1",  # the family ends within it
    "a terminal's": "\u009b31mred\u202e/1".encode(),
    "long": b"y" * 20_000,
    "app": b"agent/1 app/" + b"z\xff" * 5000,
}


def check_agents(region):
    """Whatever a client calls itself, what is told of it is JSON, short, and harmless in a terminal."""
    def ask(agent):
        data = raw.call("PutRecord", json.dumps({"StreamName": "orders", "PartitionKey": "k", "Data": ""}),
                        port=region.port,
                        change=lambda headers: headers + [("User-Agent", agent.decode("latin-1"))])
        answers, _ = raw.parse(raw.exchange(region.port, data))
        return answers[0].status
    for name, agent in AGENTS.items():
        assert ask(agent) == 200, name
    for control in b"\0\x01\x1b\x7f":
        assert ask(b"agent" + bytes([control])) == 400, control
    found = {caller["agent"] for caller in callers(region) if caller["access_key"] == raw.ACCESS_KEY}
    assert len(found) == len(AGENTS) and all(len(agent) <= 128 for agent in found), found
    assert 'a"gent\\' in found and "\ufffd\ufffd\ufffdagent" in found, found
    assert "y" * 64 in found and "x" * 63 + "\ufffd" in found, found
    table = audit(region)
    assert 'a"gent\\' in table and not any(character in table for character in "\x9b\x1b\u202e"), table
    rows = [json.loads(line) for line in audit(region, "--json").splitlines()]
    assert found <= {row["agent"] for row in rows}, rows


def check_queries(region):
    try:
        callers(region, "?name=orders")
        raise AssertionError("not refused")
    except urllib.error.HTTPError as error:
        assert error.code == 400, error


def main():
    with Region() as region:
        use(region)
        check(region)
        check_audit(region)
        check_queries(region)
        check_agents(region)
        before = callers(region)
        assert region.stop() == 0
        region.start()
        wait_until(lambda: callers(region) == before)
        region.client().delete_stream(StreamName="orders", EnforceConsumerDeletion=True)
        wait_until(lambda: [caller["stream"] for caller in callers(region)] == ["clicks"])
    print("callers: recorded, shown, and kept over a restart")


if __name__ == "__main__":
    main()
