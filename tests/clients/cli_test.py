"""`spillway put`, `tail` and `streams` as a user runs them: docs/put-and-tail.md, line by line."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import BINARY, Region, free_port, read_all, wait_until  # noqa: E402

# CSI as one character of UTF-8, a title, a change of direction, bytes that are no UTF-8.
HOSTILE = "\x9b31m\x1b]0;x\x07\u202e".encode() + b"\xff\n"


class Cli:
    def __init__(self, endpoint):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self.environment = kept | {"SPILLWAY_ENDPOINT": endpoint}

    def start(self, *arguments, **options):
        return subprocess.Popen([str(BINARY), *arguments], env=self.environment, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, *arguments, stdin=b"", code=0):
        """Standard output and error, as text."""
        process = self.start(*arguments)
        out, err = process.communicate(stdin, 60)
        assert process.returncode == code, (arguments, process.returncode, out[-500:], err[-500:])
        return out.decode(), err.decode()

    def records(self, *arguments):
        return [json.loads(line) for line in self.run("tail", *arguments, "--json")[0].splitlines()]


class Running:
    """A command in the background, whose output is read from files."""

    def __init__(self, cli, directory, *arguments):
        self.paths = [directory / "out", directory / "err"]
        files = [open(path, "wb") for path in self.paths]
        self.process = subprocess.Popen([str(BINARY), *arguments], env=cli.environment,
                                        stdin=subprocess.PIPE, stdout=files[0], stderr=files[1])

    def out(self):
        return self.paths[0].read_text()

    def err(self):
        return self.paths[1].read_text()

    def end(self, *signals):
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(60)


def data_of(record):
    if "data" in record:
        return record["data"].encode()
    return base64.b64decode(record["data_base64"])


def in_order(records):
    return sorted(records, key=lambda r: (r["arrival"], r["shard"], int(r["sequence_number"])))


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def aggregate(records):
    """As the Kinesis Producer Library writes (key, data) pairs."""
    def field(number, value):
        return varint(number << 3 | 2) + varint(len(value)) + value
    message = b"".join(field(1, key) for key, _ in records)
    for i, (_, data) in enumerate(records):
        message += field(3, varint(1 << 3) + varint(i) + field(3, data))
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def nothing_there():
    endpoint = f"http://127.0.0.1:{free_port()}"
    cli = Cli(endpoint)
    for command in (["put", "s", "x"], ["tail", "s"], ["tail", "s", "--wait"], ["streams"]):
        _, err = cli.run(*command, code=1)
        assert f"nothing answers at {endpoint}; start one with `spillway serve`" in err, err
        assert err.count("\n") == 1, err
    assert "https" in cli.run("put", "s", "x", "--endpoint", "https://a", code=1)[1]
    for command in (["put"], ["tail"], ["tail", "s", "--from", "yesterday"], ["tail", "s", "--limit", "0"],
                    ["put", "s", "x", "--raw"], ["streams", "create"]):
        cli.run(*command, code=2)
    assert 'no command "serv"; did you mean "serve"?' in cli.run("serv", code=2)[1]
    assert cli.run("xyzzy", code=2)[1] == 'spillway: there is no command "xyzzy"\n'
    assert 'keys has no command "lst"; did you mean "list"?' in cli.run("keys", "lst", code=2)[1]
    assert "keys has no command \"foo\"\n" in cli.run("keys", "foo", code=2)[1]
    assert cli.run("help") == cli.run("--help")
    assert 'serve has no option "--lisen"; did you mean "--listen"?\n' in cli.run(
        "serve", "--lisen=127.0.0.1:0", code=2)[1]
    assert 'keys create has no option "--polciy"; did you mean "--policy"?\n' in cli.run(
        "keys", "create", "x", "--polciy", "y", code=2)[1]
    assert "say why" in cli.run("switch", "--to", "b", "--reason", "", code=2)[1]
    err = cli.run("audit", "verify", "/nonexistent/switch-log", code=1)[1]
    assert "has no log of switches" in err, err
    for rate in ("--requests-per-second", "--bytes-per-second"):
        for value in ("-1", "0", "99999999999999999999"):
            cli.run("keys", "create", "x", rate, value, "--data", "/dev/null/none", code=2)
    err = cli.run("put", "s", "x", "--endpoint", "http://nohost.invalid", code=1)[1]
    assert "look up nohost.invalid" in err and "no stream" not in err, err


def closed_descriptors():
    """What a program opens must not take the place of its closed standard streams."""
    with Region() as region:
        region.stop()
        # Started as some daemonizers do: nothing of 0, 1 and 2 is open.
        region.process = subprocess.Popen(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *region.command()])
        client = region.client(retries={"total_max_attempts": 10})
        wait_until(lambda: answers(client))
        client.create_stream(StreamName="s", ShardCount=1)
        client.put_record(StreamName="s", PartitionKey="k", Data=b"kept")
        region.kill()
        region.start()
        assert [r["Data"] for r in read_all(region.client(), "s")["shardId-000000000000"]] == [b"kept"]
        put = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&-', str(BINARY), "put", "s", "--endpoint",
                              region.endpoint], capture_output=True, timeout=60, check=False)
        assert put.returncode == 0, put


def answers(client):
    try:
        return client.list_streams() is not None
    except Exception:
        return False


def streams(cli):
    assert cli.run("streams")[0].split() == ["NAME", "STATUS", "MODE", "SHARDS", "RETENTION", "CREATED"]
    cli.run("streams", "create", "b", "--shards", "3")
    cli.run("streams", "create", "a", "--on-demand", "--endpoint", cli.environment["SPILLWAY_ENDPOINT"])
    lines = cli.run("streams")[0].splitlines()
    assert lines[1].split()[:3] == ["a", "ACTIVE", "ON_DEMAND"], lines
    assert re.fullmatch(r"b +ACTIVE +PROVISIONED +3 +24 h +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines[2]), lines
    found = [json.loads(line) for line in cli.run("streams", "--json")[0].splitlines()]
    assert [(s["name"], s["open_shards"]) for s in found][1] == ("b", 3), found
    assert "already exists" in cli.run("streams", "create", "b", code=1)[1]
    cli.run("streams", "delete", "a")
    cli.run("streams", "delete", "b")
    assert "there is no stream a at " in cli.run("streams", "delete", "a", code=1)[1]


def put(cli, client):
    assert "there is no stream p at " in cli.run("put", "p", "x", code=1)[1]
    out, err = cli.run("put", "p", "first", "--create=2", "--partition-key", "k")
    shard, number = out.split()
    assert not err and shard.startswith("shardId-"), (out, err)
    assert len(read_all(client, "p")) == 2
    stored = read_all(client, "p")[shard]
    assert [(r["Data"], r["PartitionKey"], r["SequenceNumber"]) for r in stored] == [(b"first", "k", number)]
    out = json.loads(cli.run("put", "p", "", "--create", "--json", "--http2")[0])
    assert out["stream"] == "p" and out["sequence_number"], out

    lines = [b"{\"n\": 1}", b"\xff\x00 no UTF-8", b"", b" last, without an end "]
    out, err = cli.run("put", "p", "--json", "--partition-key", "k", stdin=b"\n".join(lines))
    assert [json.loads(line)["line"] for line in out.splitlines()] == [1, 2, 4]
    assert re.fullmatch(r"put 3 records to p in \d+\.\d s\n", err), err
    assert [r["Data"] for r in read_all(client, "p")[shard][-3:]] == [lines[0], lines[1], lines[3]]
    cli.run("put", "p", "--raw", "--partition-key", "k", stdin=b"one\ntwo\n")
    assert read_all(client, "p")[shard][-1]["Data"] == b"one\ntwo\n"
    assert "put 0 records" in cli.run("put", "p")[1]

    # More than any request holds, in its order.
    many = [b"%d %s" % (i, b"x" * (i % 1500)) for i in range(20_000)]
    _, err = cli.run("put", "p", "--partition-key", "many", stdin=b"\n".join(many))
    assert "put 20000 records to p" in err, err
    got = [r["Data"] for records in read_all(client, "p").values() for r in records
           if r["PartitionKey"] == "many"]
    assert got == many

    # Lines that are too large: for any stream, and for this one, which takes 1 MiB.
    big = b"one\n" + b"x" * (10 << 20) + b"x\nthree\n"
    _, err = cli.run("put", "p", stdin=big, code=1)
    assert "put 1 record to p" in err and "line 2 is larger than 10 MiB" in err, err
    _, err = cli.run("put", "p", stdin=b"one\ntwo\n" + b"x" * (2 << 20) + b"\nfour\n", code=1)
    assert "put 2 records to p" in err and "line 3 not put: PutRecords: InvalidArgument" in err, err
    assert "maximum of 1024 KiB" in err, err


def tail(cli, client, region):
    assert "there is no stream t at " in cli.run("tail", "t", code=1)[1]
    cli.run("streams", "create", "t", "--shards", "4")
    put_before = [f"{i}" for i in range(3000)]
    cli.run("put", "t", stdin="\n".join(put_before).encode())
    stored = cli.records("t", "--until-tip")
    assert sorted(r["data"] for r in stored) == sorted(put_before)
    assert stored == in_order(stored) and len({r["shard"] for r in stored}) == 4
    assert cli.records("t", "--from", "latest", "--until-tip") == []
    assert cli.records("t", "--from", "trim", "--limit", "7") == stored[:7]
    assert cli.records("t", "--until-tip", "--limit", "5", "--http2") == stored[:5]

    # Places to begin at.
    assert cli.records("t", "--from", "-1h", "--until-tip") == stored
    assert cli.records("t", "--from", "2020-11-25T14:00:00Z", "--until-tip") == stored
    middle = stored[len(stored) // 2]
    later = [r for r in stored if r["arrival"] >= middle["arrival"]]
    assert cli.records("t", "--from", middle["arrival"], "--until-tip") == later
    of_shard = [r for r in stored if r["shard"] == middle["shard"]]
    assert (cli.records("t", "--from", middle["sequence_number"], "--until-tip")
            == of_shard[of_shard.index(middle):])
    cli.run("streams", "create", "one")
    elsewhere = [r for r in stored if r["shard"] != "shardId-000000000000"][0]
    _, err = cli.run("tail", "one", "--from", elsewhere["sequence_number"], code=1)
    assert f"has no {elsewhere['shard']}" in err, err

    # What arrives, from every shard, in order; the reader leaves when it has enough.
    running = Running(cli, region.directory, "tail", "t", "--json", "--limit", "200")
    reading(cli, running, "t")
    more = [f"live {i}" for i in range(400)]
    for at in range(0, 400, 50):
        cli.run("put", "t", stdin="\n".join(more[at:at + 50]).encode())
    assert running.end() == 0, running.err()
    live = [json.loads(line) for line in running.out().splitlines()]
    assert len(live) == 200 and live == in_order(live)
    # The first one printed says that every shard is being read.
    got = [r for r in live if r["data"].startswith("live")]
    assert len(got) > 100, live
    assert got == [r for r in cli.records("t", "--until-tip") if r["data"].startswith("live")][:len(got)]


def reading(cli, running, stream):
    """Returns when a tail from the tip surely reads."""
    deadline = time.monotonic() + 20
    while not running.out():
        assert time.monotonic() < deadline and running.process.poll() is None, running.err()
        cli.run("put", stream, "ready")


def lines(cli, client):
    """What is printed of a record."""
    cli.run("streams", "create", "l")
    client.put_record(StreamName="l", PartitionKey="k\x1b", Data=HOSTILE)
    client.put_record(StreamName="l", PartitionKey="k", Data=json.dumps({"a": "ä\n"}, ensure_ascii=False).encode())
    parts = [(b"one", b"first"), (b"two", b"\xff"), (b"three", b"third")]
    whole = aggregate(parts)
    client.put_record(StreamName="l", PartitionKey="a", Data=whole)
    client.put_record(StreamName="l", PartitionKey="a", Data=whole[:-1] + b"x")  # no aggregate: its MD5 is wrong
    for arguments in (["--json"], []):
        printed = cli.run("tail", "l", "--until-tip", *arguments)[0]
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed), printed
        assert len(printed.splitlines()) == 6, printed
    people = printed.splitlines()
    time_and_shard = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ shard-0 "
    expected = [r"k\x1b  \xc2\x9b31m\x1b]0;x\x07\u{202e}\xff\n", 'k  {"a": "ä\\n"}', "one  first", r"two  \xff"]
    for line, end in zip(people, expected):
        assert re.fullmatch(time_and_shard + re.escape(end), line), (line, end)
    found = cli.records("l", "--until-tip")
    assert [data_of(r) for r in found[:2]] == [HOSTILE, b'{"a": "\xc3\xa4\\n"}'] and "data_base64" in found[0]
    assert [(r["sub_sequence_number"], r["partition_key"], data_of(r)) for r in found[2:5]] == [
        (i, key.decode(), data) for i, (key, data) in enumerate(parts)]
    assert len({r["sequence_number"] for r in found[2:5]}) == 1
    assert data_of(found[5]) == whole[:-1] + b"x" and "sub_sequence_number" not in found[5]
    found = cli.records("l", "--until-tip", "--no-deaggregate")
    assert [data_of(r) for r in found[2:]] == [whole, whole[:-1] + b"x"]
    assert len(cli.records("l", "--limit", "4", "--from", "trim")) == 4, "and an aggregate is cut"


def endings(cli, region):
    """Readers and writers that leave, signals, streams that come and go."""
    head = subprocess.run(f"{BINARY} tail t --from trim | head -1; echo ${{PIPESTATUS[0]}}", shell=True,
                          executable="/bin/bash", env=cli.environment, capture_output=True, timeout=60, text=True)
    assert re.fullmatch(r".* shard-\d .*\n0\n", head.stdout) and not head.stderr, head
    # Gone while nothing arrives.
    process = cli.start("tail", "t")
    process.stdout.close()
    assert process.wait(60) == 0 and not process.stderr.read()

    running = Running(cli, region.directory, "tail", "t")
    reading(cli, running, "t")
    assert running.end(signal.SIGINT) == 130 and not running.err(), running.err()

    running = Running(cli, region.directory, "tail", "w", "--wait", "--limit", "1")
    wait_until(lambda: "waiting for the stream w" in running.err())
    cli.run("put", "w", "--create", "there")
    assert running.end() == 0 and running.out().endswith("  there\n"), running.out()

    running = Running(cli, region.directory, "tail", "w")
    reading(cli, running, "w")
    cli.run("streams", "delete", "w")
    assert running.end() == 1 and "there is no stream w" in running.err(), running.err()

    running = Running(cli, region.directory, "put", "t", "--json")
    running.process.stdin.write(b"one\nnot its end")
    running.process.stdin.flush()
    wait_until(running.out)  # what has come goes at once
    assert running.end(signal.SIGINT) == 130
    assert re.fullmatch(r"interrupted: put 1 record to t in \d+\.\d s\n", running.err()), running.err()


def server_gone(cli, region):
    tailing = Running(cli, region.directory, "tail", "t")
    reading(cli, tailing, "t")
    (region.directory / "put").mkdir()
    putting = Running(cli, region.directory / "put", "put", "t", "--json")
    putting.process.stdin.write(b"before\n")
    putting.process.stdin.flush()
    wait_until(putting.out)
    wait_until(lambda: "  before\n" in tailing.out())
    region.kill()
    wait_until(lambda: "trying again" in tailing.err())
    putting.process.stdin.write(b"during\n")
    putting.process.stdin.flush()
    region.start()
    wait_until(lambda: "reading on" in tailing.err())
    wait_until(lambda: "  during\n" in tailing.out())
    cli.run("put", "t", "after")
    wait_until(lambda: "  after\n" in tailing.out())
    assert tailing.err().count("\n") == 2, tailing.err()
    assert tailing.out().count("  before\n") == tailing.out().count("  during\n") == 1
    assert tailing.end(signal.SIGTERM) == 143

    # The first signal waits for the answer, which comes when the server is back.
    region.kill()
    with taking_no_notice(region.port, putting, b"late\n"):
        putting.process.send_signal(signal.SIGINT)
    region.start()
    assert putting.end() == 130 and "interrupted: put 3 records to t" in putting.err(), putting.err()
    # The second one doesn't.
    region.kill()
    putting = Running(cli, region.directory, "put", "t")
    with taking_no_notice(region.port, putting, b"lost\n"):
        # Both may be there before either is taken, and then the later one is taken first.
        assert putting.end(signal.SIGINT, signal.SIGTERM) in (130, 143)
    assert "put 0 records to t" in putting.err() and "line 1 may or may not be stored" in putting.err(), putting.err()
    region.start()


@contextlib.contextmanager
def taking_no_notice(port, putting, line):
    """Writes the line to a put, whose request a server has got that never answers."""
    with socket.create_server(("127.0.0.1", port)) as server:
        putting.process.stdin.write(line)
        putting.process.stdin.flush()
        connection, _ = server.accept()
        with connection:
            request(connection)
            yield


def request(connection):
    got = b""
    while b"\r\n\r\n" not in got or not got.endswith(b"}"):
        got += connection.recv(1 << 16)
    assert b"PutRecords" in got
    return got


def lost_then_refused():
    """What was sent once without an answer may be stored, whatever a later try is told."""
    body = b'{"__type":"InvalidArgumentException","message":"no \\u001b"}'
    with socket.create_server(("127.0.0.1", 0)) as server:
        cli = Cli(f"http://127.0.0.1:{server.getsockname()[1]}")
        process = cli.start("put", "s", "x")
        with server.accept()[0] as first:
            request(first)
        with server.accept()[0] as second:
            request(second)
            second.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            _, err = process.communicate(b"", 60)
    assert process.returncode == 1
    assert err.startswith(b"spillway: the record may or may not be stored: PutRecords: InvalidArgument"), err
    assert b"\x1b" not in err


def main():
    nothing_there()
    closed_descriptors()
    lost_then_refused()
    with Region() as region:
        cli, client = Cli(region.endpoint), region.client()
        streams(cli)
        put(cli, client)
        tail(cli, client, region)
        lines(cli, client)
        endings(cli, region)
        server_gone(cli, region)
    print("put, tail and streams do what docs/put-and-tail.md says")


if __name__ == "__main__":
    main()
