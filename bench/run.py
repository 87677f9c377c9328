"""tools/bench: every row is measured on this machine, in this run, as the median of several runs."""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

import broker
import plot
from processes import BINARY, DATA, ROOT, Nats, Redis, Spillway, environment

PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Bench:
    def __init__(self, options):
        self.runs, self.seconds, self.memory_seconds = options.runs, options.seconds, options.memory_seconds
        self.outage_seconds, self.spool_gb = options.outage_seconds, options.spool_gb
        self.rows, self.machine = [], {}
        self.group = "machine"

    def row(self, name, value, goal="", ceiling="", note=""):
        self.rows.append((self.group, name, value, goal, ceiling, note, time.strftime("%Y-%m-%d")))
        say(f"{name}: {value}" + (f" (goal {goal})" if goal else ""))

    def median(self, measure):
        """measure() gives a dict; the median of each of its numbers."""
        runs = []
        for i in range(self.runs):
            runs.append(measure())
            say(f"  run {i + 1}/{self.runs}")
        return {key: statistics.median(run[key] for run in runs)
                for key in runs[0] if isinstance(runs[0][key], (int, float))}

    # --- rows ---------------------------------------------------------------------------------

    @staticmethod
    def machine_limits():
        return json.loads(subprocess.run([BINARY, "bench", "machine", "--data", DATA],
                                         capture_output=True, check=True).stdout)

    def measure_machine(self):
        DATA.mkdir(parents=True, exist_ok=True)

        self.machine = self.median(self.machine_limits)
        m = self.machine
        self.row("machine: SHA-256, one core", f"{m['sha256_gb_per_s']:.2f} GB/s")
        self.row("machine: memcpy, one core", f"{m['memcpy_gb_per_s']:.1f} GB/s")
        self.row("machine: simdjson, PutRecords body", f"{m['simdjson_gb_per_s']:.2f} GB/s")
        self.row("machine: base64 decode / encode",
                 f"{m['base64_decode_gb_per_s']:.1f} / {m['base64_encode_gb_per_s']:.1f} GB/s")
        self.row("machine: fdatasync of 4 KiB", f"{m['syncs_per_s']:,.0f}/s")
        self.row("machine: synced 1 MiB writes", f"{m['synced_mb_per_s']:,.0f} MB/s")
        self.row("machine: bare requests over loopback, 64 connections",
                 f"{m['loopback_requests_per_s']:,.0f}/s")
        self.row("machine: bare bytes over loopback, 20 connections", f"{m['loopback_gb_per_s']:.2f} GB/s")

    def json_ceiling(self, record_bytes, cores=1.0):
        """Records a second of one core that does nothing but hash, parse and decode a body."""
        m = self.machine
        text = record_bytes * 4 / 3
        per_record = (text / m["sha256_gb_per_s"] + text / m["simdjson_gb_per_s"]
                      + text / m["base64_decode_gb_per_s"]
                      + record_bytes / m["memcpy_gb_per_s"] * 4) / 1e9 + 1 / m["md5_keys_per_s"]
        return cores / per_record

    def put_records(self):
        with Spillway() as server:
            server.create_stream("bench", 4)
            result = self.median(lambda: self.load_put_records(server))
            ours = result["records_per_s"]
        disk = self.machine["synced_mb_per_s"] * 1e6 / 1024 / 2  # into the journal and a segment
        self.row("PutRecords 500 × 1 KiB, 8 connections", f"{ours:,.0f} records/s", "200,000",
                 f"{min(self.json_ceiling(1024), disk):,.0f} (one core decoding, or the disk)",
                 f"p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms")
        return ours

    def load_put_records(self, server, **more):
        options = {"connections": 8, "records_per_request": 500, "record_bytes": 1024,
                   "duration": f"{self.seconds}s"}
        return server.load("put-records", "bench", **(options | more))

    def peers(self, ours):
        with Redis() as redis:
            result = self.median(lambda: {
                "records_per_s": redis.put(1024, 8, 500, 60_000 * self.seconds)})
            theirs = result["records_per_s"]
            self.row("Redis Streams, appendfsync always, 8 × 500 pipelined, 1 KiB",
                     f"{theirs:,.0f} records/s", note=f"Spillway ÷ Redis = {ours / theirs:.2f} (goal 1.5)")
        with Nats() as nats:
            result = self.median(lambda: {
                "records_per_s": nats.put(1024, 60_000 * self.seconds)})
            theirs = result["records_per_s"]
            self.row("NATS JetStream, file storage, asynchronous publish, 1 KiB (no sync)",
                     f"{theirs:,.0f} records/s", note=f"Spillway ÷ NATS = {ours / theirs:.2f} (goal > 1)")

    def put_records_and_peers(self):
        self.peers(self.put_records())

    def put_record(self):
        with Spillway() as server:
            server.create_stream("bench", 4)
            result = self.median(lambda: server.load(
                "put-record", "bench", connections=64, record_bytes=128,
                duration=f"{self.seconds}s"))
            ceiling = min(self.machine["loopback_requests_per_s"], 64 * self.machine["syncs_per_s"])
            self.row("PutRecord 128 B, 64 connections", f"{result['records_per_s']:,.0f}/s", "50,000",
                     f"{ceiling:,.0f} (bytes over loopback alone, or 64 requests a sync)",
                     f"p50 {result['p50_ms']:.2f} ms, p99 {result['p99_ms']:.2f} ms (goal 10)")
            result = self.median(lambda: server.load(
                "put-record", "bench", connections=2, http2=64, record_bytes=128,
                duration=f"{self.seconds}s"))
            self.row("PutRecord 128 B over HTTP/2, 2 connections × 64 requests",
                     f"{result['records_per_s']:,.0f}/s",
                     note=f"p50 {result['p50_ms']:.2f} ms, p99 {result['p99_ms']:.2f} ms")

    def get_records(self):
        with Spillway() as server:
            server.create_stream("bench", 4)
            self.load_put_records(server, duration="1s")
            ceiling = 1 / (4 / 3 / self.machine["base64_encode_gb_per_s"]
                           + 4 * 4 / 3 / self.machine["memcpy_gb_per_s"]) * 1000
            result = self.median(lambda: server.load(
                "get-records", "bench", connections=4, duration=f"{self.seconds}s"))
            self.row("GetRecords from the tail, 4 connections", f"{result['payload_mb_per_s']:,.0f} MB/s",
                     "400", f"{ceiling:,.0f}")
            # Several gigabytes, so that the tail holds next to nothing of what is read.
            self.load_put_records(server, duration="12s")
            server.stop()
            server.start()

            def catch_up():
                if os.geteuid() == 0:
                    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
                return server.load("get-records", "bench", connections=4,
                                   duration=f"{self.seconds}s")
            result = self.median(catch_up)
            self.row("GetRecords catching up from disk, 4 connections",
                     f"{result['payload_mb_per_s']:,.0f} MB/s", "400", f"{ceiling:,.0f}",
                     "page cache dropped before each run" if os.geteuid() == 0 else "")

    def put_to_read(self):
        with Spillway() as server:
            server.create_stream("bench", 4)
            # The machine's stalls come and go: what bare syncs meet is measured between the runs.
            result = self.median(lambda: server.load(
                "put-to-read", "bench", connections=64, record_bytes=128,
                requests_per_second=10_000, duration=f"{self.seconds}s") | {
                    "bare_" + key: value for key, value in self.machine_limits().items()})
            if result["records"] < 0.95 * 10_000 * self.seconds:
                raise SystemExit(f"put to readable: only {result['records']} records came back")
            self.row("put to readable, 10,000 records/s, 4 readers that look every 2 ms",
                     f"p99 {result['p99_ms']:.2f} ms", "5 ms",
                     f"p99 {result['bare_arrivals_p99_ms']:.2f} ms (bare writes and syncs)",
                     f"p50 {result['p50_ms']:.2f} ms")

    def compare(self, *measures):
        """All in turn, run by run, so that the machine's moods meet them alike: the result of each."""
        def round_of_all():
            results = [measure() for measure in measures]
            return {(i, key): value for i, result in enumerate(results) for key, value in result.items()}
        result = self.median(round_of_all)
        return [{key: value for (of, key), value in result.items() if of == i} for i in range(len(measures))]

    def cbor(self):
        with Spillway() as server:
            server.create_stream("bench", 4)
            cbor, plain = self.compare(lambda: self.load_put_records(server, cbor=True),
                                       lambda: self.load_put_records(server))
        ratio = cbor["payload_mb_per_s"] / plain["payload_mb_per_s"]
        self.row("PutRecords 500 × 1 KiB in CBOR, 8 connections", f"{cbor['payload_mb_per_s']:,.0f} MB/s",
                 f"{1.3 * plain['payload_mb_per_s']:,.0f} MB/s", note=f"CBOR ÷ JSON = {ratio:.2f} (goal 1.3)")

    def tls(self):
        with Spillway() as server:
            server.create_stream("bench", 4)
            for name, kind, options in (
                    ("PutRecords 500 × 1 KiB over TLS, 8 connections", "put-records", {"connections": 8}),
                    ("PutRecord 128 B over TLS, 64 connections", "put-record",
                     {"connections": 64, "record_bytes": 128})):
                options["duration"] = f"{self.seconds}s"
                secure, plain = self.compare(lambda k=kind, o=options: server.load(k, "bench", secure=True, **o),
                                             lambda k=kind, o=options: server.load(k, "bench", **o))
                ratio = secure["records_per_s"] / plain["records_per_s"]
                self.row(name, f"{secure['records_per_s']:,.0f} records/s",
                         f"{0.6 * plain['records_per_s']:,.0f}", note=f"TLS ÷ plain = {ratio:.2f} (goal 0.6)")

    def encrypted(self):
        with Spillway() as server:
            for stream in ("plain", "secret"):
                server.create_stream(stream, 4)
            server.call("StartStreamEncryption", {"StreamName": "secret", "EncryptionType": "KMS",
                                                  "KeyId": "alias/aws/kinesis"})
            options = {"connections": 8, "duration": f"{self.seconds}s"}
            secret, plain = self.compare(lambda: server.load("put-records", "secret", **options),
                                         lambda: server.load("put-records", "plain", **options))
        ratio = secret["records_per_s"] / plain["records_per_s"]
        self.row("PutRecords 500 × 1 KiB to an encrypted stream, 8 connections",
                 f"{secret['records_per_s']:,.0f} records/s", note=f"encrypted ÷ plain = {ratio:.2f}")

    def subscribe(self):
        with Spillway() as server:
            server.create_stream("bench", 4)
            rate = 10_000
            # AWS gives SubscribeToShard over HTTP/2 alone, and a consumer's shards share a connection there.
            for name, goal, options in (
                    ("over HTTP/2", "p50 1 ms, p99 5 ms", {"connections": 2, "http2": 4}),
                    ("over HTTP/1.1, 80 connections", "", {"connections": 8})):
                options |= {"records_per_request": 10, "record_bytes": 128, "requests_per_second": rate / 10,
                            "duration": f"{self.seconds}s"}
                # An event can't come before its put is answered: what that takes is measured in turn.
                result, puts = self.compare(
                    lambda o=options: server.load("subscribe", "bench", consumers=20, **o),
                    lambda o=options: server.load("put-records", "bench", **o))
                if result["records"] < 0.95 * 20 * rate * self.seconds:
                    raise SystemExit(f"subscribe: only {result['records']} records came back")
                self.row(f"SubscribeToShard {name}, put to event, 10,000 records/s in 1,000 PutRecords, "
                         "20 consumers of 4 shards",
                         f"p50 {result['p50_ms']:.2f} ms, p99 {result['p99_ms']:.2f} ms", goal,
                         note=f"the puts alone: p50 {puts['p50_ms']:.2f} ms, p99 {puts['p99_ms']:.2f} ms")

    def fan_out(self):
        with Spillway() as server:
            server.create_stream("bench", 4)
            result = self.median(lambda: server.load(
                "subscribe", "bench", cbor=True, consumers=20, connections=2, http2=4, records_per_request=500,
                record_bytes=1024, requests_per_second=120, duration=f"{self.seconds}s"))
            put = 20 * 120 * 500 * 1024 / 1e9
            self.row("SubscribeToShard over HTTP/2, all 20 consumers together, CBOR, 61 MB/s put",
                     f"{result['payload_mb_per_s'] / 1000:.2f} GB/s", "1 GB/s",
                     f"{min(put, self.machine['loopback_gb_per_s']):.2f} ({put:.2f}: all that is put; "
                     f"{self.machine['loopback_gb_per_s']:.2f}: bytes over loopback alone)",
                     f"p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms")

    def control(self):
        def create_and_reshard():
            with Spillway() as server:
                begin = time.monotonic()
                for number in range(1000):
                    server.create_stream(f"stream-{number}", 1)
                created = time.monotonic()
                server.call("UpdateShardCount", {"StreamName": "stream-0", "TargetShardCount": 10_000,
                                                 "ScalingType": "UNIFORM_SCALING"})
                resharded = time.monotonic()
                summary = server.call("DescribeStreamSummary", {"StreamName": "stream-0"})
                if summary["StreamDescriptionSummary"]["OpenShardCount"] != 10_000:
                    raise SystemExit(f"control: {summary}")
                return {"create": created - begin, "reshard": resharded - created}
        result = self.median(create_and_reshard)
        self.row("1,000 CreateStream, one after the other", f"{result['create']:.2f} s", "5 s",
                 note="each synced, each on a connection of its own")
        self.row("UpdateShardCount from 1 to 10,000", f"{result['reshard']:.2f} s", "5 s")

    def hot_shard(self):
        """One shard at ten times the load of each of 99 others; then at ten times what they have together."""
        with Spillway() as server:
            server.create_stream("bench", 100)
            self.beside_a_hot_shard(server, each=50, times=10, goal="goal < 20 %")
            self.beside_a_hot_shard(server, each=5, times=10 * 99, goal="beyond the goal")

    def beside_a_hot_shard(self, server, each, times, goal):
        """99 shards alone, beside the hot one, and beside as much that goes to the 99 too: what a load does
        wherever it goes."""
        cold = {"hash_from": 0.01}
        options = {"connections": 32, "record_bytes": 128}

        def alone():
            return server.load("put-record", "bench", requests_per_second=99 * each, duration=f"{self.seconds}s",
                               **cold, **options)

        def beside(where):
            wait = server.start_load("put-record", "bench", requests_per_second=times * each,
                                     duration=f"{self.seconds + 2}s", **where, **options)
            result = alone()
            wait()
            return result
        hot, spread, quiet = (result["p99_ms"] for result in self.compare(
            lambda: beside({"hash_below": 0.01}), lambda: beside(cold), alone))
        self.row(f"PutRecord to 99 shards, {each}/s each, beside one with {times * each:,}/s",
                 f"p99 {hot:.2f} ms", f"{1.2 * quiet:.2f} ms",
                 note=f"without the hot shard {quiet:.2f} ms: {(hot / quiet - 1) * 100:+.0f} % ({goal}); "
                      f"beside {times * each:,}/s more to the 99 themselves {spread:.2f} ms")

    def many_shards(self):
        points = []
        for shards in (1, 100, 1_000, 10_000):
            with Spillway() as server:
                server.create_stream("bench", shards)
                server.load("put-records", "bench", connections=8, records_per_request=500,
                            record_bytes=128, requests_per_second=40, duration="3s")
                rss, threads = server.status("VmRSS") / 1024, server.status("Threads")
                points.append((shards, rss))
        self.row("10,000 shards, written to", f"{points[-1][1]:.0f} MB resident", "150 MB",
                 note=f"{threads} threads (goal ≤ {os.cpu_count() + 6})")
        self.plot("memory-over-shards", "Resident memory over shards", "shards", "MB",
                  {"resident": points}, log_x=True)

    def start_with_data(self, gigabytes=10):
        with Spillway() as server:
            server.create_stream("bench", 10_000)
            stored = 0
            while stored < gigabytes * 1e9:
                result = server.load("put-records", "bench", connections=8, records_per_request=500,
                                     record_bytes=4096, duration="10s")
                stored += result["payload_bytes"]
                say(f"  stored {stored / 1e9:.1f} GB")
            server.stop()
            seconds = []
            for run in range(self.runs):
                begin = time.monotonic()
                server.start()
                server.call("DescribeStreamSummary", {"StreamName": "bench"})
                seconds.append(time.monotonic() - begin)
                rss = server.status("VmRSS") / 1024
                if run % 2 == 0:
                    self.load_put_records(server, duration="1s", record_bytes=4096)
                    server.kill()
                else:
                    server.stop()
            self.row(f"first answer after a start with {stored / 1e9:.0f} GB in 10,000 shards",
                     f"{max(seconds):.2f} s", "1 s",
                     note=f"the worst of {self.runs}, half of them after SIGKILL; {rss:.0f} MB resident")

    def flat_memory(self):
        seconds = self.memory_seconds
        with Spillway() as server:
            server.create_stream("bench", 4)
            command = [BINARY, "bench", "put-record", "--endpoint", f"http://127.0.0.1:{server.port}",
                       "--stream", "bench", "--connections", "64", "--record-bytes", "128",
                       "--duration", f"{seconds}s", "--json"]
            samples, begin = [], time.monotonic()
            with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True,
                                  env=environment()) as load:
                while load.poll() is None:
                    samples.append((time.monotonic() - begin, server.status("VmRSS") / 1024))
                    time.sleep(1)
                result = json.load(load.stdout)
            if load.returncode != 0 or result["errors"] + result["failed_records"] > 0 or len(samples) < 0.9 * seconds:
                raise SystemExit(f"the load of the memory row failed: {result}")
            late = samples[int(len(samples) * 0.4):]
            slope = statistics.linear_regression([t for t, _ in late], [m for _, m in late]).slope * 60
            self.row(f"memory over {seconds} s of PutRecord at full load", f"{slope:+.2f} MB/min",
                     "< 1 MB/min", note=f"{late[-1][1]:.0f} MB resident at the end")
            self.plot("memory-over-time", "Resident memory at full load", "seconds", "MB",
                      {"resident": samples[:: max(1, len(samples) // 100)]})

    def latency_over_load(self):
        p50, p99 = [], []
        with Spillway() as server:
            server.create_stream("bench", 4)
            for rate in (1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 40_000, 50_000):
                result = server.load("put-record", "bench", connections=64, record_bytes=128,
                                     requests_per_second=rate, duration=f"{self.seconds}s")
                p50.append((rate, result["p50_ms"]))
                p99.append((rate, result["p99_ms"]))
        self.plot("latency-over-load", "PutRecord 128 B, durable: latency over load (open loop)",
                  "requests/s", "ms", {"p50": p50, "p99": p99}, log_y=True)

    def throughput_over_connections(self):
        points = []
        with Spillway() as server:
            server.create_stream("bench", 4)
            for connections in (1, 2, 4, 8, 16, 32, 64):
                result = self.load_put_records(server, connections=connections)
                points.append((connections, result["records_per_s"]))
        self.plot("throughput-over-connections", "PutRecords 500 × 1 KiB: throughput over connections",
                  "connections", "records/s", {"records/s": points}, log_x=True)

    # --- output -------------------------------------------------------------------------------

    def plot(self, name, *args, **options):
        PLOTS.mkdir(parents=True, exist_ok=True)
        (PLOTS / f"{name}.svg").write_text(plot.line_plot(*args, **options), encoding="utf-8")

    def table(self):
        return table_of(self.rows)


HEAD = ("group", "what", "measured", "goal", "ceiling", "", "on")


def table_of(rows):
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def rows_of(table):
    """Those of a table_of()."""
    cells = [tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
             for line in table.splitlines() if line.startswith("|")]
    if cells and cells[0] != HEAD:
        raise SystemExit(f"{PAGE.name}: its table has other columns than {HEAD}")
    return cells[2:]


def merged(before, now):
    """The rows of the groups that were not measured now stay, with their date."""
    measured = {row[0] for row in now}
    rows = [row for row in before if row[0] not in measured] + list(now)
    order = ["machine", *GROUPS]
    return sorted(rows, key=lambda row: order.index(row[0]) if row[0] in order else len(order))


def describe_machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text("utf-8"))
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text("utf-8"))
    return (f"{os.cpu_count()} cores ({model.group(1) if model else platform.processor()}), "
            f"{int(memory.group(1)) / 2**20:.0f} GiB, Linux {platform.release()}, Debian "
            f"{pathlib.Path('/etc/debian_version').read_text('ascii').strip()}; server, load "
            "generator and disk on the same machine")


def write_page(rows):
    begin, end = "<!-- bench: begin -->", "<!-- bench: end -->"
    text = PAGE.read_text(encoding="utf-8")
    plots = "".join(f"\n![{path.stem.replace('-', ' ')}](performance/{path.name})\n"
                    for path in sorted(PAGE.with_suffix("").glob("*.svg")))
    before, rest = text.split(begin)
    table, after = rest.split(end)
    table = table_of(merged(rows_of(table), rows))
    PAGE.write_text(f"{before}{begin}\nOn {describe_machine()}.\n\n"
                    f"{table}\n{plots}\n{end}{after}", encoding="utf-8")


def plots(bench):
    bench.latency_over_load()
    bench.throughput_over_connections()


GROUPS = {
    "put-records": Bench.put_records_and_peers,
    "put-record": Bench.put_record,
    "cbor": Bench.cbor,
    "tls": Bench.tls,
    "encrypted": Bench.encrypted,
    "get-records": Bench.get_records,
    "put-to-read": Bench.put_to_read,
    "subscribe": Bench.subscribe,
    "fan-out": Bench.fan_out,
    "control": Bench.control,
    "hot-shard": Bench.hot_shard,
    "shards": Bench.many_shards,
    "start": Bench.start_with_data,
    "memory": Bench.flat_memory,
    **broker.GROUPS,
    "plots": plots,
}


def measured_with(name, wanted):
    """`broker` has all of `broker-…`."""
    return not wanted or any(name == each or name.startswith(f"{each}-") for each in wanted)


def main():
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--only", metavar="GROUP", action="append",
                        choices=["broker", *GROUPS],
                        help=f"measure these alone (again for more): {', '.join(GROUPS)}; broker: all of broker-…")
    parser.add_argument("--runs", type=int, default=5, help="runs for each median (default 5)")
    parser.add_argument("--seconds", type=int, default=5, help="of load in each run (default 5)")
    parser.add_argument("--memory-seconds", type=int, default=300)
    parser.add_argument("--outage-seconds", type=int, default=60, help="of the broker's regions (default 60)")
    parser.add_argument("--spool-gb", type=int, default=10, help="in the broker's spool (default 10)")
    parser.add_argument("--write", action="store_true",
                        help="renew docs/performance.md: the rows of these groups")
    options = parser.parse_args()

    bench = Bench(options)
    bench.measure_machine()
    for name, measure in GROUPS.items():
        if measured_with(name, options.only):
            bench.group = name
            measure(bench)
    shutil.rmtree(DATA, ignore_errors=True)
    print(bench.table())
    if options.write:
        write_page(bench.rows)


if __name__ == "__main__":
    main()
