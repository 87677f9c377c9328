"""A real `spillway serve` for tests: its process, and boto3 clients for it."""

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SPILLWAY_BINARY", ROOT / "build" / "release" / "spillway"))


GIVEN_PORTS = set()


def free_port():
    """Never the same twice, and below those that the kernel gives to connections: whoever asks for it starts
    a server on it, ends it, and starts it again."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port not in GIVEN_PORTS and probe.connect_ex(("127.0.0.1", port)) != 0:
                GIVEN_PORTS.add(port)
                return port


def client_of(endpoint, access_key="test", secret_key="test", session_token=None, **options):
    import boto3
    from botocore.config import Config
    settings = {"retries": {"total_max_attempts": 1}, "max_pool_connections": 32,
                "read_timeout": 20} | options
    return boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1",
                        aws_access_key_id=access_key, aws_secret_access_key=secret_key,
                        aws_session_token=session_token, config=Config(**settings))


class Region:
    def __init__(self, *arguments):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="spillway-region-"))
        self.data = self.directory / "data"
        self.port, self.admin = free_port(), free_port()
        self.arguments = arguments
        self.process_options = {}  # of subprocess.Popen
        self.process = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        return [str(BINARY), "serve", "--data", str(self.data),
                "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}",
                *self.arguments]

    def start(self):
        """Returns when it has said that it serves."""
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE,
                                        stderr=open(self.directory / "log", "ab"), text=True,
                                        **self.process_options)
        line = self.process.stdout.readline()
        if not line.startswith("spillway serves"):
            raise AssertionError(f"it did not start: {(self.directory / 'log').read_text()}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def client(self, access_key="test", secret_key="test", **options):
        return client_of(self.endpoint, access_key, secret_key, **options)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if self.process and self.process.poll() is None:
            self.kill()
        if kind is None:
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            print(f"kept for a look: {self.directory}")


def read_all(client, stream):
    """shard id → its records, from the horizon to the tip."""
    found = {}
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        iterator = client.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"],
                                             ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records = []
        while iterator:
            answer = client.get_records(ShardIterator=iterator)
            records += answer["Records"]
            iterator = answer.get("NextShardIterator")
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
        found[shard["ShardId"]] = records
    return found


def expect(error, call, message=""):
    """The call raises that error of the API, and its message has that in it."""
    try:
        call()
    except Exception as raised:  # pylint: disable=broad-except
        code = raised.response["Error"]["Code"]
        text = raised.response["Error"]["Message"]
        assert code == error, f"{code} instead of {error}: {text}"
        assert message in text, f"'{message}' is not in '{text}'"
        return
    raise AssertionError(f"no {error}")


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)


def run_tests(namespace, wanted=()):
    """Each test_… of a module, in a directory of its own that stays where one fails; of `wanted`, those whose
    names have one of these words."""
    for name, test in list(namespace.items()):
        if not name.startswith("test_") or (wanted and not any(word in name for word in wanted)):
            continue
        directory = tempfile.mkdtemp(prefix="spillway-test-")
        began = time.monotonic()
        try:
            test(directory)
        except BaseException:
            print(f"{name} failed; kept for a look: {directory}", file=sys.stderr)
            raise
        shutil.rmtree(directory)
        print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
