"""Telemetry for the clients to put, and what must come back of it.

Real telemetry where it is at hand (the Numenta Anomaly Benchmark's series beside the project); else
seeded series of the same shape. A record is its key, the series' name, and its data: JSON with the
series, the record's number in it, a time and a value.
"""

import csv
import itertools
import json
import random

from region import ROOT

SERIES = 40


def recorded():
    """A generator of (timestamp, value) for each recorded series."""
    def rows(path):
        with open(path, encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                yield row["timestamp"], float(row["value"])
    return {path.stem: rows(path) for path in sorted((ROOT.parent / "shared/data/nab/data").rglob("*.csv"))}


def made_up():
    def rows(seed):
        generator = random.Random(seed)
        for i in itertools.count():
            yield f"2026-01-{1 + i // 288 % 28:02} {i // 12 % 24:02}:{i % 12 * 5:02}:00", round(generator.gauss(50, 12), 3)
    return {f"cpu_utilization_{i:02}": rows(i) for i in range(SERIES)}


def telemetry(count):
    """That many records as (key, data), the series taking turns."""
    series, records = recorded() or made_up(), []
    for number in itertools.count():
        for name, rows in series.items():
            row = next(rows, None)
            if row is None:
                continue
            records.append((name, json.dumps({"series": name, "n": number, "timestamp": row[0], "value": row[1]})))
            if len(records) == count:
                return records


def write(path, records):
    """A record a line, for clients of other languages: its key, a tab, its data."""
    path.write_text("".join(f"{key}\t{data}\n" for key, data in records), encoding="utf-8")


def compare(records, got, duplicates=False, ordered=True):
    """got: the data of what was read, as text, shard after shard. Each record is there once (or, with
    duplicates, again after it was there) and, if ordered, no series is out of order."""
    seen, numbers = set(), {}
    for _, data in reversed(records):
        record = json.loads(data)
        numbers[record["series"]] = record["n"]  # in the end, its first
    for data in got:
        if data in seen:
            assert duplicates, f"read twice: {data}"
            continue
        seen.add(data)
        record = json.loads(data)
        expected = numbers.get(record["series"])
        assert record["n"] == expected or not ordered, f"{record['series']}: {record['n']} where {expected} is next"
        numbers[record["series"]] = expected + 1
    missing = [data for _, data in records if data not in seen]
    assert not missing, f"{len(missing)} of {len(records)} records are missing, as {missing[0]}"
    assert len(seen) == len(records), f"{len(seen) - len(records)} records that nobody put"
