"""Request bodies in gzip, by boto3 with a hook that packs them before they are signed: the records that
come back are those that went in, and what can't be unpacked hurts nobody.
"""

import gzip
import os
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, expect, read_all  # noqa: E402

KEYS = ("AKIDGZIP", "a secret of its own")
MIB = 1 << 20


def packing(client, pack=gzip.compress, encoding="gzip"):
    """The client sends what `pack` makes of each body; the signature is over that."""
    def before_call(params, **_):
        if "body" in params:
            params["body"] = pack(params["body"].encode() if isinstance(params["body"], str) else params["body"])
            params["headers"]["Content-Encoding"] = encoding
    client.meta.events.register("before-call.kinesis", before_call)
    return client


def check_records(region, client):
    client.create_stream(StreamName="packed", ShardCount=1)
    data = [b"", b"hello", os.urandom(1000), b"the same again and again " * 20_000, os.urandom(MIB - 1)]
    for one in data[:2]:
        client.put_record(StreamName="packed", PartitionKey="k", Data=one)
    put = client.put_records(StreamName="packed", Records=[{"PartitionKey": "k", "Data": one} for one in data[2:]])
    assert put["FailedRecordCount"] == 0, put
    plain = region.client(*KEYS)
    assert [record["Data"] for record in read_all(plain, "packed")["shardId-000000000000"]] == data


def check_refusals(region):
    def refused(pack, error, message="", encoding="gzip", status=400):
        client = packing(region.client(*KEYS), pack, encoding)
        expect(error, client.list_streams, message)
        try:
            client.list_streams()
        except client.exceptions.ClientError as raised:
            assert raised.response["ResponseMetadata"]["HTTPStatusCode"] == status, raised.response

    refused(lambda body: body, "SerializationException", "The gzip body")
    refused(lambda body: gzip.compress(body)[:-1], "SerializationException", "The gzip body")
    refused(lambda body: gzip.compress(body) * 2, "SerializationException", "goes on behind its end")
    refused(lambda body: gzip.compress(b"no JSON"), "SerializationException")
    refused(lambda body: gzip.compress(b""), "SerializationException", "no body")
    refused(lambda body: gzip.compress(b" " * (16 * MIB + 1)), "RequestEntityTooLargeException", "16777216", status=413)
    for encoding in ("br", "zstd", "deflate", "gzip, gzip", "aws-chunked"):
        refused(gzip.compress, "UnsupportedMediaTypeException", "gzip", encoding=encoding, status=415)
    packing(region.client(*KEYS), lambda body: body, "identity").list_streams()
    packing(region.client(*KEYS), lambda body: gzip.compress(b"{" + b" " * (16 * MIB - 2) + b"}")).list_streams()
    # The signature is over what was sent, and is looked at before anything is inflated.
    stranger = packing(region.client(KEYS[0], "another secret"), lambda body: b"no gzip")
    expect("InvalidSignatureException", stranger.list_streams)


def check_bombs(region):
    """Bombs at once cost less than one of them would: their size is known before they are inflated."""
    honest = gzip.compress(bytes(256 * MIB))
    lying = honest[:-4] + (1000).to_bytes(4, "little")
    before = resident_mb(region)
    seen = {"RequestEntityTooLargeException": 0, "SerializationException": 0}
    lock = threading.Lock()

    def throw(bomb):
        client = packing(region.client(*KEYS), lambda body: bomb)
        for _ in range(8):
            try:
                client.list_streams()
            except client.exceptions.ClientError as raised:
                with lock:
                    seen[raised.response["Error"]["Code"]] += 1

    threads = [threading.Thread(target=throw, args=(bomb,)) for bomb in (honest, lying) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"RequestEntityTooLargeException": 32, "SerializationException": 32}, seen
    assert peak_mb(region) - before < 100, f"{before} MB before, {peak_mb(region)} MB at the most"


def memory_mb(region, field):
    for line in pathlib.Path(f"/proc/{region.process.pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def resident_mb(region):
    pathlib.Path(f"/proc/{region.process.pid}/clear_refs").write_text("5")  # the peak begins anew
    return memory_mb(region, "VmRSS")


def peak_mb(region):
    return memory_mb(region, "VmHWM")


def main():
    region = Region()
    settings = region.directory / "spillway.toml"
    settings.write_text(f'[[serve.keys]]\naccess_key = "{KEYS[0]}"\nsecret_key = "{KEYS[1]}"\n', encoding="utf-8")
    region.arguments = ("--config", str(settings))
    with region:
        check_records(region, packing(region.client(*KEYS)))
        check_refusals(region)
        check_bombs(region)
        region.client(*KEYS).list_streams()
        assert region.stop() == 0
    print("gzip: records as they were, refusals, and bombs that cost nothing")


if __name__ == "__main__":
    main()
