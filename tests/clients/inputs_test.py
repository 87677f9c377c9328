"""What the broker takes beside the Kinesis API, over real sockets: accepted is durable, over SIGKILL, and
reaches the region as it came. The examples of docs/broker.md are run as they stand there.
"""

import base64
import gzip
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "clients")]
from broker_test import Broker, expect  # noqa: E402
from region import BINARY, ROOT, Region, free_port, read_all, run_tests, wait_until  # noqa: E402

SANITIZED = os.environ.get("SPILLWAY_SANITIZE")  # whose own memory says nothing of the broker's

NDJSON, JSON = "application/x-ndjson", "application/json"


class Inputs(Broker):
    """A broker with all of its inputs."""

    def __init__(self, directory, region, **settings):
        self.http, self.otlp, self.syslog, self.statsd = (free_port() for _ in range(4))
        syslog, statsd = (f"127.0.0.1:{port}" for port in (self.syslog, self.statsd))
        super().__init__(directory, region, **({"http": f"127.0.0.1:{self.http}",
                                                "otlp": f"127.0.0.1:{self.otlp}", "syslog_tcp": syslog,
                                                "syslog_udp": syslog, "statsd": statsd,
                                                "statsd_tcp": statsd} | settings))

    def environment(self):
        return {f"SPILLWAY_BROKER_{key.upper()}": value for key, value in self.settings.items()}

    def start(self, **how):
        """`how`: more for subprocess.Popen."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([str(BINARY), "broker", *self.arguments], stdout=log, stderr=log,
                                            env=os.environ | self.environment(), **how)
        wait_until(lambda: self.metrics() is not None)

    def post(self, body, path="/v1/records/orders", method="POST", **headers):
        """Status, headers and document of the answer. Header names have `_` for `-`."""
        status, headers, answer = self.exchange(self.http, body, path, method, headers)
        return status, headers, json.loads(answer)

    @staticmethod
    def exchange(port, body, path, method, headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, body,
                               {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def metric(self, series):
        for line in self.metrics().splitlines():
            if line.startswith(series + " "):
                return float(line.split()[-1])
        raise AssertionError(f"no {series}")

    def count(self, kind, of):
        return self.metric(f'spillway_input_{kind}_total{{input="{of}"}}')


def records_in(region, stream="orders"):
    """(partition key, data) of each record, in the order of their shards."""
    return [(record["PartitionKey"], record["Data"].decode())
            for records in read_all(region.client(), stream).values() for record in records]


def example(name, by="inputs_test.py"):
    """The shell lines that docs/broker.md has below a mark, and what it says that they print, if it does."""
    mark = re.escape(f"<!-- run by tests/clients/{by}: {name} -->")
    found = re.search(mark + r"\n```sh\n(.*?)```\n(?:\n*```(?:json|text)\n(.*?)```\n)?",
                      (ROOT / "docs/broker.md").read_text("utf-8"), re.DOTALL)
    expect(found is not None, f"docs/broker.md has no example {name}")
    return found.groups()


def run_example(name, port, default_port, data="spillway-data/broker", **environment):
    """What its lines print, and the block that it has below."""
    script, shown = example(name)
    expect(str(default_port) in script, script)
    script = script.replace(str(default_port), str(port)).replace("spillway-data/broker", data)
    ran = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60,
                         env=os.environ | environment)
    expect(ran.returncode == 0, ran)
    return ran.stdout, shown


def test_http_accepted_is_durable(directory):
    region = Region()
    broker = Inputs(directory, region)
    lines = {}
    for start in range(3):
        broker.start()
        numbers = range(start * 400, start * 400 + 400)
        body = "".join(f'{{"customer": "c-{n % 40}", "n": {n}}}\n' for n in numbers)
        status, _, answer = broker.post(body, "/v1/records/orders?key=customer", Content_Type=NDJSON)
        expect((status, answer) == (200, {"accepted": 400, "failed": []}), status, answer)
        for line in body.splitlines():
            lines.setdefault(json.loads(line)["customer"], []).append(line)
        broker.kill()
    broker.start()
    with region:
        wait_until(lambda: broker.held() == 0, 60)
        found = {}
        for key, data in records_in(region):
            found.setdefault(key, []).append(data)
        expect(found == lines, "all, once, as they came, in the order of their keys")
        broker.stop()


def test_http_partition_keys_and_packing(directory):
    with Region() as region:
        broker = Inputs(directory, region)
        broker.start()
        array = '[{"a": [1, 2]}, "x,]", 3]'
        packed = gzip.compress(array.encode())
        for body, headers in ((array, {}), (packed, {"Content_Encoding": "gzip"})):
            status, _, answer = broker.post(body, Content_Type=JSON + "; charset=utf-8",
                                            X_Partition_Key="all", **headers)
            expect((status, answer["accepted"]) == (200, 3), answer)
        status, _, answer = broker.post("1\n2\n3\n", Content_Type=NDJSON)
        expect((status, answer["accepted"]) == (200, 3), answer)
        expect(broker.post("", Content_Type=NDJSON)[2] == {"accepted": 0, "failed": []}, "nothing")
        # More than the spool is given at once, in order.
        large = ["\"" + f"{number:08}" * 100_000 + "\"" for number in range(12)]
        status, _, answer = broker.post("\n".join(large), Content_Type=NDJSON, X_Partition_Key="large")
        expect((status, answer["accepted"]) == (200, 12), answer)
        expect(broker.count("records", "http") == 21, broker.count("records", "http"))
        wait_until(lambda: broker.held() == 0)
        broker.stop()
        records = records_in(region)
        expect([data for key, data in records if key == "all"] == ['{"a": [1, 2]}', '"x,]"', "3"] * 2, records)
        expect([data for key, data in records if key == "large"] == large, "the large ones")
        spread = {key: data for key, data in records if key not in ("all", "large")}
        expect(sorted(spread.values()) == ["1", "2", "3"], spread)


def test_http_refuses_by_the_line_and_by_the_request(directory):
    broker = Inputs(directory, Region(), drain_seconds="0")
    broker.start()
    status, _, answer = broker.post('{"k": 1}\n\n{"k":\n{}\n{"k": 4}\n', "/v1/records/orders?key=/k",
                                    Content_Type=NDJSON)
    expect((status, answer["accepted"]) == (200, 2), status, answer)
    expect([(failed["line"], failed["error"].split(":")[0]) for failed in answer["failed"]]
           == [(3, "it is not JSON"), (4, "it has no member /k")], answer)
    expect(broker.post("{", Content_Type=NDJSON)[0] == 400, "nothing of it is a record")
    expect(broker.count("malformed_records", "http") == 3, broker.count("malformed_records", "http"))
    path = "/v1/records/orders"
    for wanted, body, at, headers in (
            (404, "1", "/v1/records/other", {"Content_Type": NDJSON}),
            (404, "1", "/", {"Content_Type": NDJSON}),
            (415, "1", path, {"Content_Type": "text/plain"}),
            (415, "1", path, {}),
            (415, "1", path, {"Content_Type": NDJSON, "Content_Encoding": "zstd"}),
            (400, "1", path, {"Content_Type": NDJSON, "Content_Encoding": "gzip"}),
            (413, gzip.compress(bytes(17 << 20)), path, {"Content_Type": NDJSON, "Content_Encoding": "gzip"}),
            (400, "1", path, {"Content_Type": NDJSON, "X_Partition_Key": "k" * 257}),
            (400, "1", path + "?kye=a", {"Content_Type": NDJSON}),
            (400, "1", path + "?key=a&key=b", {"Content_Type": NDJSON}),
            (400, "1", path + "?key=a", {"Content_Type": NDJSON, "X_Partition_Key": "k"}),
            (400, "[1", path, {"Content_Type": JSON}),
            (400, "1\n" * 10_001, path, {"Content_Type": NDJSON})):
        status, _, answer = broker.post(body, at, **headers)
        expect(status == wanted and answer["error"], wanted, status, answer)
    expect(broker.post(None, path, "GET")[0] == 405, "GET")
    expect(broker.count("records", "http") == 2, broker.count("records", "http"))
    broker.stop()


def check_size(broker, mib):
    """Of the spool that is full: its limit, its journal, and a file more than the look of a second may be late for."""
    size = sum(path.stat().st_size for path in pathlib.Path(broker.settings["data"], "spool").rglob("*")
               if path.is_file())
    expect(size < (mib + 48 + mib // 8) << 20, f"{size >> 20} MiB")


def test_a_full_spool_is_told_of(directory):
    region = Region()
    broker = Inputs(directory, region, spool_mib="256")
    broker.start()
    # As hard to compress as text can be: the spool compresses what it has sealed.
    body = "\n".join("\"" + base64.b64encode(os.urandom(750_000)).decode() + "\"" for _ in range(15))
    accepted = 0
    while True:
        status, headers, answer = broker.post(body, Content_Type=NDJSON)
        accepted += answer["accepted"]
        expect(answer["accepted"] + len(answer["failed"]) == 15, answer)
        if status != 200:
            break
        expect(accepted < 1_000, "it is never full")
    expect(status == 429 and headers["Retry-After"] == "1" and answer["failed"], status, headers, answer)
    expect("full" in answer["failed"][0]["error"], answer)
    expect(broker.count("records", "http") == accepted, accepted)
    expect(broker.count("refused_records", "http") == len(answer["failed"]), broker.count("refused_records", "http"))
    refused = broker.client().put_records(StreamName="orders", Records=[{"Data": b"1", "PartitionKey": "1"}])
    expect(refused["Records"][0]["ErrorCode"] == "ProvisionedThroughputExceededException", refused)
    try:
        broker.ask("/health/ready")
    except urllib.error.HTTPError as error:
        expect(error.code == 503 and "the spool is full" in error.read().decode(), error)
    else:
        raise AssertionError("it is ready")
    wait_until(lambda: "the spool is full, records are refused" in broker.log.read_text())
    check_size(broker, 256)
    with region:
        wait_until(lambda: broker.held() == 0, 60)
        wait_until(lambda: broker.post("1", Content_Type=NDJSON)[0] == 200, 60)
        broker.stop()


def test_a_full_spool_drops_the_oldest_where_it_is_told_to(directory):
    region = Region()
    broker = Inputs(directory, region, spool_mib="256", when_full="drop_oldest")
    broker.start()

    def dropped():
        return broker.metric("spillway_broker_dropped_records_total")

    accepted = 0
    while accepted < 500 or dropped() == 0:
        expect(accepted < 3_000, "nothing is dropped")
        body = "\n".join(f"\"{accepted + i} {base64.b64encode(os.urandom(750_000)).decode()}\"" for i in range(15))
        while True:
            status, _, answer = broker.post(body, Content_Type=NDJSON, X_Partition_Key="one")
            accepted += answer["accepted"]
            if status == 200:
                break
            # In order: what it doesn't take, none behind it is taken of.
            body = "\n".join(body.split("\n")[answer["accepted"]:])
            time.sleep(0.2)
    status = json.loads(broker.ask("/v1/status"))
    expect("drop_oldest" in status["gives_up"] and status["dropped_records"] > 0, status)
    expect("accepted records are dropped" in broker.log.read_text(), broker.log.read_text())
    check_size(broker, 256)
    with region:
        wait_until(lambda: broker.held() == 0, 120)
        # Put once more where an answer was lost: in order all the same.
        found = [int(data[1:].split(" ")[0]) for _, data in records_in(region)]
        numbers = list(dict.fromkeys(found))
        expect(numbers == sorted(numbers), "out of order", numbers)
        print(f"accepted {accepted}, dropped {dropped():.0f}, delivered {len(numbers)}")
        # The broker's own telemetry counts, too.
        wait_until(lambda: broker.metric('spillway_broker_put_records_total{target="default"}') + dropped()
                   == broker.metric("spillway_spool_records_total"))
        expect(0 < accepted - len(numbers) <= dropped(), len(numbers), accepted, dropped())
        # It may go on dropping, behind what is delivered already, until it sees that there is room again.
        expect(numbers[-1] == accepted - 1 and found[-1] == accepted - 1, "the newest are there", numbers[-1])
        gaps = sum(1 for before, after in zip(numbers, numbers[1:]) if after > before + 1)
        expect(numbers[0] > 0 and gaps <= 3, "others than the oldest are gone", numbers)
        broker.stop()


def test_http_example(directory):
    with Region() as region:
        broker = Inputs(directory, region)
        broker.start()
        printed, shown = run_example("http", broker.http, 4602)
        expect(printed == shown, printed, shown)
        wait_until(lambda: broker.held() == 0)
        broker.stop()
        expect(sorted(records_in(region)) == [("7", '{"customer": 7, "item": "bread"}'),
                                              ("8", '{"customer": 8, "item": "salt"}')], records_in(region))


def make_key(broker, *arguments):
    """Variables with the id and the secret of a new key of the broker."""
    made = subprocess.run([str(BINARY), "keys", "create", "shop", "--json", *arguments, "--data", broker.settings["data"],
                           "--admin", f"127.0.0.1:{broker.admin}"], capture_output=True, text=True, timeout=60)
    expect(made.returncode == 0, made)
    key = json.loads(made.stdout)
    return {"AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"]}


def basic(key):
    text = f"{key['AWS_ACCESS_KEY_ID']}:{key['AWS_SECRET_ACCESS_KEY']}"
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_http_asks_for_a_key_once_there_is_one(directory):
    with Region() as region:
        broker = Inputs(directory, region)
        broker.start()
        expect(broker.post("[0]", Content_Type=JSON)[0] == 200, "there is none")
        key = make_key(broker)
        status, headers, answer = broker.post("[1]", Content_Type=JSON)
        expect(status == 401 and headers["WWW-Authenticate"].startswith("Basic ") and answer["error"], status, answer)
        printed, shown = run_example("http-key", broker.http, 4602, broker.settings["data"], **key)
        expect(printed == shown, printed, shown)
        policy = pathlib.Path(directory) / "telemetry.json"
        policy.write_text(json.dumps({"Statement": [{"Effect": "Allow", "Action": "kinesis:PutRecords",
                                                     "Resource": "arn:aws:kinesis:*:*:stream/telemetry"}]}), "ascii")
        other = basic(make_key(broker, "--policy", str(policy)))
        expect(broker.post("[2]", Content_Type=JSON, **other)[0] == 403, "not to that stream")
        expect(broker.post("[3]", "/v1/records/telemetry", Content_Type=JSON, **other)[0] == 200, "to this one")

        def denied():
            return subprocess.run([str(BINARY), "audit", "log", "--denied", "--json", "--data", broker.settings["data"]],
                                  capture_output=True, text=True, timeout=60, check=True).stdout
        wait_until(lambda: len(denied().splitlines()) == 2)
        expect(all(json.loads(line)["action"] == "kinesis:PutRecords" for line in denied().splitlines()), denied())
        broker.stop()
        expect(sorted(data for _, data in records_in(region)) == ["0", '{"item": "bread"}'], records_in(region))


def test_other_machines_send_by_https_and_with_a_key(directory):
    with Region() as region:
        broker = Inputs(directory, region)
        broker.settings |= {"http": f"0.0.0.0:{broker.http}", "otlp": f"0.0.0.0:{broker.otlp}"}
        key = make_key(broker)
        broker.start()
        printed, shown = run_example("http-key", broker.http, 4602, broker.settings["data"], **key)
        expect(printed == shown, printed, shown)
        # The same over plain HTTP, with the key and without.
        for headers in (basic(key), {}):
            status, _, answer = broker.post("[1]", Content_Type=JSON, **headers)
            expect(status == 403 and "https" in answer["error"], status, answer)
            status, _, answer = broker.exchange(broker.otlp, "{}", "/v1/logs", "POST",
                                                {"Content-Type": JSON} | headers)
            expect(status == 403 and "https" in json.loads(answer)["message"], status, answer)
        unknown = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--data", "[2]", "--cacert",
                                  f"{broker.settings['data']}/tls/ca.pem", f"https://localhost:{broker.http}/"],
                                 capture_output=True, text=True, timeout=60, check=True)
        expect(unknown.stdout == "401", unknown)
        broker.stop()
        expect([data for _, data in records_in(region)] == ['{"item": "bread"}'], records_in(region))


def test_otlp_example(directory):
    with Region() as region:
        broker = Inputs(directory, region)
        broker.start()
        printed, shown = run_example("otlp", broker.otlp, 4318)
        expect(printed == "{}", printed)
        broker.stop()
        expect(records_in(region, "otlp-logs") == [("shop/i-7", shown.strip())], records_in(region, "otlp-logs"))


def syslog_messages(region):
    """Each record of the stream `syslog` but for when it was received, with its partition key; by host in order."""
    records = []
    for key, data in records_in(region, "syslog"):
        record = json.loads(data)
        expect(abs(record.pop("received") / 1000 - time.time()) < 600 and record.pop("peer") == "127.0.0.1", data)
        records.append((key, record))
    return records


def test_syslog_tcp_in_the_spool_is_durable(directory):
    region = Region()
    broker = Inputs(directory, region)
    sent = {}
    for start in range(3):
        broker.start()
        # A connection for each framing.
        for framing in (lambda text: text + b"\n", lambda text: b"%d %s" % (len(text), text)):
            with socket.create_connection(("127.0.0.1", broker.syslog)) as sender:
                for number in range(500):
                    host = f"web-{start}-{number % 7}"
                    text = f"<13>1 2026-11-25T22:14:15Z {host} shop {number} - - sold {number}"
                    sent.setdefault(host, []).append(f"sold {number}")
                    sender.sendall(framing(text.encode()))
        wait_until(lambda: broker.count("records", "syslog_tcp") == 1000)
        broker.kill()
    broker.start()
    with region:
        wait_until(lambda: broker.held() == 0, 60)
        found = {}
        for key, record in syslog_messages(region):
            expect(record["host"] == key and record["app"] == "shop" and record["facility"] == "user", record)
            found.setdefault(key, []).append(record["message"])
        # The two connections of a start are not in order with each other.
        expect({host: sorted(messages) for host, messages in found.items()}
               == {host: sorted(messages) for host, messages in sent.items()}, "all, once")
        broker.stop()


def test_syslog_keeps_what_it_cannot_read(directory):
    with Region() as region:
        broker = Inputs(directory, region)
        broker.start()
        with socket.create_connection(("127.0.0.1", broker.syslog)) as sender:
            sender.sendall(b"<13>Feb  5 17:32:18 web-1 su[7]: failed\nhello\n" + b"x" * 70_000 + b"\n9 <13>cut")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for text in (b"<13>1 - web-2 shop - - - sold out\n", b"\xff"):
                sender.sendto(text, ("127.0.0.1", broker.syslog))
        wait_until(lambda: broker.count("records", "syslog_tcp") == 4)
        wait_until(lambda: broker.count("records", "syslog_udp") == 2)
        expect(broker.count("malformed_records", "syslog_tcp") == 3, "TCP")
        expect(broker.count("malformed_records", "syslog_udp") == 1, "UDP")
        broker.stop()
        found = syslog_messages(region)
        common = {"facility": "user", "severity": "notice"}
        wanted = [("web-1", common | {"time": "Feb  5 17:32:18", "host": "web-1", "app": "su", "pid": "7",
                                      "message": "failed"}),
                  ("web-2", common | {"host": "web-2", "app": "shop", "message": "sold out"})]
        wanted += [("127.0.0.1", {"malformed": True, "raw": raw} | cut)
                   for raw, cut in (("hello", {}), ("x" * 65536, {"cut": True}), ("<13>cut", {"cut": True}),
                                    ("\ufffd", {}))]
        for record in wanted:
            expect(found.count(record) == 1, str(record)[:200])
        expect(len(found) == len(wanted), len(found))


def test_syslog_senders_are_held_back_by_a_full_spool(directory):
    region = Region()
    broker = Inputs(directory, region, spool_mib="256")
    broker.start()
    count, told = 8000, []

    def message():
        """Little of which can be packed by the spool."""
        return b"<13>1 - web-1 shop - - - %s\n" % base64.b64encode(os.urandom(45_000))

    def send():
        with socket.create_connection(("127.0.0.1", broker.syslog)) as sender:
            for _ in range(count):
                sender.sendall(message())
        told.append(True)
    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    # It is full, and told so to the spool's writer, which tries again.
    wait_until(lambda: broker.metric("spillway_spool_refused_records_total") > 0, 120)
    spooled = broker.count("records", "syslog_tcp")
    expect(spooled < count and not told, spooled)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        # Nobody holds these back.
        wait_until(lambda: sender.sendto(message(), ("127.0.0.1", broker.syslog))
                   and broker.count("refused_records", "syslog_udp") > 0, 60)
    with region:
        wait_until(lambda: broker.count("records", "syslog_tcp") == count, 300)
        sending.join(60)
        expect(told and broker.count("refused_records", "syslog_tcp") == 0, "none is lost")
        broker.stop()


def test_stuck_connections_keep_nobody_out(directory):
    """1,000 connections to each port, of a broker that is started with the usual 1,024 descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    expect(hard >= 7_000, "5,000 connections need as many descriptors, here and there", hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    broker = Inputs(directory, Region(), drain_seconds="0")
    broker.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard)))
    before = broker.metric("process_resident_memory_bytes")
    request = (b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n["
               + b" " * 4096)
    stuck = {broker.syslog: b"<13>1 - web-1", broker.statsd: b"shop.sold:1|c", broker.http: request % b"/v1/records/orders",
             broker.otlp: request % b"/v1/logs", broker.listen: request % b"/"}
    connections = []
    try:
        for port, begun in stuck.items():
            for number in range(1000):
                connections.append(socket.create_connection(("127.0.0.1", port)))
                if number < 500:
                    connections[-1].sendall(begun)
        for listener in ("api", "http", "otlp"):
            wait_until(lambda of=listener: broker.metric(
                f'spillway_http_connections_accepted_total{{listener="{of}"}}') >= 1000)
        broker.client().put_record(StreamName="orders", PartitionKey="k", Data=b"1")
        status, _, answer = broker.post("1", Content_Type=NDJSON)
        expect((status, answer["accepted"]) == (200, 1), status, answer)
        logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "sold out"}}]}]}]}
        status, _, answer = broker.exchange(broker.otlp, json.dumps(logs), "/v1/logs", "POST", {"Content-Type": JSON})
        expect((status, broker.count("records", "otlp")) == (200, 1), status, answer)

        def is_served(port, message, metric):
            had = broker.metric(metric)
            with socket.create_connection(("127.0.0.1", port)) as sender:
                try:
                    sender.sendall(message)
                    sender.shutdown(socket.SHUT_WR)
                    sender.recv(1)  # its end
                except OSError:
                    pass  # or reset: it was closed at once
            return broker.metric(metric) > had
        wait_until(lambda: is_served(broker.syslog, b"<13>1 - web-2 shop - - - sold out\n",
                                     'spillway_input_records_total{input="syslog_tcp"}'))
        wait_until(lambda: is_served(broker.statsd, b"shop.sold:1|c\n", "spillway_statsd_samples_total"))
        # The one that was there first made room, and the piece of a message that it had sent is told of.
        for number, kept in ((0, "syslog_tcp"), (1000, "statsd")):
            expect(connections[number].recv(1) == b"", "the quietest")
            wait_until(lambda of=kept: broker.count("malformed_records", of) >= 1)
        for name in ("syslog_tcp", "statsd_tcp"):
            expect(broker.count("refused_connections", name) >= 1, "it is counted")
        after = broker.metric("process_resident_memory_bytes")
        print(f"resident: {before / 2 ** 20:.0f} MiB, with 5,000 connections {after / 2 ** 20:.0f} MiB", flush=True)
        expect(after - before < 64 * 2 ** 20 or SANITIZED, before, after)
        broker.stop()
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_syslog_example(directory):
    with Region() as region:
        broker = Inputs(directory, region)
        broker.start()
        _, shown = run_example("syslog", broker.syslog, 5514)
        wait_until(lambda: broker.count("records", "syslog_tcp") == 1)
        broker.stop()
        record = json.loads(shown)
        del record["received"], record["peer"]
        expect(syslog_messages(region) == [("127.0.0.1", record)], records_in(region, "syslog"))


def test_statsd_example(directory):
    with Region() as region:
        broker = Inputs(directory, region, host="web-1", statsd_flush_seconds="3600")
        broker.start()
        shown = "".join(run_example(name, broker.statsd, 8125)[1] for name in ("statsd", "statsd-tcp"))
        wait_until(lambda: broker.metric("spillway_statsd_samples_total") == 9)
        expect(broker.count("records", "statsd") == 0, "the interval has not ended")
        # Which ends with the broker.
        broker.stop()
        when = re.compile(r'"time":(\d+),"interval_ms":\d+')
        found = [data for _, data in records_in(region, "statsd")]
        for data in found:
            expect(abs(int(when.match(data, 1).group(1)) / 1000 - time.time()) < 600, data)
        wanted = sorted(when.sub("", line) for line in shown.splitlines())
        expect(sorted(when.sub("", data) for data in found) == wanted, found, wanted)


def test_statsd_every_interval(directory):
    with Region() as region:
        broker = Inputs(directory, region, statsd_flush_seconds="1")
        broker.start()
        for interval in range(2):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(100):
                    sender.sendto(b"shop.sold:1|c\nnone", ("127.0.0.1", broker.statsd))
            wait_until(lambda: broker.metric("spillway_statsd_samples_total") == 100 * (interval + 1))
            before = interval
            wait_until(lambda: broker.count("records", "statsd") > before)
        expect(broker.count("malformed_records", "statsd") == 200, "malformed")
        wait_until(lambda: sum(json.loads(data)["value"] for _, data in records_in(region, "statsd")) == 200)
        broker.kill()
        broker.start()
        wait_until(lambda: broker.held() == 0, 60)
        broker.stop()
        records = [(key, json.loads(data)) for key, data in records_in(region, "statsd")]
        expect(sum(record["value"] for key, record in records) == 200 and {key for key, _ in records} == {"shop.sold"},
               records)


def test_statsd_goes_on_where_its_ports_move(directory):
    """An interval outlives its ports, and the broker, though nothing is waited for."""
    with Region() as region:
        broker = Inputs(directory, region, drain_seconds="0", statsd_flush_seconds="3600")
        config = broker.directory / "spillway.toml"
        broker.arguments = ["--config", str(config)]
        moving = {name: broker.settings.pop(name) for name in ("statsd", "statsd_tcp")}

        def write():
            config.write_text("[broker]\n" + "".join(f'{key} = "{value}"\n' for key, value in moving.items()))

        def reload():
            seen = len(broker.log.read_text())
            write()
            broker.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "configuration reloaded" in broker.log.read_text()[seen:])

        def send(number, over_udp, over_tcp):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(over_udp, ("127.0.0.1", broker.statsd))
            sender = socket.create_connection(("127.0.0.1", broker.statsd))
            sender.sendall(over_tcp)
            wait_until(lambda: broker.metric("spillway_statsd_samples_total") == number)
            return sender
        write()
        broker.start()
        first = send(3, b"shop.sold:1|c\nshop.carts:5|g", b"shop.sold:2|c\nshop.sold:100|c")
        broker.statsd = free_port()
        moving = dict.fromkeys(moving, f"127.0.0.1:{broker.statsd}")
        reload()
        expect(first.recv(1) == b"", "it is told to go elsewhere")
        # A beginning isn't taken for a line.
        wait_until(lambda: broker.count("malformed_records", "statsd") == 1)
        send(5, b"shop.carts:+1|g", b"shop.sold:4|c\n" + b"x" * 70_000 + b"\n").close()
        wait_until(lambda: broker.count("malformed_records", "statsd") == 2)
        moving = {}
        reload()
        expect(broker.count("records", "statsd") == 0, "the interval has not ended")
        broker.stop()
        broker.settings["drain_seconds"] = "60"
        broker.start()
        broker.stop()
        # The first stop had no time for a request's answer: what it sent may be there again, as it was.
        found = sorted((record["name"], record["value"])
                       for record in map(json.loads, {data for _, data in records_in(region, "statsd")}))
        expect(found == [("shop.carts", 6), ("shop.sold", 7)], found)


def lines_in(region):
    """The data of each record of the stream `numbers`: all of one key, so in order."""
    records = records_in(region, "numbers")
    expect(len({key for key, _ in records}) == 1 and records[0][0].startswith("stdin/"), records[:1])
    return [data for _, data in records]


def test_lines_of_standard_input(directory):
    region = Region()
    broker = Inputs(directory, region, stdin_stream="numbers")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pipe:
        broker.start(stdin=pipe.stdout)
        pipe.stdin.write("".join(f"line {number}\n" for number in range(2000)).encode() + b"begun")
        pipe.stdin.flush()
        wait_until(lambda: broker.count("records", "stdin") == 2000)
        broker.kill()
    with region:
        broker.start(stdin=subprocess.PIPE)
        broker.process.stdin.write(b"\nafter\n\n" + b"x" * 1_000_001 + b"\nlast")
        broker.process.stdin.close()
        expect(broker.process.wait(60) == 0, broker.log.read_text())
        wanted = [f"line {number}" for number in range(2000)] + ["after", "x" * 1_000_000, "last"]
        expect(lines_in(region) == wanted, "all, in order, those of the first start too")


def test_status_tells_of_each_input(directory):
    region = Region()
    broker = Inputs(directory, region)
    broker.start()

    def status():
        return json.loads(broker.ask("/v1/status"))

    def of_input(name):
        return next(each for each in status()["inputs"] if each["name"] == name)

    def of_orders():
        return next(each for each in status()["streams"] if each["name"] == "orders")
    names = ["kinesis", "http", "otlp", "syslog_tcp", "syslog_udp", "statsd"]
    expect([each["name"] for each in status()["inputs"]] == names, status())
    expect("last_record_ms" not in of_input("http") and "oldest_unsent_ms" not in of_orders(), status())
    client = broker.client()
    for number in range(5):
        client.put_record(StreamName="orders", PartitionKey="k", Data=str(number))
    broker.post('{"n": 1}\nnothing\n', Content_Type=NDJSON)
    with socket.create_connection(("127.0.0.1", broker.syslog)) as sender:
        sender.sendall(b"<34>1 2026-11-26T09:00:00Z shop orders - - - one\n")
        wait_until(lambda: of_input("syslog_tcp")["accepted_records"] == 1)
        wait_until(lambda: of_input("syslog_tcp")["connections"] == 1)
    wait_until(lambda: of_input("syslog_tcp")["connections"] == 0)
    kinesis, over_http = of_input("kinesis"), of_input("http")
    expect(kinesis["accepted_records"] == 5 and kinesis["at"] == f"127.0.0.1:{broker.listen}", kinesis)
    expect(kinesis["connections"] == 1 and "connections" not in of_input("syslog_udp"), kinesis)
    statsd = of_input("statsd")  # over UDP and TCP
    expect(statsd["at"].count(str(broker.statsd)) == 2 and statsd["connections"] == 0, statsd)
    expect((over_http["accepted_records"], over_http["malformed_records"]) == (1, 1), over_http)
    wait_until(lambda: of_input("kinesis")["records_per_second"] > 0 and "last_record_ms" in of_input("kinesis"))
    # Nobody has them: the oldest waits longer and longer.
    wait_until(lambda: status().get("oldest_unsent_ms", 0) > 1000)
    wait_until(lambda: of_orders()["held_records"] == 6 and of_orders().get("oldest_unsent_ms", 0) > 1000)
    broker.kill()
    broker.start()
    wait_until(lambda: status().get("oldest_unsent_ms", 0) > 1000)  # what an earlier start left, too
    shown = subprocess.run([BINARY, "broker", "status"], capture_output=True, text=True, timeout=60,
                           env=os.environ | broker.environment())
    expect(re.search(r"records wait in the spool, the oldest for \d+ s", shown.stdout), shown)
    expect(re.search(r"(?m)^  INPUT +ACCEPTED .*\n  kinesis +0 +0\.0 ", shown.stdout), shown)
    with region:
        wait_until(lambda: broker.held() == 0)
        wait_until(lambda: "oldest_unsent_ms" not in status() and status()["targets"][0]["records_per_second"] > 0)
        broker.stop()


def traces_of(name, numbers):
    """Stack traces as a program writes them, those of `python` with lines that begin like any other."""
    for number in numbers:
        frames = "".join(f"\tat shop.Order.step{frame}(Order.java:{number})\n" for frame in range(number % 9))
        if name == "python":
            frames = f"Traceback (most recent call last):\n  File \"{number}.py\"\nKeyError: 'é'\n\n" + frames
        yield f"2026-11-26 09:{number % 60:02}:00 ERROR order {number} failed\n{frames}"


def test_lines_of_files_are_joined_to_records(directory):
    """Through a restart after SIGKILL and a rotation in the middle of them, each trace is one record."""
    region = Region()
    logs = {name: pathlib.Path(directory) / f"{name}.log" for name in ("java", "python")}
    broker = Inputs(directory, region, files=",".join(map(str, logs.values())),
                    files_multiline=f"{logs['java']},{logs['python']}=2026-11-26 09:00:00")
    written = {name: [] for name in logs}

    def write(numbers):
        for name, log in logs.items():
            traces = list(traces_of(name, numbers))
            written[name] += traces
            with open(log, "ab") as file:  # at once: what is half written for a second is whole
                file.write("".join(traces).encode())

    def kept():
        """Once it is, the broker knows a file again that was rotated meanwhile."""
        places = broker.directory / "broker/places"
        return places.exists() and all(str(log).encode() in places.read_bytes() for log in logs.values())

    broker.start()
    write(range(200))
    wait_until(kept)
    write(range(200, 400))
    broker.kill()
    for log in logs.values():
        log.rename(f"{log}.1")
    write(range(400, 500))
    with region:
        broker.start()
        write(range(500, 600))

        def arrived():
            found = {name: [] for name in logs}
            for key, data in records_in(region, "telemetry"):
                if key.startswith("file"):
                    found[pathlib.Path(key).stem].append(json.loads(data)["fields"]["line"])
            return found
        wait_until(lambda: broker.held() == 0 and all(len(set(arrived()[name])) >= 600 for name in logs))
        # What was in the spool when the broker died, and not yet noted so, is read once more.
        for name, lines in arrived().items():
            expect(list(dict.fromkeys(lines)) == [trace[:-1] for trace in written[name]], name, lines)
            print(f"  {len(lines)} records of {len(written[name])} traces of {name}")
        broker.stop()


def test_stdin_example(directory):
    with Region() as region:
        broker = Inputs(directory, region)
        script, shown = example("stdin")
        ran = subprocess.run(["bash", "-euc", script.replace("build/release/spillway", str(BINARY))],
                             capture_output=True, text=True, timeout=60,
                             env=os.environ | broker.environment())
        expect(ran.returncode == 0 and shown in ran.stdout, ran)
        expect(lines_in(region) == ["1", "2", "3"], lines_in(region))


def test_inputs_without_authentication_listen_on_loopback_only(directory):
    for name in ("http", "otlp", "syslog_tcp", "syslog_udp", "statsd", "statsd_tcp"):
        broker = Inputs(directory, Region(), **{name: "0.0.0.0:0"})
        broken = subprocess.run([BINARY, "broker"], capture_output=True, text=True, timeout=60,
                                env=broker.environment())
        expect(broken.returncode == 1 and f"broker.{name}" in broken.stderr and "0.0.0.0:0" in broken.stderr, broken)


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
