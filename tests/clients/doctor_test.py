#!/usr/bin/env python3
"""A segment whose file is gone: noticed at the start and by `spillway doctor`, and by a region that
runs; given up on request alone."""

import pathlib
import subprocess
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import BINARY, Region, read_all, wait_until


def doctor(region, *arguments):
    """Its exit code and what it said."""
    done = subprocess.run([str(BINARY), "doctor", "--data", str(region.data), *arguments],
                          capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def metric(region, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{region.admin}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name + " ")))


def refused_start(region):
    """What a start says that comes to nothing."""
    done = subprocess.run(region.command(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    return done.stdout + done.stderr


def put(client, *texts):
    answer = client.put_records(StreamName="orders", Records=[
        {"Data": text.encode(), "PartitionKey": text} for text in texts])
    assert answer["FailedRecordCount"] == 0


def stored(region):
    records = read_all(region.client(), "orders").values()
    return {record["Data"].decode() for of_shard in records for record in of_shard}


def segments(region):
    return sorted((region.data / "segments").glob("*.segment"))


def seal(region):
    """What the journal holds goes into a segment and a snapshot when a region starts."""
    count = len(segments(region))
    region.kill()
    region.start()
    wait_until(lambda: metric(region, "spillway_segments") > count)


def main():
    region = Region()
    with region:
        region.client().create_stream(StreamName="orders", ShardCount=1)
        rounds = [{f"{letter}{i}" for i in range(50)} for letter in "abc"]
        for texts in rounds:
            put(region.client(), *texts)
            seal(region)
        everything = set().union(*rounds)
        assert stored(region) == everything
        assert region.stop() == 0
        code, said = doctor(region)
        assert code == 0 and "damages: 0" in said, said

        key = region.data / "token.key"
        key.chmod(0o640)
        code, said = doctor(region)
        assert code == 1 and f"chmod 600 {key}" in said, said
        key.chmod(0o600)

        middle = segments(region)[1]
        away = region.directory / "away"
        middle.rename(away)
        said = refused_start(region)
        assert f"{middle} (journal frames " in said and "is missing" in said, said
        assert f"spillway doctor --data {region.data} --accept-loss" in said, said
        code, said = doctor(region)
        assert code == 1 and f"{middle} (journal frames " in said and "damages: 1" in said, said
        assert "orders, shard 0: positions 50 to 99" in said, said
        away.rename(middle)
        assert doctor(region)[0] == 0
        region.start()
        assert stored(region) == everything

        # The region that runs has it open, and tells that the next one won't.
        middle.rename(away)
        region.client().create_stream(StreamName="another", ShardCount=1)
        wait_until(lambda: metric(region, "spillway_segments_missing") == 1)
        assert str(middle) in (region.directory / "log").read_text()
        assert stored(region) == everything
        assert region.stop() == 0

        code, said = doctor(region, "--accept-loss")
        assert code == 0 and f"given up: {middle}" in said and "damages: 0" in said, said
        region.start()
        assert stored(region) == rounds[0] | rounds[2]
        assert metric(region, "spillway_segments_lost") == 1
        assert "were given up" in (region.directory / "log").read_text()
        put(region.client(), "next")
        seal(region)
        assert region.stop() == 0
        code, said = doctor(region)
        assert code == 0 and "given up on " in said, said
        # It turns up after all.
        away.rename(middle)
        region.start()
        assert stored(region) == everything | {"next"}
        assert metric(region, "spillway_segments_lost") == 0
        assert region.stop() == 0
        assert doctor(region)[0] == 0
    print("a missing segment is noticed, given up on request, and counts again when it is back")


if __name__ == "__main__":
    main()
