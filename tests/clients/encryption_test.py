"""Encryption at rest by the newest boto3: keys from everywhere, rotation, what is said when one is
missing, and files that hold nothing that was put.
"""

import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from botocore.exceptions import EventStreamError  # noqa: E402
from region import BINARY, Region, expect, read_all, wait_until  # noqa: E402

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KMS = "arn:aws:kms:us-east-1:000000000000:"
MARKER = "PLAINTEXT-THAT-MUST-NOT-BE-STORED"
STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/{}"


class Keys:
    """The configuration's master keys; a change is in effect when apply() returns."""

    def __init__(self, region):
        self.region = region
        self.file = region.directory / "spillway.toml"
        self.tables = {}
        region.arguments = ("--config", str(self.file))

    def write(self):
        self.file.write_text("[serve]\njournal_file_mib = 16\n" + "".join(
            f'[[serve.master_keys]]\nid = "{name}"\n{body}\n' for name, body in self.tables.items()),
            encoding="ascii")

    def apply(self):
        self.write()
        log = self.region.directory / "log"
        seen = len(log.read_text(encoding="utf-8"))
        self.region.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration reloaded" in log.read_text(encoding="utf-8")[seen:])


def key_text(name):
    return hashlib.sha256(name.encode()).hexdigest()


def start(client, stream, key="alias/aws/kinesis", **more):
    return client.start_stream_encryption(StreamName=stream, EncryptionType="KMS", KeyId=key, **more)


def stop(client, stream, key="alias/aws/kinesis"):
    return client.stop_stream_encryption(StreamName=stream, EncryptionType="KMS", KeyId=key)


def described(client, stream):
    full = client.describe_stream(StreamName=stream)["StreamDescription"]
    summary = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert (full["EncryptionType"], full.get("KeyId")) == \
        (summary["EncryptionType"], summary.get("KeyId")), (full, summary)
    return full["EncryptionType"], full.get("KeyId")


def put(client, stream, *texts):
    """Puts each text, by PutRecord and PutRecords in turn; the encryption types that were answered."""
    types = set()
    for number, text in enumerate(texts):
        data = f"{MARKER} {text}".encode()
        key = f"{MARKER}-key-{text}"
        if number % 2:
            answer = client.put_records(StreamName=stream, Records=[{"Data": data, "PartitionKey": key}])
            assert answer["FailedRecordCount"] == 0, answer
        else:
            answer = client.put_record(StreamName=stream, Data=data, PartitionKey=key)
        types.add(answer.get("EncryptionType"))
    return types


def stored(client, stream):
    """text → the encryption type of its record; all in order of their shards."""
    found = {}
    for records in read_all(client, stream).values():
        for record in records:
            text = record["Data"].decode().removeprefix(MARKER + " ")
            assert record["PartitionKey"] == f"{MARKER}-key-{text}", record
            assert text not in found, text
            found[text] = record.get("EncryptionType")
    return found


def doctor(region, *arguments):
    """Its exit code and what it said."""
    done = subprocess.run([str(BINARY), "doctor", "--data", str(region.data), *arguments],
                          capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def key_times(said):
    """Since when each data key is used, and when encryption ended, as the doctor tells it."""
    return re.findall(r"^  (\S+Z) (?:data key \d|encryption ends)", said, re.MULTILINE)


def check_life(region):
    """From the first record to files that are searched, with a crash between."""
    client = region.client()
    client.create_stream(StreamName="orders", ShardCount=2)
    assert described(client, "orders") == ("NONE", None)
    expect("InvalidArgumentException", lambda: client.start_stream_encryption(
        StreamName="orders", EncryptionType="NONE", KeyId="alias/aws/kinesis"), "KMS")
    expect("ResourceNotFoundException", lambda: start(client, "none"))
    expect("KMSNotFoundException", lambda: start(client, "orders", "alias/none"), "alias/none")
    start(client, "orders")
    assert described(client, "orders") == ("KMS", "alias/aws/kinesis")
    assert put(client, "orders", *(f"a{i}" for i in range(20))) == {"KMS"}
    region.kill()
    region.start()
    client = region.client()
    assert described(client, "orders") == ("KMS", "alias/aws/kinesis")
    assert stored(client, "orders") == {f"a{i}": "KMS" for i in range(20)}
    # Another master key, then another data key: what is there stays readable.
    for name in (KEY_ID, KMS + "key/" + KEY_ID, "alias/orders", KMS + "alias/orders"):
        start(client, "orders", name)
        assert described(client, "orders") == ("KMS", name)
    assert put(client, "orders", *(f"b{i}" for i in range(20))) == {"KMS"}
    everything = {f"{letter}{i}": "KMS" for letter in "ab" for i in range(20)}
    assert stored(client, "orders") == everything
    code, said = doctor(region)
    assert code == 1 and f"pid {region.process.pid}" in said, said
    region.kill()
    code, said = doctor(region, "--prove-encrypted", "orders", "--search", MARKER)
    assert code == 0, said
    assert re.search(r"plain while encryption was on +0 batches", said), said
    assert re.search(r"\n  encrypted +\d+ batch(es)?, 40 records|left over", said), said
    assert "search: 0 places" in said and "damages: 0" in said, said
    times = key_times(said)
    assert len(times) == 5 and times == sorted(times), said
    region.start()
    client = region.client()
    assert stored(client, "orders") == everything
    stop(client, "orders")
    assert described(client, "orders") == ("NONE", None)
    assert put(client, "orders", "plain1", "plain2") == {None}
    stop(client, "orders")  # again
    assert stored(client, "orders") == everything | {"plain1": None, "plain2": None}
    region.kill()
    code, said = doctor(region, "--prove-encrypted", "orders")
    assert code == 0 and "encryption is off" in said, said
    later = key_times(said)
    assert later[:5] == times and len(later) == 6 and later[5] > times[4], "a restart changed since when: " + said
    code, said = doctor(region, "--search", MARKER + " plain1")
    assert code == 1 and "byte" in said, "the search finds what is there: " + said
    code, said = doctor(region, "--prove-encrypted", "nothing")
    assert code == 1 and "has no stream nothing" in said, said
    region.start()


def check_keys(region, keys):
    """Keys that go, come back, and can't be read."""
    client = region.client()
    client.create_stream(StreamName="kept", ShardCount=1)
    start(client, "kept", "alias/orders")
    put(client, "kept", "before")
    client.create_stream(StreamName="stopped", ShardCount=1)
    start(client, "stopped", "alias/orders")
    consumer = client.register_stream_consumer(StreamARN=STREAM_ARN.format("kept"),
                                               ConsumerName="reader")["Consumer"]["ConsumerARN"]

    def subscribed():
        events = client.subscribe_to_shard(ConsumerARN=consumer, ShardId="shardId-000000000000",
                                           StartingPosition={"Type": "TRIM_HORIZON"})["EventStream"]
        try:
            for event in events:
                if event["SubscribeToShardEvent"]["Records"]:
                    return event["SubscribeToShardEvent"]["Records"]
        finally:
            events.close()
        raise AssertionError("no event")

    [record] = subscribed()
    assert record["EncryptionType"] == "KMS" and record["Data"].decode() == f"{MARKER} before", record

    def refused(error):
        expect(error, lambda: put(client, "kept", "refused"))
        expect(error, lambda: client.put_records(
            StreamName="kept", Records=[{"Data": b"x", "PartitionKey": "k"}]))
        expect(error, lambda: read_all(client, "kept"))
        expect(error, lambda: start(client, "kept", "alias/orders"))
        # AWS refuses a second subscription of a consumer within 5 seconds of the first.
        wait_until(lambda: subscription_error() == error)

    def subscription_error():
        try:
            subscribed()
        except EventStreamError as raised:
            return raised.response["Error"]["Code"]
        except client.exceptions.ResourceInUseException:
            return None
        return "none"

    good = keys.tables[KEY_ID]
    for body, error in ((good + "disabled = true\n", "KMSDisabledException"),
                        (good.replace("env:", "file:/nowhere/"), "KMSAccessDeniedException"),
                        (good.replace("env:", "command:false "), "KMSAccessDeniedException"),
                        (good.replace("env:", "command:echo no key "), "KMSInvalidStateException"),
                        (good.replace("env:ORDERS", "env:OTHER"), "KMSInvalidStateException"),
                        (good.replace("env:", "command:sleep 1000; "), "KMSThrottlingException")):
        keys.tables[KEY_ID] = body
        keys.apply()
        if "command" in body and error != "KMSThrottlingException":
            def ended():
                try:
                    start(client, "kept", "alias/orders")
                except client.exceptions.ClientError as raised:
                    return raised.response["Error"]["Code"] != "KMSThrottlingException"
                return True
            wait_until(ended)
        if "OTHER" in body:  # a key that is there, and another one
            expect(error, lambda: put(client, "kept", "refused"))
            expect(error, lambda: read_all(client, "kept"))
        else:
            refused(error)
    # Others go on meanwhile, and encryption can be stopped without its key.
    assert put(client, "plain", "meanwhile") == {None}
    expect("KMSThrottlingException", lambda: put(client, "stopped", "refused"))
    stop(client, "stopped", "alias/orders")
    assert put(client, "stopped", "plain") == {None}
    del keys.tables[KEY_ID]
    keys.apply()
    refused("KMSNotFoundException")
    keys.tables[KEY_ID] = good
    keys.apply()
    assert stored(client, "kept") == {"before": "KMS"}
    put(client, "kept", "after")
    assert stored(client, "kept") == {"before": "KMS", "after": "KMS"}


def check_lost_key(region):
    """The data directory's own key is gone: that is said, and no other one takes its place."""
    key, away = region.data / "master.key", region.directory / "away"
    client = region.client()
    client.create_stream(StreamName="default", ShardCount=1)
    start(client, "default")
    put(client, "default", "before")
    region.kill()
    key.rename(away)
    code, said = doctor(region)
    assert code == 1 and re.search(rf"{key} doesn't open data key \d+ of stream default: ", said), said
    region.start()
    client = region.client()
    expect("KMSAccessDeniedException", lambda: stored(client, "default"), "data-directory")
    expect("KMSAccessDeniedException", lambda: put(client, "default", "refused"))
    made = subprocess.run([str(BINARY), "keys", "create", "me", "--data", str(region.data)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 1 and "data-directory" in made.stderr, made
    assert not key.exists()
    region.kill()
    away.rename(key)
    region.start()
    assert stored(region.client(), "default") == {"before": "KMS"}


def check_segments(region):
    """Enough for segments: they hold nothing plain either, and are read back."""
    client = region.client()
    client.create_stream(StreamName="bulk", ShardCount=4)
    start(client, "bulk", "alias/orders")
    line = (MARKER + " ").encode() * 1500
    sent = 0
    for batch in range(40):
        answer = client.put_records(StreamName="bulk", Records=[
            {"Data": line + b"%d" % (batch * 20 + i), "PartitionKey": f"{MARKER}-{batch * 20 + i}"}
            for i in range(20)])
        assert answer["FailedRecordCount"] == 0 and answer["EncryptionType"] == "KMS", answer
        sent += 20
    wait_until(lambda: any((region.data / "segments").iterdir()))
    region.kill()
    region.start()  # what the journal held goes into a segment
    client = region.client()
    found = [record for records in read_all(client, "bulk").values() for record in records]
    assert len(found) == sent and all(r["EncryptionType"] == "KMS" for r in found)
    assert {bytes(r["Data"][len(line):]) for r in found} == {b"%d" % i for i in range(sent)}
    assert region.stop() == 0
    code, said = doctor(region, "--prove-encrypted", "bulk")
    assert code == 0, said
    # A flipped byte is damage: told by the doctor, and never given to a reader.
    segment = max((region.data / "segments").glob("*.segment"), key=lambda path: path.stat().st_size)
    bytes_ = bytearray(segment.read_bytes())
    bytes_[5000] ^= 1
    segment.write_bytes(bytes_)
    code, said = doctor(region)
    assert code == 1 and re.search(rf"{segment}, byte \d+: .*damaged", said), said
    bytes_[5000] ^= 1
    segment.write_bytes(bytes_)
    region.start()


def print_ratio(region):
    """Turn by turn, and the fastest of each: other processes have this machine too."""
    client = region.client()
    records = [{"Data": os.urandom(10_000), "PartitionKey": str(i)} for i in range(100)]
    fastest = {"fast-plain": float("inf"), "fast-encrypted": float("inf")}
    for stream in fastest:
        client.create_stream(StreamName=stream, ShardCount=2)
    start(client, "fast-encrypted")
    for _ in range(40):
        for stream in fastest:
            begin = time.monotonic()
            client.put_records(StreamName=stream, Records=records)
            fastest[stream] = min(fastest[stream], time.monotonic() - begin)
    print(f"PutRecords of 1 MB: {fastest['fast-encrypted'] / fastest['fast-plain']:.2f} x the time of "
          "a plain stream where it is encrypted")


def main():
    os.environ["ORDERS_KEY"] = key_text("orders")
    os.environ["OTHER_KEY"] = key_text("other")
    region = Region()
    keys = Keys(region)
    keys.tables[KEY_ID] = 'aliases = ["alias/orders"]\nsource = "env:ORDERS_KEY"\n'
    keys.write()
    with region:
        region.client().create_stream(StreamName="plain", ShardCount=1)
        check_life(region)
        check_keys(region, keys)
        check_lost_key(region)
        check_segments(region)
        print_ratio(region)
    print("encryption: keys of all kinds, rotation, missing keys, and files without plaintext")


if __name__ == "__main__":
    main()
