"""The Kinesis Client Library: `kcl_test.py 2` or `3` runs its polling and its fan-out reader on one stream,
which is split, merged and encrypted while telemetry flows, kills them, and lets others go on from their leases.
A quarter of the telemetry comes from the Kinesis Producer Library, in aggregates that the readers take apart.

Its leases are in dynalite (npm), an implementation of DynamoDB by others: AWS's own DynamoDB Local comes
under terms that let nobody pass it on. Its metrics go to a double that only counts them: what CloudWatch
does with them is nothing of Kinesis.
"""

import gzip
import http.server
import subprocess
import sys
import threading
import time

import boto3

from verified import HERE, VerifiedRegion, java
from region import free_port, wait_until
from telemetry_records import compare, write

STREAM = "kcl"
APPLICATIONS = ("polling", "fan-out")
COUNT = 4000
AGGREGATED = COUNT // 4
SECONDS = 90  # until everything is read; the library waits up to 30 by itself before it starts


class Metrics(http.server.BaseHTTPRequestHandler):
    """PutMetricData, in AWS's query protocol (KCL 2) and in rpc-v2-cbor (KCL 3)."""

    protocol_version = "HTTP/1.1"
    taken, strange = 0, []

    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        cbor = self.headers.get("Smithy-Protocol") == "rpc-v2-cbor"
        if self.path.endswith("/PutMetricData") if cbor else b"Action=PutMetricData" in body:
            Metrics.taken += 1
        else:
            Metrics.strange.append((self.path, body[:100]))
        answer = (b"\xa0" if cbor else b'<PutMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/">'
                  b"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></PutMetricDataResponse>")
        self.send_response(200)
        if cbor:
            self.send_header("Smithy-Protocol", "rpc-v2-cbor")
        self.send_header("Content-Type", "application/cbor" if cbor else "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class MetricsServer(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):  # pylint: disable=arguments-differ
        pass  # a reader that is killed takes its connections with it


class Leases:
    """The lease tables: dynalite in a process of its own."""

    def __init__(self, region):
        self.port = free_port()
        self.process = subprocess.Popen(["node", HERE / "dynamodb" / "serve.js", str(self.port)])
        self.client = boto3.client("dynamodb", endpoint_url=self.endpoint, region_name="us-east-1",
                                   aws_access_key_id=region.ACCESS_KEY, aws_secret_access_key=region.SECRET_KEY)
        wait_until(self.answers)
        for application in APPLICATIONS:
            self.create(application)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def answers(self):
        try:
            self.client.list_tables()
        except self.client.exceptions.ClientError:
            raise
        except Exception:  # pylint: disable=broad-except
            return False
        return True

    def create(self, application):
        """As KCL 3 would, but in one call: dynalite can't add an index to a table."""
        self.client.create_table(
            TableName=application, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"},
                                  {"AttributeName": "leaseOwner", "AttributeType": "S"}],
            GlobalSecondaryIndexes=[{"IndexName": "LeaseOwnerToLeaseKeyIndex",
                                     "KeySchema": [{"AttributeName": "leaseOwner", "KeyType": "HASH"},
                                                   {"AttributeName": "leaseKey", "KeyType": "RANGE"}],
                                     "Projection": {"ProjectionType": "KEYS_ONLY"}}])

    def checkpoints(self, application):
        """shard → its checkpoint."""
        items = self.client.scan(TableName=application)["Items"]
        return {item["leaseKey"]["S"]: item["checkpoint"]["S"] for item in items if "checkpoint" in item}

    def stop(self):
        self.process.kill()
        self.process.wait()


class Reader:
    """A process of KclTest; what it has said is in `lines`."""

    def __init__(self, version, region, leases, metrics):
        self.log = open(region.directory / "kcl.log", "ab")
        self.process = subprocess.Popen(
            [*java(f"kcl{version}", "KclTest"), region.endpoint, leases.endpoint, metrics, STREAM],
            env=region.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            if line.endswith("\n"):  # a kill may cut one
                self.lines.append(line[:-1])

    def end(self, kill=False):
        """How it ended, and all that it said."""
        if kill:
            self.process.kill()
        else:
            self.process.stdin.close()
        code = self.process.wait(100)
        self.thread.join()
        self.log.close()
        return code, self.lines


def said(lines, application, what):
    begin = f"{application} {what} "
    return [line[len(begin):] for line in lines if line.startswith(begin)]


class Producer:
    """Puts telemetry at a steady pace, on a thread of its own, until all of it is there."""

    def __init__(self, region):
        self.client, self.records = region.client(), region.records[AGGREGATED:]
        self.put, self.failed = 0, None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            for at in range(0, len(self.records), 40):
                entries = [{"Data": data.encode(), "PartitionKey": key} for key, data in self.records[at:at + 40]]
                answer = self.client.put_records(StreamName=STREAM, Records=entries)
                assert answer["FailedRecordCount"] == 0, answer
                self.put = at + len(entries)
                time.sleep(0.1)  # its pace
        except Exception as error:  # pylint: disable=broad-except
            self.failed = error

    def has_put(self, count):
        if self.failed:
            raise self.failed
        return self.put >= count


def put_aggregates(region):
    """It speaks before the readers do, and alone, since it takes a while to notice new shards."""
    aggregates = region.directory / "aggregates.tsv"
    write(aggregates, region.records[:AGGREGATED])
    region.run(*java("java", "KplTest"), region.port, STREAM, aggregates)


def compare_all(region, got):
    """The producer library's own requests overtake one another; the others' are in order."""
    aggregated = {data for _, data in region.records[:AGGREGATED]}
    compare(region.records[:AGGREGATED], [data for data in got if data in aggregated], duplicates=True, ordered=False)
    compare(region.records[AGGREGATED:], [data for data in got if data not in aggregated], duplicates=True)


def reshard(client):
    """Splits the first shard and merges its second half with the shard that was beside it; those that ended."""
    first, second = [shard for shard in client.list_shards(StreamName=STREAM)["Shards"]
                     if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
    low, high = (int(first["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey"))
    client.split_shard(StreamName=STREAM, ShardToSplit=first["ShardId"], NewStartingHashKey=str((low + high) // 2))
    half = next(shard["ShardId"] for shard in client.list_shards(StreamName=STREAM)["Shards"]
                if shard.get("ParentShardId") == first["ShardId"] and shard["HashKeyRange"]["EndingHashKey"] == str(high))
    client.merge_shards(StreamName=STREAM, ShardToMerge=half, AdjacentShardToMerge=second["ShardId"])
    return [first["ShardId"], half, second["ShardId"]]


def read_everything(version, region, leases, metrics):
    """What both applications said, the second process of them going on where the first was killed."""
    client = region.client()
    client.create_stream(StreamName=STREAM, ShardCount=2)
    reader = Reader(version, region, leases, metrics)

    def have(lines, count):
        assert reader.process.poll() is None, f"KclTest ended with {reader.process.returncode}"
        return all(len(set(said(lines, application, "record"))) >= count for application in APPLICATIONS)
    try:
        put_aggregates(region)
        wait_until(lambda: all(said(reader.lines, application, "began") for application in APPLICATIONS), SECONDS)
        producer = Producer(region)
        wait_until(lambda: producer.has_put(COUNT // 4), SECONDS)
        ended = reshard(client)
        client.start_stream_encryption(StreamName=STREAM, EncryptionType="KMS", KeyId="alias/aws/kinesis")
        wait_until(lambda: have(reader.lines, COUNT // 2), SECONDS)
        _, before = reader.end(kill=True)
        reader = Reader(version, region, leases, metrics)
        wait_until(lambda: producer.has_put(COUNT - AGGREGATED) and have(before + reader.lines, COUNT), SECONDS)
        code, after = reader.end()
        assert code == 0, "it did not stop cleanly"
    finally:
        if reader.process.poll() is None:
            reader.end(kill=True)
    for application in APPLICATIONS:
        lines = before + after
        compare_all(region, said(lines, application, "record"))
        again = len(said(after, application, "record"))
        assert again < COUNT * 3 // 4, f"{application}: {again} records after the start from its leases"
        assert set(said(lines, application, "ended")) == set(ended), f"{application}: {said(lines, application, 'ended')}"
        checkpoints = leases.checkpoints(application)
        assert all(checkpoints.get(shard, "SHARD_END") == "SHARD_END" for shard in ended), checkpoints


def main():
    version = sys.argv[1]
    metrics = MetricsServer(("127.0.0.1", 0), Metrics)
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    with VerifiedRegion(COUNT) as region:
        leases = Leases(region)
        try:
            read_everything(version, region, leases, f"http://127.0.0.1:{metrics.server_port}")
        except BaseException:
            print((region.directory / "kcl.log").read_text("utf-8", errors="replace")[-6000:])
            raise
        finally:
            leases.stop()
        assert "HTTP/2" in region.spoken()
        assert Metrics.taken > 0 and not Metrics.strange, f"{Metrics.taken} publications of metrics, {Metrics.strange}"
        assert region.stop() == 0
    print(f"ran: CBOR over HTTP/2 | {COUNT} records of telemetry, {AGGREGATED} of them from the KPL, read by polling "
          "and by enhanced fan-out, across a split, "
          "a merge, the start of encryption and a kill of the reader: complete, every key but the KPL's in order, every shard's end seen")


if __name__ == "__main__":
    main()
