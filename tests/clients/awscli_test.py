"""awscli, unmodified: `awscli_test.py AWS` runs that program as a person would, with telemetry in files."""

import base64
import json
import subprocess
import sys

from verified import VerifiedRegion
from telemetry_records import compare

STREAM = "awscli"


class Aws:
    def __init__(self, program, region):
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.version = (version.stdout + version.stderr).split()[0].removeprefix("aws-cli/")  # 1 says it on stderr
        self.program, self.region = program, region
        self.environment = region.environment() | {"AWS_PAGER": ""}

    def run(self, operation, *options, secret=None, endpoint=None):
        environment = self.environment | ({"AWS_SECRET_ACCESS_KEY": secret} if secret else {})
        return subprocess.run([self.program, "--endpoint-url", endpoint or self.region.endpoint, "--output", "json",
                               "kinesis", *operation.split(), *options], env=environment, capture_output=True, text=True,
                              timeout=60, check=False)

    def __call__(self, operation, *options, **where):
        """Its answer; of one that has none, None."""
        ended = self.run(operation, *options, **where)
        assert ended.returncode == 0, f"aws kinesis {operation}: {ended.stderr}"
        return json.loads(ended.stdout) if ended.stdout.strip() else None

    def refused(self, error, operation, *options, **where):
        ended = self.run(operation, *options, **where)
        assert ended.returncode != 0 and f"({error})" in ended.stderr, f"aws kinesis {operation}: {ended.stderr}"


def put_telemetry(aws, region):
    for at in range(0, len(region.records), 500):
        batch = region.directory / "batch.json"
        # awscli 2 takes the bytes of a blob in base64, awscli 1 as they are.
        encode = (lambda data: base64.b64encode(data.encode()).decode()) if aws.version.startswith("2") else str
        batch.write_text(json.dumps([{"PartitionKey": key, "Data": encode(data)}
                                     for key, data in region.records[at:at + 500]]), "utf-8")
        answer = aws("put-records", "--stream-name", STREAM, "--records", f"file://{batch}")
        assert answer["FailedRecordCount"] == 0


def read_telemetry(aws):
    found = []
    for shard in aws("list-shards", "--stream-name", STREAM)["Shards"]:
        iterator = aws("get-shard-iterator", "--stream-name", STREAM, "--shard-id", shard["ShardId"],
                       "--shard-iterator-type", "TRIM_HORIZON")["ShardIterator"]
        while True:
            answer = aws("get-records", "--shard-iterator", iterator)
            if not answer["Records"]:
                break
            found += [base64.b64decode(record["Data"]).decode() for record in answer["Records"]]
            iterator = answer["NextShardIterator"]
    return found


def settings(aws):
    of = ("--stream-name", STREAM)
    arn = aws("describe-stream-summary", *of)["StreamDescriptionSummary"]["StreamARN"]
    aws("add-tags-to-stream", *of, "--tags", "team=river,tier=1")
    aws("remove-tags-from-stream", *of, "--tag-keys", "tier")
    assert aws("list-tags-for-stream", *of)["Tags"] == [{"Key": "team", "Value": "river"}]
    aws("increase-stream-retention-period", *of, "--retention-period-hours", "48")
    assert aws("describe-stream-summary", *of)["StreamDescriptionSummary"]["RetentionPeriodHours"] == 48
    aws("register-stream-consumer", "--stream-arn", arn, "--consumer-name", "reader")
    consumer = aws("describe-stream-consumer", "--stream-arn", arn, "--consumer-name", "reader")["ConsumerDescription"]
    assert consumer["ConsumerStatus"] == "ACTIVE"
    assert len(aws("list-stream-consumers", "--stream-arn", arn)["Consumers"]) == 1
    aws("deregister-stream-consumer", "--consumer-arn", consumer["ConsumerARN"])
    aws("split-shard", *of, "--shard-to-split", "shardId-000000000000", "--new-starting-hash-key", "1000")
    aws("merge-shards", *of, "--shard-to-merge", "shardId-000000000002", "--adjacent-shard-to-merge", "shardId-000000000003")
    assert len(aws("list-shards", *of)["Shards"]) == 5
    aws("update-shard-count", *of, "--target-shard-count", "4", "--scaling-type", "UNIFORM_SCALING")
    assert aws("describe-stream-summary", *of)["StreamDescriptionSummary"]["OpenShardCount"] == 4


def encryption(aws):
    of = ("--stream-name", STREAM)
    key = ("--encryption-type", "KMS", "--key-id", "alias/aws/kinesis")
    aws("start-stream-encryption", *of, *key)
    aws("wait stream-exists", *of)
    assert aws("describe-stream-summary", *of)["StreamDescriptionSummary"]["EncryptionType"] == "KMS"
    put = aws("put-record", *of, "--partition-key", "k", "--data", "AAAA")
    assert put["EncryptionType"] == "KMS"
    aws("stop-stream-encryption", *of, *key)
    aws("wait stream-exists", *of)
    start = aws("get-shard-iterator", *of, "--shard-id", put["ShardId"], "--shard-iterator-type", "AT_SEQUENCE_NUMBER",
                "--starting-sequence-number", put["SequenceNumber"])["ShardIterator"]
    [record] = aws("get-records", "--shard-iterator", start)["Records"]
    assert record["EncryptionType"] == "KMS" and record["PartitionKey"] == "k"


def main():
    with VerifiedRegion() as region:
        aws = Aws(sys.argv[1], region)
        aws("create-stream", "--stream-name", STREAM, "--shard-count", "2")
        aws("wait stream-exists", "--stream-name", STREAM)
        put_telemetry(aws, region)
        compare(region.records, read_telemetry(aws))
        settings(aws)
        encryption(aws)
        aws.refused("ResourceInUseException", "create-stream", "--stream-name", STREAM, "--shard-count", "1")
        aws.refused("ResourceNotFoundException", "describe-stream", "--stream-name", "none")
        aws.refused("InvalidArgumentException", "get-records", "--shard-iterator", "made-up")
        aws.refused("InvalidSignatureException", "list-streams", secret="another")
        names = aws("list-streams", "--ca-bundle", str(region.authority), endpoint=region.tls_endpoint)["StreamNames"]
        assert names == [STREAM]
        aws("delete-stream", "--stream-name", STREAM)
        aws("wait stream-not-exists", "--stream-name", STREAM)
        assert region.spoken() == {"HTTP/1.1"}
        assert region.stop() == 0
    print(f"ran: JSON over HTTP/1.1, once in TLS | {len(region.records)} records of telemetry in and out, tags, retention, "
          "consumers, split, merge, shard count, encryption, waiters, errors")


if __name__ == "__main__":
    main()
