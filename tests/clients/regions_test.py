"""`spillway tail --regions`: two real regions that hold each other's records in part, as brokers leave them
when they switch; each record comes once, whatever is killed meanwhile.
"""

import base64
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from aws_kinesis_agg import deaggregator

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "model")]
import api  # noqa: E402
from failover_test import RETURNED_WITHIN, SWITCHED_WITHIN, Load, Pair  # noqa: E402
from broker_test import KEYS, aggregate  # noqa: E402
from region import BINARY, Region, free_port, wait_until  # noqa: E402

PRODUCER = "0123456789abcdef" * 2
LANES = range(0, 256, 32)
BATCH = 1000  # records that are committed together, at most
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}


def record(lane, sequence):
    """As a broker gave it its name: sequences that end in 7 were given up."""
    previous = sequence - 2 if sequence % 10 == 8 else sequence - 1
    return {"Data": f"{lane} {sequence}".encode(), "PartitionKey": "k", "ExplicitHashKey": str(lane << 120),
            "Origin": {"Producer": PRODUCER, "Lane": lane, "Sequence": str(sequence),
                       "Previous": str(previous)}}


def sequences(first, last):
    return [sequence for sequence in range(first, last + 1) if sequence % 10 != 7]


def put(region, records):
    way = api.Api(region.port)
    for begin in range(0, len(records), 500):
        answer = way.ask("PutRecords", {"StreamName": "s", "Records": records[begin:begin + 500]})
        assert answer.status == 200 and answer.document["FailedRecordCount"] == 0, answer
    way.close()


def put_lanes(region, first, last):
    put(region, [record(lane, sequence) for sequence in sequences(first, last) for lane in LANES])


def put_plain(region, text):
    put(region, [{"Data": text.encode(), "PartitionKey": text}])


def create(*regions):
    for region in regions:
        client = region.client()
        client.create_stream(StreamName="s", ShardCount=2)
        client.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 0.05})


class Tail:
    """A `spillway tail --regions …` in the background."""

    count = itertools.count()

    def __init__(self, directory, regions, *arguments, stream="s"):
        number = next(self.count)
        self.paths = [directory / f"{number}.out", directory / f"{number}.err"]
        with open(self.paths[0], "wb") as out, open(self.paths[1], "wb") as err:
            self.process = subprocess.Popen(
                [str(BINARY), "tail", stream, "--json", "--regions", regions, *arguments], env=ENVIRONMENT,
                stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def data(self):
        return [line["data"] for line in self.lines()]

    def lines(self):
        text = self.paths[0].read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def err(self):
        return self.paths[1].read_text()

    def has(self, count):
        return wait_until(lambda: self.paths[0].read_bytes().count(b"\n") >= count, 60)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


def run(directory, regions, *arguments, code=0):
    """One that ends by itself: its records' data, and what it says besides."""
    tail = Tail(directory, regions, *arguments)
    assert tail.process.wait(60) == code, (arguments, tail.process.returncode, tail.err())
    return tail.data(), tail.err()


def by_lane(data):
    lanes = {}
    for each in data:
        lane, sequence = each.split()
        lanes.setdefault(int(lane), []).append(int(sequence))
    return lanes


def of(*regions):
    return ",".join(f"{name}={region.endpoint}" for name, region in zip("ab", regions))


def test_each_record_once_while_a_region_is_killed(directory, a, b):
    """Records move from a to b when a dies, with some in both, and back; a gets what it missed."""
    tails = [Tail(directory, of(a, b), "--from", "trim", "--mode", mode) for mode in ("available", "ordered")]
    put_lanes(a, 1, 200)
    put_lanes(b, 150, 200)
    a.kill()
    put_lanes(b, 201, 400)
    put_plain(b, "plain b")
    for tail in tails:
        wait_until(lambda: "a: " in tail.err())  # noqa: B023
    a.start()
    put_plain(a, "plain a")
    put_lanes(a, 201, 600)
    put_lanes(b, 390, 420)
    expected = {lane: sequences(1, 600) for lane in LANES}
    count = sum(map(len, expected.values())) + 2
    for tail in tails:
        tail.has(count)
        wait_until(lambda: "reading on" in tail.err())  # noqa: B023
        assert tail.end() == 143
        data = tail.data()
        plain = [each for each in data if each.startswith("plain")]
        assert sorted(plain) == ["plain a", "plain b"], plain
        lanes = by_lane(each for each in data if not each.startswith("plain"))
        if tail is tails[0]:
            lanes = {lane: sorted(found) for lane, found in lanes.items()}
        assert lanes == expected, "each once" if tail is tails[0] else "each once, and in order"
        away, back = tail.err().splitlines()
        assert away.startswith("spillway: a: ") and away.endswith("; trying again"), away
        assert back == "spillway: a answers; reading on", back
        assert {line["region"] for line in tail.lines()} == {"a", "b"}
    print(f"{2 * count} records, each once")


def test_goes_on_from_its_state(directory, a, b):
    state = ("--state", str(directory / "state"))
    put_lanes(a, 1, 50)
    put_lanes(b, 41, 80)
    found = []
    for _ in range(5):
        data, _ = run(directory, of(a, b), "--from", "trim", "--limit", "30", *state)
        assert len(data) == 30
        found += data
    put_plain(b, "plain")
    data, _ = run(directory, of(a, b), "--until-tip", *state)
    found += data
    assert found.count("plain") == 1
    assert {lane: sorted(each) for lane, each in by_lane(f for f in found if f != "plain").items()} == \
        {lane: sequences(1, 80) for lane in LANES}
    assert run(directory, of(a, b), "--until-tip", *state)[0] == []
    # In another region, copies are known.
    put_lanes(a, 51, 80)
    put_lanes(a, 81, 81)
    assert sorted(run(directory, of(a), "--until-tip", *state)[0]) == sorted(f"{lane} 81" for lane in LANES)

    running = Tail(directory, of(a, b), *state)
    wait_until(lambda: (directory / "state" / "s.lock").read_text().startswith(str(running.process.pid)))
    err = run(directory, of(a, b), *state, code=1)[1]
    assert "another tail has these places" in err and str(running.process.pid) in err, err
    running.end()
    path = directory / "state" / "s.reader"
    # One that began at the tip, and that nothing came to.
    latest = Tail(directory, of(a, b), "--state", str(directory / "latest"))
    wait_until((directory / "latest" / "s.reader").exists)
    assert latest.end() == 143
    put_plain(b, "new")
    assert run(directory, of(a, b), "--until-tip", "--state", str(directory / "latest"))[0] == ["new"]
    path.write_bytes(path.read_bytes()[:-1])
    err = run(directory, of(a, b), *state, code=1)[1]
    assert f"{path}, without which tail begins anew: a reader's places: their checksum is wrong" in err, err


def test_a_limit_loses_nothing_of_aggregates(directory, a, b):
    """Whose lines it counts, while the state has places of whole records."""
    client = a.client()
    for number in range(10):
        records = [("k", f"{number} {part}".encode()) for part in range(5)]
        client.put_record(StreamName="s", PartitionKey=str(number), Data=aggregate(records))
    expected = sorted(f"{number} {part}" for number in range(10) for part in range(5))
    limited = ("--from", "trim", "--until-tip", "--limit", "12")
    assert len(run(directory, of(a, b), *limited)[0]) == 12, "and without a state an aggregate is cut"
    state = ("--state", str(directory / "state"))
    found = []
    for count in (15, 15, 15, 5, 0):
        data, _ = run(directory, of(a, b), *limited, *state)
        assert len(data) == count, (count, data)
        found += data
    assert sorted(found) == expected, "each once"


def seen_by(runs):
    return {line["data"] for lines in runs for line in lines}


def test_a_killed_tail_repeats_what_it_had_not_committed_and_nothing_else(directory, a, b):
    state = ("--state", str(directory / "state"), "--mode", "ordered", "--from", "trim")
    put_lanes(a, 1, 500)
    put_lanes(b, 400, 900)
    put_lanes(a, 901, 1500)
    expected = {lane: sequences(1, 1500) for lane in LANES}
    seen, runs = [], []
    for kill_after in (1, 1000, 2500, 4000):
        tail = Tail(directory, of(a, b), *state)
        # Or all that is left: the runs before may have printed more than they had to.
        tail.has(min(kill_after, sum(map(len, expected.values())) - len(seen_by(runs))))
        assert tail.end(signal.SIGKILL) == -signal.SIGKILL
        runs.append(tail.lines())
    runs.append(Tail(directory, of(a, b), "--until-tip", *state))
    assert runs[-1].process.wait(60) == 0, runs[-1].err()
    runs[-1] = runs[-1].lines()
    repeated, uncommitted = 0, set()
    for lines in runs:
        data = [line["data"] for line in lines]
        again = set(data) & set(seen)
        assert again <= uncommitted, "what was committed came again"
        assert len(data) == len(set(data)), "one run has a record twice"
        uncommitted |= set(data[-BATCH:])
        repeated += len(again)
        seen += [each for each in data if each not in again]
    assert by_lane(seen) == expected
    print(f"{len(seen)} records, {repeated} of them again after {len(runs) - 1} SIGKILLs")


def check_aggregates(region):
    """All that it has of "orders", as AWS's de-aggregator reads it, which knows no origins."""
    client = region.client()
    whole, records = 0, []
    for shard in client.list_shards(StreamName="orders")["Shards"]:
        iterator = client.get_shard_iterator(StreamName="orders", ShardId=shard["ShardId"],
                                             ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator is not None:
            answer = client.get_records(ShardIterator=iterator)
            at_tip = answer["MillisBehindLatest"] == 0 and not answer["Records"]
            iterator = None if at_tip else answer.get("NextShardIterator")
            for record in answer["Records"]:
                assert record["Data"].startswith(b"\xf3\x89\x9a\xc2"), record
                event = {"kinesis": {"kinesisSchemaVersion": "1.0", "sequenceNumber": record["SequenceNumber"],
                                     "partitionKey": record["PartitionKey"], "approximateArrivalTimestamp": 0,
                                     "data": base64.b64encode(record["Data"])}}
                parts = deaggregator.deaggregate_records([event])
                assert all(part["kinesis"]["aggregated"] for part in parts)
                assert {part["kinesis"]["partitionKey"] for part in parts} == {record["PartitionKey"]}
                records += [(record["PartitionKey"], base64.b64decode(part["kinesis"]["data"])) for part in parts]
                whole += 1
    numbers = {}
    for key, data in records:
        name, number = data.decode().split()
        assert name == key, (key, data)
        numbers.setdefault(key, []).append(int(number))
    for key, seen in numbers.items():
        first_seen = list(dict.fromkeys(seen))
        assert first_seen == sorted(first_seen), (key, seen)
    assert set(numbers) == set(KEYS)
    print(f"  {len(records)} records in {whole} aggregates")


def check_through_a_broker(directory):
    """Whose regions die and come back under load: it switches, sends again what it isn't sure of, and returns. For
    the broker and the reader b is Amazon Kinesis, which keeps what it is given, as any Kinesis endpoint does."""
    credentials = directory / "credentials.json"
    credentials.write_text(json.dumps({"Version": 1, "AccessKeyId": "any", "SecretAccessKey": "any"}))
    with Pair(directory, f'kind = "amazon"\ncredentials = "command:cat {credentials}"\n') as pair:
        regions = f"a={pair.a.endpoint},b=amazon:{pair.b.endpoint}"
        tails = [Tail(directory, regions, "--from", "trim", "--wait", "--mode", mode, stream="orders")
                 for mode in ("available", "ordered")]
        with Load(pair.broker) as load:
            pair.wait_for("a", SWITCHED_WITHIN)
            pair.a.kill()
            pair.wait_for("b", SWITCHED_WITHIN)
            pair.a.start()
            pair.wait_for("a", RETURNED_WITHIN)
        pair.broker.stop()
        count = load.count * len(KEYS)
        # And by the names that the broker knows its regions by.
        named = Tail(directory, "b,a", "--config", *pair.broker.arguments[1:], "--limit", "1", "--from", "trim",
                     stream="orders")
        assert named.process.wait(60) == 0, named.err()
        assert named.lines()[0]["region"] in ("a", "b")
        for tail in tails:
            tail.has(count)
            assert tail.end() == 143
            numbers = {}
            for data in tail.data():
                key, number = data.split()
                numbers.setdefault(key, []).append(int(number))
            if tail is tails[0]:
                numbers = {key: sorted(each) for key, each in numbers.items()}
            assert numbers == {key: list(range(load.count)) for key in KEYS}, tail.err()
        check_aggregates(pair.b)
        print(f"{count} records through a broker, each once")


def test_what_it_says(directory, a, b):
    put_lanes(a, 1, 1)
    out = subprocess.run([str(BINARY), "tail", "s", "--until-tip", "--regions", of(a, b)], env=ENVIRONMENT,
                         capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(out) == len(LANES) and all(" a shard-" in line for line in out), out
    lines = Tail(directory, f"{a.endpoint},{b.endpoint}", "--until-tip")
    assert lines.process.wait(60) == 0
    first = lines.lines()[0]
    assert first["region"] == f"127.0.0.1:{a.port}" and first["origin"] == {
        "producer": PRODUCER, "lane": int(first["data"].split()[0]), "sequence": "1", "previous": "0"}, first
    # Only the records from here on, and one whose previous is not there.
    tail = Tail(directory, of(a, b), "--mode", "ordered", "--gap-wait", "1s", "--from", "trim")
    tail.has(len(LANES))
    put(b, [record(0, 3)])
    tail.has(len(LANES) + 1)
    put(b, [record(0, 2)])
    tail.has(len(LANES) + 2)
    assert tail.end() == 143
    assert "the order has 1 more gap: what is missing comes late, if it comes\n" in tail.err(), tail.err()
    assert [line.get("late") for line in tail.lines()[-2:]] == [None, True]

    for arguments in (["--from", a.client().list_shards(StreamName="s")["Shards"][0]["SequenceNumberRange"]
                       ["StartingSequenceNumber"]], ["--gap-wait", "x"], ["--mode", "any"]):
        run(directory, of(a, b), *arguments, code=2)
    err = run(directory, "nowhere", code=2)[1]
    assert "--regions nowhere: that is no URL, and no --config names" in err, err
    config = directory / "spillway.toml"
    config.write_text(f'[[broker.targets]]\nname = "a"\nendpoint = "{a.endpoint}"\n')
    assert len(run(directory, "a", "--until-tip", "--config", str(config))[0]) == len(LANES)
    assert f"no [[broker.targets]] of {config}" in run(directory, "c", "--config", str(config), code=2)[1]
    nobody = f"http://127.0.0.1:{free_port()}"
    err = run(directory, f"{nobody},c=http://127.0.0.1:{free_port()}", code=1)[1]
    assert "nothing answers at" in err and err.count("\n") == 2, err
    data, err = run(directory, f"{of(a)},c={nobody}", "--from", "trim", "--limit", "1")
    assert len(data) == 1, "one that answers is enough"
    a.client().delete_stream(StreamName="s")
    wait_until(lambda: not a.client().list_streams()["StreamNames"])
    err = run(directory, of(a, b), code=1)[1]
    assert "there is no stream s at " in err and "--wait waits for it" in err, err


def main():
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        directory = pathlib.Path(tempfile.mkdtemp(prefix="spillway-regions-"))
        with Region() as a, Region() as b:
            create(a, b)
            test(directory, a, b)
        shutil.rmtree(directory)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="spillway-regions-"))
    check_through_a_broker(directory)
    shutil.rmtree(directory)
    print("tail reads several regions as docs/failover.md says")


if __name__ == "__main__":
    main()
