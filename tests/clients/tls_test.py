"""https on the port of http: boto3 and Node with the authority that the region made, a certificate of
somebody else's, and what isn't TLS although it begins so.
"""

import contextlib
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import boto3  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import SSLError  # noqa: E402
from region import BINARY, Region, read_all  # noqa: E402
from verified import HERE, VerifiedRegion  # noqa: E402

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/{}"


def https_client(region, authority, host="localhost"):
    return boto3.client("kinesis", endpoint_url=f"https://{host}:{region.port}", verify=str(authority),
                        region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any",
                        config=Config(retries={"total_max_attempts": 1}, read_timeout=20))


def check_client(client, stream):
    client.create_stream(StreamName=stream, ShardCount=1)
    data = [os.urandom(1_000_000) for _ in range(8)] + [b"small"]
    for one in data:
        client.put_record(StreamName=stream, PartitionKey="k", Data=one)
    assert [r["Data"] for r in read_all(client, stream)["shardId-000000000000"]] == data
    consumer = client.register_stream_consumer(StreamARN=STREAM.format(stream), ConsumerName="c")
    events = client.subscribe_to_shard(ConsumerARN=consumer["Consumer"]["ConsumerARN"],
                                       ShardId="shardId-000000000000",
                                       StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
    got = []
    for event in events:
        got += [record["Data"] for record in event["SubscribeToShardEvent"]["Records"]]
        if len(got) == len(data):
            break
    events.close()
    assert got == data


def check_many(client, region, authority):
    """Connections at once, each with a handshake of its own."""
    failures = []

    def put(number):
        try:
            own = https_client(region, authority)
            for i in range(20):
                own.put_record(StreamName="s", PartitionKey=f"{number}", Data=f"{number} {i}")
        except Exception as error:
            failures.append(error)
    client.create_stream(StreamName="s", ShardCount=2)
    threads = [threading.Thread(target=put, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert sum(len(records) for records in read_all(client, "s").values()) == 320


def check_bad_handshakes(region, client, authority):
    untrusting = https_client(region, "/etc/ssl/certs/ca-certificates.crt")
    try:
        untrusting.list_streams()
        raise AssertionError("a client that doesn't trust the authority was served")
    except SSLError:
        pass
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(authority)
    with warnings.catch_warnings(action="ignore"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    for start in (b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\x40\x01" + b"x" * 70_000,
                  b"\x16\x03\x01", b"\x16\x03\x03\x00\x04\x01\x00\x00\x00"):
        with socket.create_connection(("127.0.0.1", region.port), timeout=20) as raw, \
                contextlib.suppress(ConnectionError, BrokenPipeError, OSError):  # it may be reset
            raw.sendall(start)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(1 << 16):
                pass
    with socket.create_connection(("127.0.0.1", region.port), timeout=20) as raw:
        try:
            old.wrap_socket(raw, server_hostname="localhost")
            raise AssertionError("TLS 1.1 was accepted")
        except ssl.SSLError:
            pass
    # TLS inside of TLS, and what is no HTTP inside of it.
    context = ssl.create_default_context(cafile=authority)
    for inside, answer in ((b"\x16\x03\x01\x00\x05hello" + b"x" * 20, b"\x15"), (b"\0\1\2\r\n\r\n", b"HTTP/1.1 400")):
        with socket.create_connection(("127.0.0.1", region.port), timeout=20) as raw, \
                context.wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(inside)
            assert secure.recv(1 << 16).startswith(answer), inside
    client.list_streams()
    region.client().list_streams()  # without TLS, on the same port


def check_node():
    with VerifiedRegion() as region:
        region.run("env", f"NODE_EXTRA_CA_CERTS={region.authority}", "node", HERE / "node" / "node_test.mjs",
                   region.tls_endpoint, region.records_file)


def check_command_line(region, authority):
    """put, tail and streams over https, with the authority's file and without."""
    def spillway(*arguments, endpoint=f"https://localhost:{region.port}", trust=("--ca", str(authority))):
        return subprocess.run([BINARY, *arguments, "--endpoint", endpoint, *trust], capture_output=True, text=True,
                              timeout=60, check=False, env={k: v for k, v in os.environ.items() if k != "AWS_CA_BUNDLE"})
    for number, more in enumerate(((), ("--http2",))):
        stream = f"cli-{number}"
        assert spillway("put", stream, "hello", "--create", *more).returncode == 0
        large = spillway("put", stream, "x" * 100_000, *more, endpoint=f"https://127.0.0.1:{region.port}")
        assert large.returncode == 0, large
        tailed = spillway("tail", stream, "--until-tip", "--json", *more)
        assert tailed.returncode == 0 and '"data":"hello"' in tailed.stdout and "x" * 100_000 in tailed.stdout, tailed
        assert stream in spillway("streams", *more).stdout
    for trust, message in (((), "certificate is not trusted"), (("--ca", "/none"), "/none"),
                           (("--ca", str(authority.parent / "key.pem")), "no certificate in PEM")):
        refused = spillway("streams", trust=trust)
        assert refused.returncode == 1 and message in refused.stderr, refused
    assert "--ca FILE" in spillway("streams", trust=()).stderr
    plain = spillway("streams", endpoint=f"https://localhost:{region.admin}")
    assert plain.returncode == 1 and "TLS" in plain.stderr, plain


def check_configured_certificate(authority_of_another):
    """The same certificate from files, and files that don't belong together."""
    directory = authority_of_another.parent
    region = Region()
    settings = region.directory / "spillway.toml"
    region.arguments = ("--config", str(settings))
    settings.write_text(f'[serve]\ntls_certificate = "{directory}/certificate.pem"\ntls_key = "{directory}/key.pem"\n')
    with region:
        https_client(region, authority_of_another, "127.0.0.1").list_streams()
        assert not (region.data / "tls").exists()
        assert region.stop() == 0
        for certificate, key, message in (("ca", "key", "the key is not the certificate's"),
                                          ("key", "key", "no certificate in PEM"),
                                          ("certificate", "ca", "no private key in PEM"),
                                          ("certificate", "none", "none.pem")):
            settings.write_text(f'[serve]\ntls_certificate = "{directory}/{certificate}.pem"\n'
                                f'tls_key = "{directory}/{key}.pem"\n')
            ended = subprocess.run(region.command(), capture_output=True, text=True, timeout=60, check=False)
            assert ended.returncode == 1 and message in ended.stderr, ended


def main():
    with Region() as region:
        authority = region.data / "tls" / "ca.pem"
        client = https_client(region, authority)
        check_client(client, "localhost")
        check_client(https_client(region, authority, "127.0.0.1"), "address")
        check_many(client, region, authority)
        check_bad_handshakes(region, client, authority)
        check_command_line(region, authority)
        made = authority.read_bytes()
        assert region.stop() == 0
        region.start()
        assert authority.read_bytes() == made, "clients would have to trust a new one"
        client.list_streams()
        check_configured_certificate(authority)
    check_node()
    print("TLS: boto3 and Node, certificates of both kinds, and broken handshakes")


if __name__ == "__main__":
    main()
