"""What is answered where nothing is wrong, in each of the API's formats: every operation's answer and
SubscribeToShard's events, held against the output shapes of the pinned service model; the largest records; and
that what isn't supported says so.
"""

import base64
import pathlib
import re
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import api  # noqa: E402
import outputs  # noqa: E402
import raw  # noqa: E402
import regions  # noqa: E402
import service_model  # noqa: E402
from bases import BASES, SHARD, Target, stream_arn  # noqa: E402

# In an order in which each succeeds, from a stream of two shards to none. Twice where the answer has more then.
DESCRIPTIONS = ("DescribeStream", "DescribeStreamSummary", "ListShards", "ListStreams")
CALLS = (
    "CreateStream", *DESCRIPTIONS, "PutRecord", "PutRecords", "GetShardIterator", "GetRecords",
    "RegisterStreamConsumer", "DescribeStreamConsumer", "ListStreamConsumers", "SubscribeToShard",
    "AddTagsToStream", "TagResource", "ListTagsForStream", "ListTagsForResource", "RemoveTagsFromStream",
    "UntagResource", "DescribeAccountSettings", "UpdateAccountSettings", "DescribeLimits",
    "EnableEnhancedMonitoring", "DescribeStream", "DescribeStreamSummary", "DisableEnhancedMonitoring",
    "IncreaseStreamRetentionPeriod", "DecreaseStreamRetentionPeriod", "PutResourcePolicy", "GetResourcePolicy",
    "DeleteResourcePolicy", "GetResourcePolicy", "StartStreamEncryption", "DescribeStream",
    "DescribeStreamSummary", "PutRecord", "PutRecords", "GetRecords", "StopStreamEncryption",
    "UpdateMaxRecordSize", "MergeShards", *DESCRIPTIONS, "UpdateShardCount", "SplitShard", "GetRecords",
    "UpdateStreamMode", "UpdateStreamRecordDistributionStrategy", "UpdateStreamWarmThroughput", *DESCRIPTIONS,
    "DeregisterStreamConsumer", "DeleteStream")
# What a request in that place says beside its base.
CHANGES = {"CreateStream": {"ShardCount": 2, "Tags": {"first": "tag"}}, "UpdateShardCount": {"TargetShardCount": 2},
           "SplitShard": {"ShardToSplit": "shardId-000000000003", "NewStartingHashKey": str(1 << 126)}}


def event_messages(data):
    """The whole messages of an event stream: their headers, all of them strings, and payloads."""
    while len(data) >= 16 and len(data) >= struct.unpack(">I", data[:4])[0]:
        size, headers_size = struct.unpack(">II", data[:8])
        left, headers = data[12:12 + headers_size], {}
        while left:
            name_end = 1 + left[0]
            name, length = left[1:name_end].decode(), struct.unpack(">H", left[name_end + 1:name_end + 3])[0]
            headers[name] = left[name_end + 3:name_end + 3 + length].decode()
            left = left[name_end + 3 + length:]
        yield headers, data[12 + headers_size:size - 4]
        data = data[size:]


def unchunked(data):
    whole = b""
    while b"\r\n" in data:
        size, _, data = data.partition(b"\r\n")
        if len(data) < int(size, 16):
            break
        whole, data = whole + data[:int(size, 16)], data[int(size, 16) + 2:]
    return whole


def subscribed(port, consumer_arn, content_type):
    """The first two messages of a subscription to a shard that has a record."""
    rpc = content_type == api.RPC_CBOR
    body = api.encode({"ConsumerARN": consumer_arn, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}},
                      content_type)
    with socket.create_connection(("127.0.0.1", port), raw.LONGEST) as connection:
        connection.sendall(raw.call(
            "SubscribeToShard", body, port, content_type=content_type, target="" if rpc else None,
            path="/service/Kinesis_20131202/operation/SubscribeToShard" if rpc else "/"))
        received, messages = b"", []
        while len(messages) < 2:
            part = connection.recv(1 << 16)
            assert part, f"the connection ended: {received}"
            received += part
            messages = list(event_messages(unchunked(received.partition(b"\r\n\r\n")[2])))
    return messages[:2]


def check_events(model, way, content_type):
    stream = "events"
    regions.do(way, "CreateStream", {"StreamName": stream, "ShardCount": 1})
    consumer = regions.do(way, "RegisterStreamConsumer", {"StreamARN": stream_arn(stream), "ConsumerName": "c"})
    regions.do(way, "PutRecord", BASES["PutRecord"](Target(stream)))
    (began, _), (headers, payload) = subscribed(way.port, consumer["Consumer"]["ConsumerARN"], content_type)
    assert (began[":message-type"], began[":event-type"]) == ("event", "initial-response"), began
    assert (headers[":message-type"], headers[":event-type"]) == ("event", "SubscribeToShardEvent"), headers
    assert headers[":content-type"] == content_type, headers
    event = api.decode(payload, content_type)
    yield from outputs.differences(model, "SubscribeToShardEvent", event, content_type, "SubscribeToShardEvent")
    data = event["Records"][0]["Data"]
    if (base64.b64decode(data) if content_type == api.JSON else data) != b"data":
        yield f"an event's record in {content_type}: {data}"
    regions.do(way, "DeleteStream", {"StreamName": stream, "EnforceConsumerDeletion": True})


def check_answers(model, way, content_type):
    target, asked = Target("answers"), set()
    for operation in CALLS:
        members = BASES[operation](target) | CHANGES.get(operation, {})
        answer = way.ask(operation, members, content_type)
        asked.add(operation)
        if answer.status != 200:
            yield f"{operation} {members}: {answer}"
            continue
        if answer.content_type == api.EVENT_STREAM:  # check_events() looks at one
            continue
        output = model.operations[operation].get("output")
        if output:
            yield from outputs.differences(model, output["shape"], answer.document, content_type, operation)
        elif answer.document:
            yield f"{operation} answers {answer.document}, in the model nothing"
        target.iterator = answer.document.get("ShardIterator", target.iterator)
        target.consumer_arn = answer.document.get("Consumer", {}).get("ConsumerARN", target.consumer_arn)
    assert asked == set(model.operations), asked ^ set(model.operations)


def check_largest(way, content_type):
    """A record of 10 MiB, its key counted, is taken and given; a byte more is not."""
    regions.do(way, "CreateStream", {"StreamName": "large", "ShardCount": 1, "MaxRecordSizeInKiB": 10240})
    data = b"\x07" * (10240 * 1024 - 1)
    for operation in ("PutRecord", "PutRecords"):
        for more, error in ((b"", None), (b"\x07", "InvalidArgumentException")):
            record = {"Data": data + more, "PartitionKey": "k"}
            members = {"Records": [record]} if operation == "PutRecords" else record
            answer = way.ask(operation, members | {"StreamName": "large"}, content_type)
            if answer.told != error:
                yield f"{operation} of {len(data + more) + 1} bytes in {content_type}: {answer}"
    answer = way.ask("GetRecords", {"ShardIterator": regions.iterator(way, "large")}, content_type)
    given = answer.document["Records"][0]["Data"]
    if (base64.b64decode(given) if content_type == api.JSON else given) != data:
        yield f"the largest record in {content_type}: {len(given)} bytes come back"
    regions.do(way, "DeleteStream", {"StreamName": "large"})


def unsupported():
    """As docs/compatibility.md names them."""
    page = (service_model.ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    found = re.search(r"channels \(([^)]*)\) and queues \(([^)]*)\) answer UnknownOperationException", page, re.DOTALL)
    return re.findall(r"\w+", f"{found[1]}, {found[2]}")


def check_unsupported(way, content_type):
    for operation in unsupported():
        answer = way.ask(operation, {}, content_type)
        if (answer.status, answer.error) != (400, "UnknownOperationException"):
            yield f"{operation} in {content_type}: {answer}"


def main():
    model = service_model.load()
    assert len(unsupported()) == 17, unsupported()
    with regions.configured() as region:
        way, problems = api.Api(region.port), []
        for content_type in api.FORMATS:
            problems += [f"{content_type}: {problem}" for problem in check_answers(model, way, content_type)]
            problems += [*check_events(model, way, content_type), *check_largest(way, content_type),
                         *check_unsupported(way, content_type)]
        way.close()
        assert region.stop() == 0
    if problems:
        raise SystemExit("\n".join(problem[:1000] for problem in problems))
    print(f"answers: {len(model.operations)} operations, events, the largest records and {len(unsupported())} "
          f"unsupported operations in {len(api.FORMATS)} formats: as in the model")


if __name__ == "__main__":
    main()
