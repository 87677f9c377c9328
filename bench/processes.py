"""The processes that a benchmark starts: Spillway's server, and the peers it is compared with."""

import hashlib
import hmac
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from region import free_port  # noqa: E402

BINARY = ROOT / "build" / "release" / "spillway"
DATA = ROOT / "build" / "bench-data"


def wait_until_it_accepts(port, process, seconds=30):
    """Seconds from now until the port accepts a connection."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return time.monotonic() - begin
        time.sleep(0.002)
    raise RuntimeError(f"{process.args[0]} does not accept on port {port}")


class Process:
    """A server with a directory of its own under build/bench-data; both go at the end."""

    def __init__(self, name):
        self.directory = DATA / name
        self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)

    def launch(self, command, port, environment=None):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log, env=environment)
        return wait_until_it_accepts(port, self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as lines:
            for line in lines:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise KeyError(field)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


ACCESS_KEY, SECRET_KEY = "AKIDBENCH", "secret-of-the-bench"


class Spillway(Process):
    """With an access key, so that every signature is verified."""

    def __init__(self, name="spillway"):
        super().__init__(name)
        self.port, self.admin = free_port(), free_port()
        self.settings = self.directory / "spillway.toml"
        self.settings.write_text(f'[[serve.keys]]\naccess_key = "{ACCESS_KEY}"\nsecret_key = "{SECRET_KEY}"\n',
                                 encoding="utf-8")
        self.start()

    def start(self):
        """Seconds until it accepts."""
        return self.launch([BINARY, "serve", "--data", self.directory / "data", "--config", self.settings,
                            "--listen", f"127.0.0.1:{self.port}",
                            "--admin", f"127.0.0.1:{self.admin}"], self.port)

    def call(self, operation, body):
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "Host": f"127.0.0.1:{self.port}",
                   "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
                   "X-Amz-Target": "Kinesis_20131202." + operation}
        headers["Authorization"] = authorization(headers, data)
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", data, headers)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"{}")

    def create_stream(self, name, shards):
        self.call("CreateStream", {"StreamName": name, "ShardCount": shards})

    def load(self, kind, stream, secure=False, **options):
        return self.start_load(kind, stream, secure, **options)()

    def start_load(self, kind, stream, secure=False, **options):
        """Returns what waits for its end, and gives its result."""
        if secure:
            options["ca"] = self.directory / "data" / "tls" / "ca.pem"
        endpoint = f"https://localhost:{self.port}" if secure else f"http://127.0.0.1:{self.port}"
        return start_load(kind, endpoint, stream, **options)




def environment():
    return os.environ | {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


def start_load(kind, endpoint, stream, **options):
    """Returns what waits for its end, and gives its result."""
    command = [BINARY, "bench", kind, "--stream", stream, "--json", "--endpoint", endpoint]
    for option, value in options.items():
        flag = "--" + option.replace("_", "-")
        command += [flag] if value is True else [flag, value]
    running = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=environment())

    def wait():
        out, err = running.communicate()
        if running.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {err.strip()}")
        result = json.loads(out)
        if result["errors"] > 0 or result["failed_records"] > 0 or result["records"] == 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {result}")
        return result
    return wait


def authorization(headers, body):
    """Signature Version 4 of a POST to /, over all headers."""
    date = headers["X-Amz-Date"]
    scope = f"{date[:8]}/us-east-1/kinesis/aws4_request"
    names = ";".join(sorted(name.lower() for name in headers))
    lines = "".join(f"{name.lower()}:{headers[name]}\n" for name in sorted(headers, key=str.lower))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + SECRET_KEY.encode()
    for part in [*scope.split("/"), to_sign]:
        key = hmac.digest(key, part.encode(), "sha256")
    return (f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, "
            f"Signature={key.hex()}")


class Redis(Process):
    """Redis Streams, every write synced: XADD, pipelined, by redis-benchmark."""

    def __init__(self):
        super().__init__("redis")
        self.port = free_port()
        self.launch(["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "",
                     "--appendonly", "yes", "--appendfsync", "always", "--dir", self.directory,
                     "--auto-aof-rewrite-percentage", "0"], self.port)

    def put(self, record_bytes, connections, pipeline, records):
        """Records a second."""
        common = ["-p", str(self.port)]
        done = subprocess.run(
            ["redis-benchmark", *common, "-c", str(connections), "-P", str(pipeline),
             "-n", str(records), "--csv", "XADD", "bench", "*", "d", "x" * record_bytes],
            capture_output=True, text=True, check=True)
        subprocess.run(["redis-cli", *common, "UNLINK", "bench"], capture_output=True, check=True)
        return float(done.stdout.strip().splitlines()[-1].split('","')[1].strip('"'))


class Nats(Process):
    """NATS JetStream with file storage; it acknowledges before it syncs."""

    def __init__(self):
        super().__init__("nats")
        self.port = free_port()
        self.launch(["nats-server", "-a", "127.0.0.1", "-p", self.port, "-js",
                     "-sd", self.directory / "data"], self.port)
        self._request("$JS.API.STREAM.CREATE.bench", json.dumps(
            {"name": "bench", "subjects": ["bench"], "storage": "file", "num_replicas": 1}))

    def _connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b'CONNECT {"verbose":false}\r\nSUB _INBOX.x 1\r\nPING\r\n')
        received = b""
        while b"PONG" not in received:
            received += connection.recv(65536)
        return connection

    def _request(self, subject, body):
        connection = self._connect()
        connection.sendall(f"PUB {subject} _INBOX.x {len(body)}\r\n{body}\r\n".encode())
        answer = connection.recv(65536)
        connection.close()
        if b'"error"' in answer:
            raise RuntimeError(answer.decode())

    def put(self, record_bytes, records, window=4000):
        """Records a second: asynchronous publish, at most `window` not yet acknowledged."""
        publishers, batch = 2, 500

        def publish(count):
            connection = self._connect()
            inbox = f"_INBOX.{threading.get_ident()}"
            connection.sendall(f"SUB {inbox} 2\r\n".encode())
            one = f"PUB bench {inbox} {record_bytes}\r\n".encode() + b"x" * record_bytes + b"\r\n"
            block, sent, acknowledged, rest = one * batch, 0, 0, b""
            while acknowledged < count:
                while sent < count and sent - acknowledged <= window // publishers - batch:
                    connection.sendall(block)
                    sent += batch
                received = rest + connection.recv(1 << 18)
                acknowledged += received.count(b'"seq":')
                rest = received[-5:]  # too short to hold a whole match, so none counts twice
            connection.close()

        threads = [threading.Thread(target=publish, args=(records // publishers,))
                   for _ in range(publishers)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = time.monotonic() - begin
        self._request("$JS.API.STREAM.PURGE.bench", "{}")
        return records / elapsed
