"""boto3 puts through `spillway broker`: while the region is away, over SIGKILL of the broker, in order."""

import base64
import hashlib
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError, ClientError

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "model")]
import api  # noqa: E402
from region import BINARY, Region, client_of, free_port, read_all, run_tests, wait_until  # noqa: E402


class Broker:
    """A `spillway broker` with a Kinesis API for the stream `orders`, and no telemetry."""

    def __init__(self, directory, region, **settings):
        self.directory = pathlib.Path(directory)
        self.listen, self.admin = free_port(), free_port()
        self.settings = {"endpoint": region.endpoint, "data": f"{directory}/broker",
                         "listen": f"127.0.0.1:{self.listen}", "admin": f"127.0.0.1:{self.admin}",
                         "streams": "orders", "files": "", "host_metrics": "false",
                         "drain_seconds": "5"} | settings
        self.arguments = []
        self.log = self.directory / "broker.log"
        self.process = None

    def start(self):
        environment = os.environ | {f"SPILLWAY_BROKER_{key.upper()}": value
                                    for key, value in self.settings.items()}
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([str(BINARY), "broker", *self.arguments], stdout=log, stderr=log,
                                            env=environment)
        wait_until(lambda: self.metrics() is not None)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        expect(self.process.wait(60) == 0, self.log.read_text())

    def client(self):
        return client_of(f"http://127.0.0.1:{self.listen}")

    def ask(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=60) as answer:
            return answer.read().decode()

    def metrics(self):
        try:
            return self.ask("/metrics")
        except (urllib.error.URLError, ConnectionError):
            return None

    def held(self):
        for line in self.metrics().splitlines():
            if line.startswith("spillway_broker_held_records "):
                return float(line.split()[1])
        raise AssertionError("no spillway_broker_held_records")


def expect(condition, *what):
    if not condition:
        raise AssertionError("\n".join(str(part) for part in what))


def arrived(region, **key_of_reader):
    """Partition key → the numbers of its records in the region, in order. A key is in one shard."""
    numbers = {}
    for records in read_all(region.client(**key_of_reader), "orders").values():
        for record in records:
            key, number = record["Data"].decode().split(" ")
            expect(record["PartitionKey"] == key, record)
            numbers.setdefault(key, []).append(int(number))
    return numbers


def put(client, keys, first, count):
    """Records `first` … of each key, 500 to a request."""
    records = [{"Data": f"{key} {number}".encode(), "PartitionKey": key}
               for number in range(first, first + count) for key in keys]
    for begin in range(0, len(records), 500):
        answer = client.put_records(StreamName="orders", Records=records[begin:begin + 500])
        expect(answer["FailedRecordCount"] == 0, answer)


KEYS = [f"customer-{number}" for number in range(40)]


def test_nothing_is_lost_while_the_region_is_away_and_the_broker_is_killed(directory):
    region = Region()
    broker = Broker(directory, region)
    for start in range(3):
        broker.start()
        put(broker.client(), KEYS, start * 50, 50)
        broker.kill()
    broker.start()
    # And what the broker says of itself.
    expect(broker.held() >= 150 * len(KEYS), broker.held())
    expect("\nspillway_spool_runway_seconds 315360000\n" in broker.metrics(), "nothing comes, so it lasts")
    put(broker.client(), KEYS, 150, 1)
    wait_until(lambda: "\nspillway_spool_runway_seconds 315360000\n" not in broker.metrics())
    with region:
        wait_until(lambda: broker.held() == 0, 60)
        expect(arrived(region) == {key: list(range(151)) for key in KEYS}, "all, once, in order")
        put(broker.client(), KEYS, 151, 10)
        broker.stop()
        expect(arrived(region) == {key: list(range(161)) for key in KEYS}, "and what came then")


def test_a_region_that_is_killed_while_it_is_sent_to(directory):
    with Region() as region:
        broker = Broker(directory, region)
        broker.start()
        client = broker.client()
        for round_ in range(5):
            put(client, KEYS, round_ * 50, 50)
            region.kill()
            region.start()
        wait_until(lambda: broker.held() == 0, 60)
        for key, numbers in arrived(region).items():
            # What had no answer is sent again, and nothing later before it.
            expect(list(dict.fromkeys(numbers)) == list(range(250)), key, numbers)
        broker.stop()


def test_a_restart_sends_nothing_again(directory):
    with Region() as region:
        broker = Broker(directory, region)
        for start in range(3):
            broker.start()
            put(broker.client(), KEYS, start * 20, 20)
            wait_until(lambda: broker.held() == 0)
            broker.stop()
        expect(arrived(region) == {key: list(range(60)) for key in KEYS}, arrived(region))


def read_with_origins(region):
    """Each record in the region as its data and its origin, in the order of its shard."""
    way = api.Api(region.port, headers=[("X-Spillway-Origin", "true")])
    records = []
    for shard in region.client().list_shards(StreamName="orders")["Shards"]:
        iterator = way.ask("GetShardIterator", {"StreamName": "orders", "ShardId": shard["ShardId"],
                                                "ShardIteratorType": "TRIM_HORIZON"}).document["ShardIterator"]
        while iterator:
            answer = way.ask("GetRecords", {"ShardIterator": iterator}).document
            for record in answer["Records"]:
                data = record["Data"]
                if not isinstance(data, bytes):
                    data = base64.b64decode(data)
                records.append((data.decode(), record.get("Origin")))
            iterator = answer.get("NextShardIterator")
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
    way.close()
    return records


def unread(port):
    """Whether something that was sent to the port waits to be read."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(fields[1].endswith(f":{port:04X}") and fields[3] == "01" and not fields[4].endswith(":00000000")
               for fields in map(str.split, lines))


def test_what_is_sent_again_after_a_sigkill_has_the_same_origin(directory):
    with Region() as region:
        broker = Broker(directory, region)
        broker.start()
        put(broker.client(), KEYS, 0, 5)
        wait_until(lambda: broker.held() == 0)
        # A request that gets there, and whose answer nobody hears.
        client = broker.client()
        region.process.send_signal(signal.SIGSTOP)
        put(client, KEYS[:1], 5, 1)
        wait_until(lambda: unread(region.port))
        broker.kill()
        region.process.send_signal(signal.SIGCONT)
        wait_until(lambda: f"{KEYS[0]} 5" in dict(read_with_origins(region)))
        broker.start()
        put(broker.client(), KEYS, 6, 5)
        wait_until(lambda: broker.held() == 0)
        broker.stop()
        records = read_with_origins(region)
        origins, last = {}, {}
        for data, origin in records:
            expect(origin is not None and origins.setdefault(data, origin) == origin, data, origin, origins)
            lane = (origin["Producer"], origin["Lane"])
            if origins[data] is origin:
                expect(int(origin["Previous"]) == last.get(lane, 0), data, origin, last)
                last[lane] = int(origin["Sequence"])
        expect(len(records) == len(origins) + 1, "one of them twice", len(records), len(origins))
        identities = {(origin["Producer"], origin["Lane"], origin["Sequence"]) for origin in origins.values()}
        expect(len(identities) == len(origins) == 10 * len(KEYS) + 1, len(identities))


def set_aside(directory):
    return sorted(path.name.split("-")[0] for path in pathlib.Path(directory, "broker").glob("spool.*"))


def test_a_damaged_spool_is_set_aside_and_what_can_be_read_of_it_is_delivered(directory):
    region = Region()
    broker = Broker(directory, region)
    broker.start()
    with region:
        put(broker.client(), KEYS, 0, 5)
        wait_until(lambda: broker.held() == 0)
        region.kill()
        put(broker.client(), KEYS, 5, 20)
        broker.client().put_record(StreamName="orders", PartitionKey="damaged", Data=b"damaged 0")
        put(broker.client(), KEYS, 25, 25)
        broker.kill()
        # One bit of one record, with others behind it.
        for journal in pathlib.Path(directory, "broker/spool/journal").iterdir():
            content = journal.read_bytes()
            if (at := content.find(b"damaged 0")) >= 0:
                journal.write_bytes(content[:at] + b"D" + content[at + 1:])
        # The broker runs, though its spool does not; a kill while it reads it does no harm.
        for _ in range(3):
            broker.start()
            put(broker.client(), ["meanwhile"], 0, 1)
            broker.kill()
        broker.start()
        wait_until(lambda: set_aside(directory) == ["spool.salvaged"])
        expect("the spool is damaged: it was set aside" in broker.log.read_text(), broker.log.read_text())
        region.start()
        wait_until(lambda: broker.held() == 0, 60)
        broker.stop()
        origins = {}
        for data, origin in read_with_origins(region):
            identity = (origin["Producer"], origin["Lane"], origin["Sequence"])
            expect(data.startswith("meanwhile") or origins.setdefault(data, identity) == identity, data, origin)
        expect(set(origins) == {f"{key} {number}" for key in KEYS for number in range(50)}, origins)
        # What the old spool knew to be delivered is left out; the rest is in order.
        for key, numbers in arrived(region).items():
            expect(key == "meanwhile" or list(dict.fromkeys(numbers)) == list(range(50)), key, numbers)
            expect(key == "meanwhile" or numbers[:6] == list(range(6)), key, numbers)


def test_origins_can_be_left_out(directory):
    with Region() as region:
        broker = Broker(directory, region, origins="false")
        broker.start()
        put(broker.client(), KEYS, 0, 1)
        broker.stop()
        expect([origin for _, origin in read_with_origins(region)] == [None] * len(KEYS), "none has one")


def test_temporary_credentials_come_from_a_command_and_are_renewed(directory):
    """To a region as Amazon's: plain records, one of a lane in a request."""
    path = pathlib.Path(directory) / "credentials"
    with Region() as region:
        def create(holder, *arguments):
            made = json.loads(subprocess.run(
                [str(BINARY), "keys", "create", holder, "--json", "--data", str(region.data), "--admin",
                 f"127.0.0.1:{region.admin}", *arguments], capture_output=True, check=True, timeout=60).stdout)
            return {name: made[name] for name in ("access_key", "secret_key", "session_token") if name in made}

        def renew(holder, seconds):
            ends = time.time() + seconds
            made = create(holder, "--session", "--expires", f"{seconds}s")
            path.write_text(json.dumps({
                "Version": 1, "AccessKeyId": made["access_key"], "SecretAccessKey": made["secret_key"],
                "SessionToken": made["session_token"],
                "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))}))
            return made

        admin = create("admin")
        first = renew("first", 30)
        broker = Broker(directory, region, credentials=f"command:cat {path}; echo noise >&2", kind="amazon",
                        aggregate="false")
        broker.start()
        put(broker.client(), KEYS, 0, 3)
        wait_until(lambda: broker.held() == 0)
        renew("second", 600)

        def refused():
            try:
                region.client(**first).list_streams()
            except ClientError:
                return True
            return False
        wait_until(refused, 60)
        put(broker.client(), KEYS, 3, 3)
        wait_until(lambda: broker.held() == 0)
        broker.stop()
        expect(arrived(region, **admin) == {key: list(range(6)) for key in KEYS}, arrived(region, **admin))
        expect("no credentials" not in broker.log.read_text(), broker.log.read_text())


def test_all_of_the_end_has_one_deadline(directory):
    broker = Broker(directory, Region(), drain_seconds="3")
    broker.start()
    put(broker.client(), KEYS, 0, 1)
    with socket.create_connection(("127.0.0.1", broker.listen)) as half:
        half.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        began = time.monotonic()
        broker.stop()
        took = time.monotonic() - began
    expect(3 <= took < 5.5, took)


def test_a_second_signal_ends_it_at_once_and_loses_nothing(directory):
    region = Region()
    broker = Broker(directory, region, drain_seconds="600")
    broker.start()
    put(broker.client(), KEYS, 0, 1)

    def ended():
        broker.process.send_signal(signal.SIGTERM)
        return broker.process.poll() is not None
    wait_until(ended)
    expect(broker.process.returncode == -signal.SIGTERM, broker.process.returncode)
    expect("stopping; a second signal ends the broker at once" in broker.log.read_text(), "said so")
    with region:
        broker.start()
        wait_until(lambda: broker.held() == 0, 60)
        expect(arrived(region) == {key: [0] for key in KEYS}, "all there, once")
        broker.stop()


def varint(number):
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def aggregate(records):
    """As the Kinesis Producer Library packs (key, data) pairs."""
    keys = sorted({key for key, _ in records})
    message = b"".join(field(1, key.encode()) for key in keys)
    for key, data in records:
        message += field(3, b"\x08" + varint(keys.index(key)) + field(3, data))
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message).digest()


def test_aggregates_are_taken_apart(directory):
    with Region() as region:
        broker = Broker(directory, region)
        broker.start()
        client = broker.client()
        for number in range(3):
            records = [(key, f"{key} {number}".encode()) for key in KEYS]
            client.put_record(StreamName="orders", PartitionKey="a", Data=aggregate(records))
        broker.stop()
        expect(arrived(region) == {key: [0, 1, 2] for key in KEYS}, arrived(region))


def test_producers_that_insist_on_https(directory):
    import boto3
    with Region() as region:
        broker = Broker(directory, region)
        broker.start()
        authority = pathlib.Path(directory) / "broker" / "tls" / "ca.pem"
        made = authority.read_bytes()
        client = boto3.client("kinesis", endpoint_url=f"https://localhost:{broker.listen}", verify=str(authority),
                              region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
        put(client, KEYS, 0, 10)
        put(broker.client(), KEYS, 10, 10)  # without TLS, on the same port
        broker.stop()
        broker.start()
        expect(authority.read_bytes() == made, "producers would have to trust a new one")
        put(client, KEYS, 20, 1)
        broker.stop()
        # With a certificate that is configured; and the other ports.
        for file, setting in (("certificate.pem", "tls_certificate"), ("key.pem", "tls_key")):
            broker.settings[setting] = str((authority.parent / file).rename(pathlib.Path(directory) / file))
        authority = authority.rename(pathlib.Path(directory) / "ca.pem")
        http, otlp = free_port(), free_port()
        broker.settings |= {"http": f"127.0.0.1:{http}", "otlp": f"127.0.0.1:{otlp}"}
        broker.start()
        context = ssl.create_default_context(cafile=authority)
        for url, body in ((f"https://localhost:{http}/v1/records/telemetry", b"[1]"),
                          (f"https://localhost:{otlp}/v1/logs", b"{}")):
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=20, context=context) as answer:
                expect(answer.status == 200, url, answer.read())
        broker.stop()
        expect(arrived(region) == {key: list(range(21)) for key in KEYS}, arrived(region))


def test_what_clients_ask_before_they_put(directory):
    broker = Broker(directory, Region())
    broker.start()
    client = broker.client()
    expect(client.list_streams()["StreamNames"] == ["orders", "telemetry"], client.list_streams())
    described = client.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]
    expect(described["StreamStatus"] == "ACTIVE" and described["OpenShardCount"] == 8, described)
    shards = client.list_shards(StreamName="orders")["Shards"]
    expect(len(shards) == 8 and all("ParentShardId" not in shard for shard in shards), shards)
    described = client.describe_stream(StreamName="orders")["StreamDescription"]
    expect(len(described["Shards"]) == 8, described)
    answer = client.put_record(StreamName="orders", PartitionKey="a", Data=b"a 1")
    expect(answer["ShardId"] in {shard["ShardId"] for shard in shards}, answer)
    refused = [
        (lambda: client.put_record(StreamName="other", PartitionKey="a", Data=b"x"),
         "ResourceNotFoundException", "Stream other under account 000000000000 not found"),
        (lambda: client.create_stream(StreamName="other", ShardCount=1),
         "UnknownOperationException", "CreateStream: a broker takes records"),
        (lambda: client.get_records(ShardIterator="AAAA"),
         "UnknownOperationException", "GetRecords: a broker takes records"),
    ]
    for call, code, message in refused:
        try:
            call()
        except client.exceptions.ClientError as error:
            expect(error.response["Error"]["Code"] == code, error)
            expect(message in error.response["Error"]["Message"], error)
        else:
            raise AssertionError(f"no {code}")
    broker.stop()


def test_streams_come_and_go_at_sighup(directory):
    with Region() as region:
        broker = Broker(directory, region)
        config = broker.directory / "spillway.toml"
        broker.arguments = ["--config", str(config)]
        del broker.settings["streams"], broker.settings["endpoint"]
        target = f'[[broker.targets]]\nname = "a"\nendpoint = "{region.endpoint}"\n'

        def written(text):
            config.write_text(text, encoding="ascii")
            return broker

        def reloaded(text, expected):
            seen = len(broker.log.read_text())
            written(text).process.send_signal(signal.SIGHUP)
            wait_until(lambda: expected in broker.log.read_text()[seen:])
            return broker.log.read_text()[seen:]

        def takes(stream):
            try:
                broker.client().put_record(StreamName=stream, PartitionKey="k", Data=stream.encode())
                return True
            except broker.client().exceptions.ResourceNotFoundException:
                return False

        written('[broker]\nstreams = ["orders"]\n' + target).start()
        expect(takes("orders") and not takes("returns"), "as configured")
        reloaded('[broker]\nstreams = ["orders", "returns"]\n' + target, "configuration reloaded")
        expect(takes("orders") and takes("returns"), "one was added")
        said = reloaded('[broker]\nstreams = ["returns"]\nspool_mib = 300\n' + target, "configuration reloaded")
        expect("a change waits for a restart" in said and "broker.spool_mib" in said, said)
        expect(takes("returns") and not takes("orders"), "one was taken away")
        for broken, why in (("", "the file is empty"), ('[broker]\nstreams = ["orders"', "spillway.toml"),
                            ('[broker]\nstreams = ["orders"]', "last line has no end"),
                            ('[broker]\nstreams = ["orders"]\n', "no [[broker.targets]] any more")):
            said = reloaded(broken, "configuration not reloaded")
            expect(why in said, why, said)
            expect(takes("returns") and not takes("orders"), "it changed all the same")
        wait_until(lambda: broker.held() == 0)
        with Region() as other:  # which the target has moved to, and back
            moved = target.replace(region.endpoint, other.endpoint)
            said = reloaded('[broker]\nstreams = ["returns"]\n' + moved, "configuration reloaded")
            expect("target is reached another way" in said and other.endpoint in said, said)
            expect(takes("returns"), "it went on")
            wait_until(lambda: broker.held() == 0)
            expect([record["Data"] for records in read_all(other.client(), "returns").values()
                    for record in records] == [b"returns"], "it went where it was before")
            said = reloaded('[broker]\nstreams = ["returns"]\n' + moved.replace("http:", "https:") +
                            'ca = "/none.pem"\n', "configuration not reloaded")
            expect("target a: " in said and "/none.pem" in said, said)
            reloaded('[broker]\nstreams = ["returns"]\n' + target, "configuration reloaded")
        for number in range(20):  # the last one wins, whatever is under way
            written(f'[broker]\nstreams = ["returns", "burst-{number}"]\n' + target)
            broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: takes("burst-19"))
        wait_until(lambda: broker.held() == 0)
        delivered = {stream: [record["Data"] for records in read_all(region.client(), stream).values()
                              for record in records] for stream in ("orders", "returns")}
        expect(delivered == {"orders": [b"orders"] * 2, "returns": [b"returns"] * 6}, delivered)
        broker.stop()


class Writer(threading.Thread):
    """Puts numbers, one after the other, each again until it is acknowledged."""

    def __init__(self, put):
        super().__init__(daemon=True)
        self.put, self.count, self.ended = put, 0, threading.Event()

    def run(self):
        while not self.ended.is_set():
            try:
                self.put(self.count)
                self.count += 1
            except (BotoCoreError, OSError):
                self.ended.wait(0.01)  # the port moves

    def end(self):
        self.ended.set()
        self.join()
        return self.count


def test_inputs_come_and_go_under_load(directory):
    with Region() as region:
        broker = Broker(directory, region)
        config = broker.directory / "spillway.toml"
        broker.arguments = ["--config", str(config)]
        del broker.settings["listen"], broker.settings["files"]
        ports = {"listen": broker.listen, "http": free_port()}

        def write(**more):
            lines = {key: f'"127.0.0.1:{port}"' for key, port in (ports | more).items()}
            lines |= {"syslog_stream": f'"{stream}"', "files": f'["{followed}"]' if follows else "[]"}
            config.write_text("[broker]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items()),
                              encoding="ascii")

        def reload(expected, **more):
            seen = len(broker.log.read_text())
            write(**more)
            broker.process.send_signal(signal.SIGHUP)
            wait_until(lambda: expected in broker.log.read_text()[seen:])
            return broker.log.read_text()[seen:]

        def put_to_kinesis(number):
            client_of(f"http://127.0.0.1:{ports['listen']}").put_record(
                StreamName="orders", PartitionKey="kinesis", Data=f"kinesis {number}".encode())

        def put_over_http(number):
            request = urllib.request.Request(f"http://127.0.0.1:{ports['http']}/v1/records/orders",
                                             f"{number}\n".encode(), {"X-Partition-Key": "http",
                                                                      "Content-Type": "application/x-ndjson"})
            urllib.request.urlopen(request, timeout=20).read()
        stream, follows, followed = "syslog", False, broker.directory / "followed.log"
        write()
        broker.start()
        writers = [Writer(put_to_kinesis), Writer(put_over_http)]
        for writer in writers:
            writer.start()
        syslog = []

        def syslog_sender():
            syslog.append(socket.create_connection(("127.0.0.1", ports["syslog_tcp"])))
            syslog[-1].sendall(b"<13>1 - h - - - - sent\n")
        for turn in range(4):
            counts = [writer.count for writer in writers]
            moved = {key: free_port() for key in ("listen", "http", "syslog_tcp")}
            stream, follows = "system" if turn % 2 else "syslog", turn % 2 == 0
            reload("configuration reloaded", **moved)
            ports |= moved
            if syslog:  # which is told to go elsewhere, and is read until it does
                expect(syslog[-1].recv(1) == b"", "nothing is ever sent to it")
                syslog[-1].sendall(b"<13>1 - h - - - - later\n")
                syslog[-1].close()
            syslog_sender()
            with open(followed, "a", encoding="ascii") as file:
                file.write(f"line {turn}\n")
            wait_until(lambda: all(writer.count > count + 5 for writer, count in zip(writers, counts)))
        with socket.create_server(("127.0.0.1", 0)) as other:
            for refused, why in (({"otlp": free_port(), "http": other.getsockname()[1]}, "broker.http: port"),
                                 ({"http": ports["syslog_tcp"]}, "are both"),
                                 ({"http": ports["listen"], "listen": free_port()}, "broker.listen still is")):
                said = reload("configuration not reloaded", **refused)
                expect(why in said, why, said)
                counts = [writer.count for writer in writers]
                wait_until(lambda: all(writer.count > count for writer, count in zip(writers, counts)))
        del ports["syslog_tcp"]
        follows = True
        reload("configuration reloaded")
        syslog[-1].close()
        counts = {"kinesis": writers[0].end(), "http": writers[1].end()}
        lines = 'spillway_broker_collected_records_total{kind="file"} 4'
        wait_until(lambda: lines in broker.metrics())
        wait_until(lambda: broker.held() == 0)
        found = {"kinesis": [], "http": []}
        for records in read_all(region.client(), "orders").values():
            for record in records:
                found[record["PartitionKey"]].append(int(record["Data"].split()[-1]))
        expect(found == {name: list(range(count)) for name, count in counts.items()}, found, counts)
        messages = {stream: sorted(json.loads(record["Data"])["message"] for records in
                                   read_all(region.client(), stream).values() for record in records)
                    for stream in ("syslog", "system")}
        # What goes takes what it is sent for the stream that it had.
        expect(messages == {"syslog": ["later", "later", "sent", "sent"], "system": ["later", "sent", "sent"]},
               messages)
        told = [record["Data"] for records in read_all(region.client(), "telemetry").values() for record in records
                if record["PartitionKey"] == f"file{followed}"]
        expect([json.loads(data)["fields"]["line"] for data in told] == [f"line {turn}" for turn in range(4)], told)
        print(f"inputs moved 4 times: {counts} records, none lost or doubled")
        broker.stop()


def test_only_loopback_is_listened_on(directory):
    """Without access keys; and with some, where they aren't asked for."""
    broker = Broker(directory, Region())
    config = broker.directory / "spillway.toml"
    config.write_text('[[broker.keys]]\naccess_key = "AKIDCONFIG"\nsecret_key = "secret-of-config"\n', "ascii")
    for arguments, opened, why in (
            ((), {"listen": "0.0.0.0:0"}, "without access keys a broker listens on loopback only, not on 0.0.0.0:0"),
            ((), {"http": "0.0.0.0:0"}, "broker.http: without access keys a broker listens on loopback only"),
            (("--config", str(config)), {"statsd": "0.0.0.0:0"}, "broker.statsd is 0.0.0.0:0: senders are not authenticated")):
        broken = subprocess.run([BINARY, "broker", *arguments], capture_output=True, text=True, timeout=60,
                                env=os.environ | {f"SPILLWAY_BROKER_{key.upper()}": value
                                                  for key, value in (broker.settings | opened).items()})
        expect(broken.returncode == 1 and why in broken.stderr, broken)
        expect(not pathlib.Path(broker.settings["data"]).exists(), "it touched the spool before")


def test_access_keys(directory):
    """Those of `spillway keys`, with their policies, and of [[broker.keys]]; with one of them beyond loopback."""
    configured = 'access_key = "AKIDCONFIG"\nsecret_key = "secret-of-config"\n'
    broker = Broker(directory, Region())
    broker.settings["listen"] = f"0.0.0.0:{broker.listen}"
    config = broker.directory / "spillway.toml"
    config.write_text(f"[[broker.keys]]\n{configured}[[serve.keys]]\n{configured}", "ascii")
    broker.arguments = ["--config", str(config)]
    broker.start()
    endpoint = f"http://127.0.0.1:{broker.listen}"

    def refused(client):
        """Code and status of the answer to its put; None: it was taken."""
        try:
            client.put_record(StreamName="orders", PartitionKey="k", Data=b"1")
        except ClientError as error:
            return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        return None

    def keys(*arguments):
        ended = subprocess.run([str(BINARY), "keys", *arguments, "--data", broker.settings["data"],
                                "--admin", f"127.0.0.1:{broker.admin}"], capture_output=True, text=True, timeout=60)
        expect(ended.returncode == 0, ended)
        return ended.stdout

    def made(*arguments):
        key = json.loads(keys("create", "--json", *arguments))
        return key["access_key"], key["secret_key"]

    def reloaded(text, expected):
        seen = len(broker.log.read_text())
        config.write_text(text, "ascii")
        broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: expected in broker.log.read_text()[seen:])

    # A region has the same answers.
    strangers = {"InvalidSignatureException": client_of(endpoint, "AKIDCONFIG", "another-secret"),
                 "UnrecognizedClientException": client_of(endpoint, "AKIDNOBODY", "secret-of-config"),
                 "MissingAuthenticationTokenException": client_of(endpoint, signature_version=UNSIGNED)}
    with Region("--config", str(config)) as region:
        of_region = [refused(client_of(region.endpoint, *key, **more)) for *key, more in (
            ("AKIDCONFIG", "another-secret", {}), ("AKIDNOBODY", "secret-of-config", {}),
            ("", "", {"signature_version": UNSIGNED}))]
    of_broker = [refused(client) for client in strangers.values()]
    expect(of_broker == of_region == [(code, 400) for code in strangers], of_broker, of_region)
    by_config = client_of(endpoint, "AKIDCONFIG", "secret-of-config")
    expect(refused(by_config) is None, "signed as it should be")
    reloaded("[broker]\n", "configuration not reloaded")
    expect(refused(by_config) is None, "the last key stays while other machines reach the API")

    policy = broker.directory / "describes.json"
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["kinesis:List*", "kinesis:Describe*"], "Resource": "*"}]}), "ascii")
    app, reader = made("app"), made("reader", "--policy", str(policy))
    by_app, by_reader = client_of(endpoint, *app), client_of(endpoint, *reader)
    expect(refused(by_app) is None, "good when `spillway keys` has returned")
    expect(by_reader.list_streams()["StreamNames"] == ["orders", "telemetry"], by_reader.list_streams())
    expect(refused(by_reader) == ("AccessDeniedException", 400), "it may not put")
    keys("disable", app[0])
    expect(refused(by_app) == ("UnrecognizedClientException", 400), "disabled")
    keys("enable", app[0])

    # A key that goes from the file is none any more.
    reloaded("[broker]\n", "configuration reloaded")
    wait_until(lambda: refused(by_config) == ("UnrecognizedClientException", 400))
    keys("disable", reader[0])
    broker.kill()
    broker.start()
    expect(refused(by_app) is None, "what was stored is there after a restart")
    expect(refused(by_reader) == refused(by_config) == ("UnrecognizedClientException", 400), "and what wasn't is not")

    def denied():
        return subprocess.run([str(BINARY), "audit", "log", "--denied", "--data", broker.settings["data"]],
                              capture_output=True, text=True, timeout=60, check=True).stdout
    # It is written when there is time for it; what was before the SIGKILL may be gone.
    expect(refused(strangers["UnrecognizedClientException"]) is not None, "nobody's key")
    wait_until(lambda: "kinesis:PutRecord" in denied() and "AKIDNOBODY" in denied())
    told = denied() + broker.log.read_text() + broker.metrics() + broker.ask("/v1/status")
    for secret in (app[1], reader[1], "secret-of-config"):
        expect(secret not in told, "a secret was told")
    broker.kill()

    def doctor():
        ended = subprocess.run([str(BINARY), "doctor", "--data", broker.settings["data"]],
                               capture_output=True, text=True, timeout=60, check=False)
        return ended.returncode, ended.stdout
    expect(doctor()[0] == 0 and "keys, certificate: as they should be" in doctor()[1], doctor())
    master_key = pathlib.Path(broker.settings["data"]) / "master.key"
    master_key.rename(master_key.with_suffix(".away"))
    code, said = doctor()
    expect(code == 1 and f"{master_key} doesn't open access key {app[0]}" in said, said)


def test_a_start_without_its_last_key_delivers(directory):
    """And opens the port that other machines reach when there is a key again."""
    region = Region()
    broker = Broker(directory, region)
    broker.settings["listen"] = f"0.0.0.0:{broker.listen}"

    def keys(*arguments, code=0):
        ended = subprocess.run([str(BINARY), "keys", *arguments, "--data", broker.settings["data"],
                                "--admin", f"127.0.0.1:{broker.admin}"], capture_output=True, text=True, timeout=60)
        expect(ended.returncode == code, ended)
        return ended.stdout

    def made():
        key = json.loads(keys("create", "app", "--json"))
        return client_of(f"http://127.0.0.1:{broker.listen}", key["access_key"], key["secret_key"]), key["access_key"]

    def is_open():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", broker.listen)) == 0

    def closed():
        """What the status and the metric say of the input."""
        said = {one["name"]: one.get("closed", "") for one in json.loads(broker.ask("/v1/status"))["inputs"]}
        return said["kinesis"], '\nspillway_input_closed{input="kinesis"} 1\n' in broker.metrics()

    client, key = made()
    broker.start()
    put(client, KEYS, 0, 10)
    keys("delete", key, code=1)
    expect(closed() == ("", False), "it stays good while the broker runs")
    put(client, KEYS, 10, 1)
    broker.kill()
    broker.start()
    expect(not is_open(), "anybody could put")
    wait_until(lambda: closed()[1])
    expect("broker.listen: without access keys a broker listens on loopback only" in closed()[0], closed())
    expect("an input stays closed" in broker.log.read_text(), broker.log.read_text())
    with region:
        wait_until(lambda: broker.held() == 0, 60)
        expect(arrived(region) == {key: list(range(11)) for key in KEYS}, "what was spooled is delivered")
        client, _ = made()
        wait_until(is_open)
        put(client, KEYS, 11, 1)
        wait_until(lambda: closed() == ("", False))
        broker.stop()
        expect(arrived(region) == {key: list(range(12)) for key in KEYS}, arrived(region))


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
