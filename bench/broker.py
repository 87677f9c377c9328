"""The rows of the broker: `spillway broker` between the load and its regions."""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request

from processes import ACCESS_KEY, BINARY, ROOT, SECRET_KEY, Process, Spillway, free_port, start_load

STREAM = "bench"
COLLECTOR = ROOT / "build" / "go" / "collector"
MIB = 1 << 20
# Of everything that waits for something here: then the row fails.
DEADLINE = 300


def wait_until(condition, what, seconds=DEADLINE, every=0.005):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"in {seconds} s, not yet: {what}")
        time.sleep(every)


class Broker(Process):
    """In front of these regions, or of one that never answers; its inputs are those of `settings`."""

    def __init__(self, *regions, **settings):
        super().__init__("broker")
        self.port, self.admin = free_port(), free_port()
        ports = [region.port for region in regions] or [free_port()]
        self.config = self.directory / "spillway.toml"
        self.config.write_text("".join(f'[[broker.targets]]\nname = "{name}"\nendpoint = "http://127.0.0.1:{port}"\n'
                                       for name, port in zip("ab", ports)), encoding="utf-8")
        self.settings = {"data": self.directory / "data", "listen": f"127.0.0.1:{self.port}",
                         "admin": f"127.0.0.1:{self.admin}", "streams": STREAM, "files": "",
                         "host_metrics": "false", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "shards": 4,
                         "spool_mib": 16384, "drain_seconds": 0} | settings
        self.start()

    def start(self):
        """Seconds until it accepts."""
        return self.launch([BINARY, "broker", "--config", self.config], self.port,
                           os.environ | {f"SPILLWAY_BROKER_{key.upper()}": str(value)
                                         for key, value in self.settings.items()})

    def start_load(self, kind="put-records", **options):
        return start_load(kind, f"http://127.0.0.1:{self.port}", STREAM, **options)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=30) as answer:
            return answer.read().decode()

    def metric(self, name):
        """Of all its series together: whichever target it is of."""
        values = [float(line.split()[-1]) for line in self.get("/metrics").splitlines()
                  if line.startswith((name + " ", name + "{"))]
        if not values:
            raise KeyError(name)
        return sum(values)

    def acknowledged(self, name):
        return next(target["acknowledged_records"] for target in json.loads(self.get("/v1/status"))["targets"]
                    if target["name"] == name)

    def delivers(self):
        """Waits until a stream is made, and all that is known of it: not part of what is measured."""
        start_load("put-record", f"http://127.0.0.1:{self.port}", STREAM, connections=1, record_bytes=1, warm_up="0s",
                   duration="1s", requests_per_second=1)()
        wait_until(lambda: self.metric("spillway_broker_held_records") == 0, "the first record is delivered")


class Rsyslog(Process):
    """Syslog over TCP into a disk-assisted queue, as its manual has it, for a server that never answers."""

    def __init__(self, synced):
        super().__init__("rsyslog")
        self.syslog_port, self.stats = free_port(), self.directory / "stats"
        config = self.directory / "rsyslog.conf"
        config.write_text(f"""
            global(workDirectory="{self.directory}")
            module(load="imtcp" maxSessions="100")
            module(load="impstats" interval="1" format="json" log.syslog="off" log.file="{self.stats}")
            input(type="imtcp" address="127.0.0.1" port="{self.syslog_port}" ruleset="forward")
            ruleset(name="forward" queue.type="LinkedList" queue.filename="forward" queue.maxDiskSpace="16g"
                    queue.maxFileSize="64m" queue.saveOnShutdown="on" queue.timeoutEnqueue="60000"
                    queue.size="10000" queue.highWatermark="5000" queue.lowWatermark="1000" queue.lightDelayMark="10000"
                    queue.syncQueueFiles="{'on' if synced else 'off'}") {{
              action(type="omfwd" target="127.0.0.1" port="{free_port()}" protocol="tcp" action.resumeRetryCount="-1")
            }}
            """, encoding="utf-8")
        self.launch(["rsyslogd", "-n", "-f", config, "-i", self.directory / "pid"], self.syslog_port)

    def accepted(self):
        """(seconds, messages on its disk), as of its last statistics, which it writes every second."""
        lines = self.stats.read_text(encoding="utf-8").splitlines() if self.stats.exists() else []
        counts = [json.loads(line[line.index("{"):]) for line in lines if '"name": "forward[DA]"' in line]
        if any(count["discarded.full"] + count["discarded.nf"] > 0 for count in counts):
            raise SystemExit("broker: rsyslog discards messages")
        return len(counts), counts[-1]["enqueued"] if counts else 0


class SyslogBroker(Broker):
    """As Rsyslog: no region answers."""

    def __init__(self):
        self.syslog_port = free_port()
        super().__init__(syslog_tcp=f"127.0.0.1:{self.syslog_port}")

    def accepted(self):
        """(seconds, messages in its spool)"""
        name = 'spillway_input_records_total{input="syslog_tcp"}'
        counts = [float(line.split()[-1]) for line in self.get("/metrics").splitlines() if line.startswith(name)]
        return time.monotonic(), sum(counts)


class SyslogLoad:
    """RFC 5424, a line each, 1 KiB, as fast as they are taken."""

    def __init__(self, port, connections=8):
        head = "<14>1 2020-11-25T14:00:00.000Z host app 1 - - "
        self.block = (head.ljust(1023, "x") + "\n").encode() * 500
        self.port, self.over = port, threading.Event()
        self.threads = [threading.Thread(target=self.send) for _ in range(connections)]

    def send(self):
        # Whoever is held back is let go when the server ends.
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port)) as connection:
            while not self.over.is_set():
                connection.sendall(self.block)

    def start(self):
        for thread in self.threads:
            thread.start()

    def join(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


class OtlpBroker(Broker):
    """No region answers."""

    def __init__(self):
        self.otlp_port = free_port()
        super().__init__(otlp=f"127.0.0.1:{self.otlp_port}")


class Collector(Process):
    """The OpenTelemetry Collector with its persistent queue, for a server that never answers."""

    def __init__(self, synced):
        super().__init__("collector")
        self.otlp_port = free_port()
        config = self.directory / "collector.yaml"
        config.write_text(f"""
            receivers:
              otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{self.otlp_port}"}}}}}}
            extensions:
              file_storage: {{directory: "{self.directory}", fsync: {str(synced).lower()}}}
            exporters:
              otlp_http:
                endpoint: "http://127.0.0.1:{free_port()}"
                retry_on_failure: {{max_elapsed_time: 0}}
                sending_queue: {{storage: file_storage, queue_size: 10000000}}
            service:
              extensions: [file_storage]
              pipelines: {{logs: {{receivers: [otlp], exporters: [otlp_http]}}}}
              telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
            """, encoding="utf-8")
        self.launch([COLLECTOR, "--config", f"file:{config}"], self.otlp_port)


class Memory:
    """A process's resident memory in MB, looked at twice a second."""

    def __init__(self, process):
        self.process, self.samples = process, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.wait(0.5):
            self.samples.append(self.process.status("VmRSS") / 1024)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def accepting(bench):
    """Accepted and durable in the spool, while nothing is delivered and while all of it is."""
    options = {"connections": 8, "records_per_request": 500, "record_bytes": 1024, "duration": f"{bench.seconds}s"}

    def alone():
        with Broker() as broker:
            return broker.start_load(**options)()

    def delivering():
        with Spillway() as region, Broker(region) as broker:
            broker.delivers()
            before = broker.metric("spillway_broker_put_records_total")
            used = [process.cpu_seconds() for process in (broker, region)]
            result = broker.start_load(**options)()
            for name, process, earlier in zip(("broker_cores", "region_cores"), (broker, region), used):
                result[name] = (process.cpu_seconds() - earlier) / (bench.seconds + 1)
            result["delivered_per_s"] = ((broker.metric("spillway_broker_put_records_total") - before)
                                         / (bench.seconds + 1))
            return result
    away, there = bench.compare(alone, delivering)
    for where, goal, result, more in (
            ("no region answers", "150,000", away, ""),
            ("a region takes them meanwhile", "150,000", there,
             f"; delivered meanwhile {there['delivered_per_s']:,.0f}/s; cores taken: "
             f"{there['broker_cores']:.2f} by the broker, {there['region_cores']:.2f} by the region")):
        bench.row(f"broker: accepted and durable, PutRecords 500 × 1 KiB, 8 connections, {where}",
                  f"{result['records_per_s']:,.0f} records/s", goal,
                  note=f"p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms{more}")


def latency(bench):
    """What the way through a broker adds to that from a put to its event."""
    with Spillway() as region, Broker(region) as broker:
        broker.delivers()
        options = {"connections": 8, "consumers": 1, "records_per_request": 10, "record_bytes": 128,
                   "requests_per_second": 1000, "duration": f"{bench.seconds}s"}
        through, direct = bench.compare(
            lambda: region.load("subscribe", STREAM, put_endpoint=f"http://127.0.0.1:{broker.port}", **options),
            lambda: region.load("subscribe", STREAM, **options))
    for result in (through, direct):
        if result["records"] < 0.95 * 10_000 * bench.seconds:
            raise SystemExit(f"broker: only {result['records']} records came")
    bench.row("broker: added to delivery, put to event of a subscriber, 10,000 records/s in 1,000 PutRecords",
              f"p50 {through['p50_ms'] - direct['p50_ms']:.2f} ms, p99 {through['p99_ms'] - direct['p99_ms']:.2f} ms",
              "p50 5 ms, p99 20 ms",
              note=f"through the broker p50 {through['p50_ms']:.2f} ms, p99 {through['p99_ms']:.2f} ms; "
                   f"without it {direct['p50_ms']:.2f} ms, {direct['p99_ms']:.2f} ms")


def failover(bench):
    """From the signal to the first record that the other region has acknowledged."""
    for what, number in (("SIGKILL", signal.SIGKILL), ("SIGSTOP", signal.SIGSTOP)):
        def once(number=number):
            with Spillway("a") as a, Spillway("b") as b, Broker(a, b) as broker:
                broker.delivers()
                wait = broker.start_load("put-record", connections=8, record_bytes=128, requests_per_second=1000,
                                         warm_up="0s", duration="6s")
                try:
                    before = broker.acknowledged("a")
                    wait_until(lambda: broker.acknowledged("a") > before, "records are delivered to a")
                    of_b, began = broker.acknowledged("b"), time.monotonic()
                    a.process.send_signal(number)
                    wait_until(lambda: broker.acknowledged("b") > of_b, "records are delivered to b", 20)
                    took = time.monotonic() - began
                    return {"took": took, "p99_ms": wait()["p99_ms"]}
                finally:
                    a.kill()
        result = bench.median(once)
        bench.row(f"broker: {what} of the region in use, until the other has acknowledged a record",
                  f"{result['took']:.2f} s", "2 s",
                  note=f"1,000 PutRecord/s meanwhile: p99 {result['p99_ms']:.1f} ms")


def outage(bench):
    """Both regions are away, then back, while records come at the same rate."""
    rate, away_s = 50_000, bench.outage_seconds
    options = {"connections": 8, "records_per_request": 500, "record_bytes": 1024,
               "requests_per_second": rate / 500, "warm_up": "0s"}
    with contextlib.ExitStack() as stack:
        regions = [stack.enter_context(Spillway(name)) for name in "ab"]
        broker = stack.enter_context(Broker(*regions))
        broker.delivers()
        for region in regions:
            region.kill()
        accepted = broker.metric("spillway_spool_records_total")
        with Memory(broker) as memory:
            during = broker.start_load(duration=f"{away_s}s", **options)()
        before = broker.metric("spillway_broker_put_records_total")
        back_s = 20 + away_s  # a breaker is open for 10 s, and half-open for 5
        wait, ends = broker.start_load(duration=f"{back_s}s", **options), time.monotonic() + back_s
        for region in regions:
            region.start()
        wait_until(lambda: broker.metric("spillway_broker_put_records_total") > before, "a region is used again")
        begun, before = time.monotonic(), broker.metric("spillway_broker_put_records_total")
        used = [process.cpu_seconds() for process in (broker, *regions)]
        # What arrives within half a second is no backlog any more.
        wait_until(lambda: broker.metric("spillway_broker_held_records") < rate / 2 or time.monotonic() >= ends,
                   "it has caught up", every=0.05)
        elapsed = time.monotonic() - begun
        caught_up = (broker.metric("spillway_broker_put_records_total") - before) / elapsed
        cores, *of_regions = ((process.cpu_seconds() - earlier) / elapsed
                              for process, earlier in zip((broker, *regions), used))
        back = wait()
        wait_until(lambda: broker.metric("spillway_broker_held_records") == 0, "everything is delivered", every=0.1)
        accepted = broker.metric("spillway_spool_records_total") - accepted
        lost = during["records"] + back["records"] - accepted + sum(
            broker.metric(f"spillway_{name}_records_total") for name in
            ("spool_refused", "broker_given_up", "broker_unreadable"))
    if lost != 0:
        raise SystemExit(f"broker: {lost:,.0f} records were lost")
    samples = memory.samples
    quarter = max(1, len(samples) // 4)
    bench.row(f"broker: an outage of both regions for {away_s} s at 50,000 records/s of 1 KiB: acknowledged",
              f"p99 {during['p99_ms']:.1f} ms", "10 ms",
              note=f"p50 {during['p50_ms']:.1f} ms, {during['records_per_s']:,.0f}/s; none lost; after it, while the "
                   f"backlog is delivered, p50 {back['p50_ms']:.1f} ms, p99 {back['p99_ms']:.1f} ms, "
                   f"{back['p99_ms'] / during['p99_ms']:.1f} times that of the outage")
    bench.row("broker: its memory in that outage", f"{max(samples):.0f} MB resident at most", "flat",
              note=f"{max(samples[:quarter]):.0f} MB in the first quarter, "
                   f"{max(samples[-quarter:]):.0f} MB in the last")
    bench.row("broker: catching up after it, while records go on coming", f"{caught_up:,.0f} records/s",
              f"{3 * rate:,}", note=f"{caught_up / rate:.1f} times the arrival rate; cores taken: {cores:.2f} by the broker, "
                   f"{sum(of_regions):.2f} by the regions")


class Far(Process):
    """A region, 50 ms away."""

    DELAY_MS = 50

    def __init__(self, region):
        super().__init__("far")
        self.port = free_port()
        self.launch([sys.executable, ROOT / "bench" / "far.py", self.port, region.port, self.DELAY_MS], self.port)


def far(bench):
    """A backlog for a region that answers later; and what passes to it without the broker."""
    def backlog(record_bytes, count):
        with Spillway() as region, Far(region) as way:
            with Broker(way) as broker:
                broker.delivers()
                way.process.send_signal(signal.SIGSTOP)  # so that all of it waits
                accepted = broker.metric("spillway_spool_records_total")
                while broker.metric("spillway_spool_records_total") - accepted < count:
                    broker.start_load(connections=8, records_per_request=500, record_bytes=record_bytes,
                                      duration="1s", warm_up="0s")()
                way.process.send_signal(signal.SIGCONT)
                before = broker.metric("spillway_broker_put_records_total")
                wait_until(lambda: broker.metric("spillway_broker_put_records_total") > before, "it is delivered")
                begun, before = time.monotonic(), broker.metric("spillway_broker_put_records_total")
                wait_until(lambda: broker.metric("spillway_broker_held_records") == 0, "all of it is", every=0.02)
                elapsed = time.monotonic() - begun
                return {"records_per_s": (broker.metric("spillway_broker_put_records_total") - before) / elapsed,
                        "limit": broker.metric("spillway_broker_target_requests_limit"),
                        "rss": broker.status("VmRSS") / 1024}

    def alone(record_bytes):
        with Spillway() as region, Far(region) as way:
            region.create_stream(STREAM, 4)
            return start_load("put-records", f"http://127.0.0.1:{way.port}", STREAM, connections=64,
                              records_per_request=500, record_bytes=record_bytes, duration=f"{bench.seconds}s")()
    for record_bytes, count in ((100, 1_000_000), (1024, 400_000)):
        delivered = bench.median(lambda size=record_bytes, count=count: backlog(size, count))
        passed = alone(record_bytes)
        bench.row(f"broker: a backlog of {record_bytes} B records, for a region that answers 50 ms later",
                  f"{delivered['records_per_s']:,.0f} records/s",
                  note=f"{delivered['limit']:.0f} requests at a time at the end, {delivered['rss']:.0f} MB resident; "
                       f"the load generator, on 64 connections, put {passed['records_per_s']:,.0f}/s the same way")


def spooled(bench):
    """Memory and a start with a full spool."""
    goal = bench.spool_gb * 10**9
    with Broker(spool_mib=2 * goal // MIB) as broker:
        with Memory(broker) as memory:
            while broker.metric("spillway_spool_bytes_total") < goal:
                broker.start_load(connections=8, duration="5s", warm_up="0s")()
        stored = broker.metric("spillway_spool_bytes_total")
        time.sleep(2)  # what it gives back, it gives back once a second
        full = broker.status("VmRSS") / 1024
        starts = []
        for _ in range(bench.runs):
            broker.kill()
            starts.append(broker.start())
        broker.start_load("put-record", connections=8, duration="2s")()
        rss = broker.status("VmRSS") / 1024
    bench.row(f"broker: memory with {stored / 1e9:.0f} GB in the spool", f"{rss:.0f} MB resident", "64 MB",
              note=f"after a restart and 2 s of puts; 2 s after it had taken them all at full speed {full:.0f} MB, "
                   f"{max(memory.samples):.0f} MB at most meanwhile")
    bench.row(f"broker: accepts after a start with {stored / 1e9:.0f} GB in the spool", f"{max(starts):.2f} s", "1 s",
              note=f"the worst of {bench.runs}, each after SIGKILL")


def syslog(bench):
    """What of syslog goes to the disk while nobody takes it, of Spillway and of rsyslog."""
    def measure(make):
        with make() as server:
            load = SyslogLoad(server.syslog_port)
            load.start()
            try:
                time.sleep(2)
                begun, before = server.accepted()
                time.sleep(bench.seconds)
                ended, after = server.accepted()
                return {"messages_per_s": (after - before) / (ended - begun)}
            finally:
                load.over.set()
                server.kill()
                load.join()
    ours, plain, synced = (result["messages_per_s"] for result in bench.compare(
        lambda: measure(SyslogBroker), lambda: measure(lambda: Rsyslog(synced=False)),
        lambda: measure(lambda: Rsyslog(synced=True))))
    bench.row("broker: syslog over TCP, 1 KiB, 8 connections, durable, no region answers", f"{ours:,.0f}/s")
    bench.row("rsyslog: the same into its disk-assisted queue (no sync)", f"{plain:,.0f}/s",
              note=f"Spillway ÷ rsyslog = {ours / plain:.2f}")
    bench.row("rsyslog: the same with queue.syncQueueFiles", f"{synced:,.0f}/s",
              note=f"Spillway ÷ rsyslog = {ours / synced:.2f}")


def otlp(bench):
    """Logs over OTLP/HTTP that are on the disk, while nobody takes them, of Spillway and of the Collector."""
    options = {"connections": 8, "records_per_request": 500, "record_bytes": 400, "duration": f"{bench.seconds}s"}

    def measure(make):
        with make() as server:
            used = server.cpu_seconds()
            result = start_load("otlp-logs", f"http://127.0.0.1:{server.otlp_port}", "", warm_up="1s", **options)()
            used = server.cpu_seconds() - used
            server.kill()  # what is in its queue is for nobody
            return result | {"load_share": result["client_cpu_seconds"] / (used + result["client_cpu_seconds"])}

    def row(name, result, goal="", note=""):
        bench.row(name, f"{result['records_per_s']:,.0f} records/s", goal,
                  note=f"p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms; the load generator had "
                       f"{100 * result['load_share']:.0f} % of the processor time{note}")
    makes = [OtlpBroker]
    if COLLECTOR.exists():
        makes += [lambda: Collector(synced=False), lambda: Collector(synced=True)]
    ours, *theirs = bench.compare(*[lambda make=make: measure(make) for make in makes])
    row("broker: logs over OTLP/HTTP, 500 × 400 B in protobuf, 8 connections, durable, no region answers", ours,
        "100,000")
    for name, result in zip(("(no sync)", "with fsync"), theirs):
        row(f"OpenTelemetry Collector: the same into its persistent queue {name}", result,
            note=f"; Spillway ÷ Collector = {ours['records_per_s'] / result['records_per_s']:.2f}")


GROUPS = {
    "broker-accept": accepting,
    "broker-latency": latency,
    "broker-failover": failover,
    "broker-outage": outage,
    "broker-far": far,
    "broker-spool": spooled,
    "broker-syslog": syslog,
    "broker-otlp": otlp,
}
