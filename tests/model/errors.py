"""Every error that the model lists for an operation, caused through the API and the configuration of
real regions, in each of the API's formats.
"""

import api
import regions
from bases import BASES, SHARD, Target, stream_arn

# Heads of the table's columns, as short as they may be.
COLUMNS = {
    "AccessDeniedException": "Access denied",
    "DryRunOperationException": "Dry run",
    "ExpiredIteratorException": "Expired iterator",
    "ExpiredNextTokenException": "Expired token",
    "InternalFailureException": "Internal failure",
    "InvalidArgumentException": "Invalid argument",
    "KMSAccessDeniedException": "KMS access denied",
    "KMSDisabledException": "KMS disabled",
    "KMSInvalidStateException": "KMS invalid state",
    "KMSNotFoundException": "KMS not found",
    "KMSOptInRequired": "KMS opt-in",
    "KMSThrottlingException": "KMS throttling",
    "LimitExceededException": "Limit exceeded",
    "ProvisionedThroughputExceededException": "Throughput exceeded",
    "ResourceInUseException": "In use",
    "ResourceNotFoundException": "Not found",
    "ValidationException": "Validation",
}
EXPLAINED = {
    "KMSOptInRequired": "an account of AWS subscribes to its KMS; there is nothing to subscribe to here",
}

LARGE = {"Data": bytes(700_000), "PartitionKey": "key"}  # two of them are more than a shard takes a second

A_TOKEN = "A" * 100
NEITHER = {"ResourceARN": stream_arn("s").replace("stream/", "upstream/")}
WRONG_TAGS = {"Tags": {"aws:reserved": "v"}}
# What each operation gets InvalidArgumentException for; the others for naming no stream at all.
INVALID = {
    "CreateStream": lambda t: {"StreamName": "t"},
    "DeleteResourcePolicy": lambda t: NEITHER,
    "DeregisterStreamConsumer": lambda t: {"ConsumerName": "c"},
    "DescribeStreamConsumer": lambda t: {"ConsumerName": "c"},
    "GetRecords": lambda t: {"ShardIterator": A_TOKEN},
    "GetResourcePolicy": lambda t: NEITHER,
    "ListStreamConsumers": lambda t: {"StreamARN": t.arn, "NextToken": A_TOKEN},
    "ListStreams": lambda t: {"NextToken": A_TOKEN},
    "ListTagsForResource": lambda t: NEITHER,
    "PutResourcePolicy": lambda t: {"ResourceARN": t.arn, "Policy": "{}"},
    "RegisterStreamConsumer": lambda t: BASES["RegisterStreamConsumer"](t) | WRONG_TAGS,
    "SubscribeToShard": lambda t: BASES["SubscribeToShard"](t) | {
        "StartingPosition": {"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": "7"}},
    "TagResource": lambda t: {"ResourceARN": t.arn} | WRONG_TAGS,
    "UntagResource": lambda t: {"ResourceARN": t.arn, "TagKeys": [";"]},
    "UpdateStreamRecordDistributionStrategy": lambda t: {"StreamARN": t.arn,
                                                         "RecordDistributionStrategy": "AUTO"},
    "UpdateStreamMode": lambda t: {"StreamARN": t.arn, "WarmThroughputMiBps": 1,
                                   "StreamModeDetails": {"StreamMode": "PROVISIONED"}},
}


def unnamed(members):
    return {name: value for name, value in members.items() if name not in ("StreamName", "StreamARN")}


class Causes:
    """One function for each error: where to ask and what, so that the operation answers it."""

    def __init__(self, stack):
        self.plain, self.slow = regions.Plain(stack), regions.Slow(stack)
        self.brief, self.damaged = regions.Brief(stack), regions.Damaged(stack)
        self.unwritable, self.keyless = regions.Unwritable(stack), regions.Keyless(stack)
        self.limited, self.committed = regions.Limited(stack), regions.Committed(stack)

    def AccessDeniedException(self, operation):
        return self.plain.way, BASES[operation](self.plain.denied)

    def DryRunOperationException(self, operation):
        return self.plain.way, BASES[operation](self.plain.target) | {"DryRun": True}

    def ResourceNotFoundException(self, operation):
        if operation == "GetRecords":
            return self.plain.way, {"ShardIterator": self.plain.orphan}
        return self.plain.way, BASES[operation](Target("missing"))

    def ResourceInUseException(self, operation):
        if operation == "SubscribeToShard":
            self.plain.subscribe()
            return self.plain.way, BASES[operation](self.plain.target)
        name = "deleting" if operation == "DeleteStream" else "creating"
        return self.slow.way, BASES[operation](Target(name))

    def InvalidArgumentException(self, operation):
        target = self.plain.target
        if operation == "UpdateAccountSettings":
            return self.committed.way, BASES[operation](target)
        if operation in INVALID:
            return self.plain.way, INVALID[operation](target)
        return self.plain.way, unnamed(BASES[operation](target))

    def ValidationException(self, operation):
        if operation in ("MergeShards", "SplitShard", "UpdateShardCount"):
            return self.plain.way, BASES[operation](Target("on-demand"))
        return self.plain.way, {}

    def ExpiredIteratorException(self, operation):
        return self.brief.way, self.brief.members[operation]

    ExpiredNextTokenException = ExpiredIteratorException

    def LimitExceededException(self, operation):
        target = self.limited.target if operation == "SubscribeToShard" else Target("missing")
        return self.limited.calls, BASES[operation](target)

    def ProvisionedThroughputExceededException(self, operation):
        members = BASES[operation](self.limited.target)
        if operation == "PutRecord":
            members |= LARGE
        if operation == "PutRecords":
            members["Records"] = [LARGE] * 3
        return self.limited.throughput, members

    def InternalFailureException(self, operation):
        if operation == "GetRecords":
            return self.damaged.way, {"ShardIterator": self.damaged.iterator}
        if operation == "GetShardIterator":
            return self.damaged.way, {"StreamName": "s", "ShardId": SHARD, "Timestamp": api.Time(1),
                                      "ShardIteratorType": "AT_TIMESTAMP"}
        return self.unwritable.way, BASES[operation](Target("s"))

    def KMSAccessDeniedException(self, operation):
        return self.keyless.way, self.keyless.members("denied", operation)

    def KMSDisabledException(self, operation):
        return self.keyless.way, self.keyless.members("disabled", operation)

    def KMSInvalidStateException(self, operation):
        return self.keyless.way, self.keyless.members("invalid", operation)

    def KMSNotFoundException(self, operation):
        return self.keyless.way, self.keyless.members("gone", operation)

    def KMSThrottlingException(self, operation):
        self.keyless.fetch_again()
        return self.keyless.way, self.keyless.members("fetched", operation)


def check(model, operations, coverage, causes):
    """One error after the other, so that what was prepared for it is fresh."""
    for error in COLUMNS:
        for operation in operations:
            if error not in model.errors_of(operation):
                continue
            if error in EXPLAINED:
                coverage.explained(operation, error, "", EXPLAINED[error])
                continue
            way, members = getattr(causes, error)(operation)
            status = 500 if error == "InternalFailureException" else 400
            for content_type in api.FORMATS:
                answer = way.ask(operation, members, content_type)
                in_entry = operation == "PutRecords" and answer.status == 200
                if answer.told != error or not (in_entry or answer.status == status):
                    coverage.wrong(f"{operation} {error}, in {content_type}: {answer}")
            coverage.tested(operation, error)


def cells(model, operations):
    return {(operation, error, "") for operation in operations for error in model.errors_of(operation)}
