"""Both regions of a broker are away while 50,000 records a second arrive: all of them are accepted, in memory that
doesn't grow, and all are delivered when the regions are back, while others still arrive.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import threading

from broker_test import expect
from failover_test import SWITCHED_WITHIN, Pair
from region import BINARY, run_tests, wait_until

RECORDS_PER_SECOND, PER_REQUEST = 50_000, 500
AWAY_SECONDS, BACK_SECONDS = 60, 4
# What arrives in the outage, however slow a machine that does other things besides is at offering it: then it lasts
# longer, up to a broker that is too slow.
AWAY_RECORDS, AWAY_LOADS_MAX = AWAY_SECONDS * RECORDS_PER_SECOND * 95 // 100, 3
DELIVERED_WITHIN = 300  # on a machine that does other things besides
# Of the outage's second half above its first, in which 700 MiB arrive.
GROWTH_MAX_MIB = 32
ORIGIN = re.compile(rb'"origin":\{"producer":"(\w+)","lane":(\d+),"sequence":"(\d+)"')


def start_load(pair, seconds):
    return subprocess.Popen(
        [str(BINARY), "bench", "put-records", "--endpoint", f"http://127.0.0.1:{pair.broker.listen}", "--stream", "orders",
         "--records-per-request", str(PER_REQUEST), "--record-bytes", "512", "--requests-per-second",
         str(RECORDS_PER_SECOND // PER_REQUEST), "--warm-up", "0s", "--duration", f"{seconds}s", "--json"],
        stdout=subprocess.PIPE, text=True)


def accepted_of(load):
    """All that it put was accepted; → how many records."""
    out, _ = load.communicate(timeout=240)
    report = json.loads(out)
    expect(report["errors"] == report["failed_records"] == 0 and report["records"] > 0, report)
    print(f"  {report['records']} records accepted, p50 {report['p50_ms']} ms, p99 {report['p99_ms']} ms", flush=True)
    return report["records"]


def read_of(pair):
    """How many records a reader of both regions gets: every sequence of a lane, each once. A byte for each, as there
    are millions."""
    endpoints = f"a={pair.a.endpoint},b={pair.b.endpoint}"
    lanes, lines = collections.defaultdict(bytearray), 0
    with subprocess.Popen([str(BINARY), "tail", "orders", "--regions", endpoints, "--json", "--until-tip", "--from",
                           "trim"], stdout=subprocess.PIPE) as tail:
        for line in tail.stdout:
            producer, lane, sequence = ORIGIN.search(line).groups()
            seen, number = lanes[producer, lane], int(sequence)
            if number >= len(seen):
                seen.extend(bytes(number + 1 - len(seen)))
            seen[number] += 1
            lines += 1
    expect(tail.returncode == 0, tail.returncode)
    expect(all(seen == b"\0" + b"\1" * (len(seen) - 1) for seen in lanes.values()), "each once, none left out")
    return lines


class Memory(threading.Thread):
    """What the broker has resident, in MiB, until `over`."""

    def __init__(self, pid):
        super().__init__()
        self.path, self.samples, self.over = pathlib.Path(f"/proc/{pid}/statm"), [], threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            self.samples.append(int(self.path.read_text().split()[1]) * 4096 / 2**20)


def test_an_outage_of_both_regions_at_speed(directory):
    with Pair(directory) as pair:
        for region in (pair.a, pair.b):
            region.client().create_stream(StreamName="orders", ShardCount=4)
            region.kill()
        memory = Memory(pair.broker.process.pid)
        memory.start()
        try:
            accepted = loads = 0
            while accepted < AWAY_RECORDS:
                expect(loads < AWAY_LOADS_MAX, "too slow", accepted, AWAY_RECORDS)
                accepted += accepted_of(start_load(pair, AWAY_SECONDS))
                loads += 1
        finally:
            memory.over.set()
            memory.join()
        half = len(memory.samples) // 2
        before, after = max(memory.samples[:half]), max(memory.samples[half:])
        print(f"  {before:.0f} MiB resident in its first half, {after:.0f} MiB in the second", flush=True)
        expect(after <= before + GROWTH_MAX_MIB, "its memory grows with what it holds")
        expect(pair.broker.held() >= accepted, pair.broker.held(), accepted)
        load = start_load(pair, BACK_SECONDS)
        pair.a.start()
        pair.b.start()
        accepted += accepted_of(load)
        wait_until(lambda: pair.status().get("used"), SWITCHED_WITHIN)
        wait_until(lambda: pair.broker.held() == 0, DELIVERED_WITHIN)
        lines = read_of(pair)
        # What came too late for the load to count it was accepted, too.
        expect(accepted <= lines <= accepted + 10 * PER_REQUEST, "none lost, none invented", accepted, lines)
        pair.broker.stop()


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
