"""The regions whose answers are looked at, each configured for some errors, and what is in them."""

import resource

import api
import raw
from bases import BASES, SHARD, Target
from region import Region, wait_until

KEY = f'[[serve.keys]]\naccess_key = "{raw.ACCESS_KEY}"\nsecret_key = "{raw.SECRET_KEY}"\n'
SMALL = "journal_file_mib = 16\nqueue_mib = 8\ntail_mib = 8\n"


def configured(settings="", tables=""):
    """With the key that raw requests are signed by."""
    region = Region()
    region.config = region.directory / "spillway.toml"
    region.config.write_text(f"[serve]\n{settings}\n{KEY}{tables}")
    region.arguments = ("--config", str(region.config))
    return region


def do(way, operation, members):
    """What has to succeed; its document."""
    answer = way.ask(operation, members)
    assert answer.status == 200, f"{operation} {members}: {answer}"
    return answer.document


def iterator(way, stream, **members):
    members = {"StreamName": stream, "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"} | members
    return do(way, "GetShardIterator", members)["ShardIterator"]


class Plain:
    """Streams that are there, and an iterator of one that is there no more."""

    def __init__(self, stack):
        region = stack.enter_context(configured())
        self.way = api.Api(region.port)
        for name, shards in (("s", 2), ("gone", 1)):
            do(self.way, "CreateStream", {"StreamName": name, "ShardCount": shards})
        do(self.way, "CreateStream", {"StreamName": "on-demand",
                                      "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})
        self.orphan = iterator(self.way, "gone")
        do(self.way, "DeleteStream", {"StreamName": "gone"})
        consumer = do(self.way, "RegisterStreamConsumer",
                      BASES["RegisterStreamConsumer"](Target("s")))["Consumer"]
        self.target = Target("s", "c", consumer["ConsumerARN"], iterator(self.way, "s"))
        self.subscription = api.Api(region.port)

    def subscribe(self):
        """So that another subscription of the consumer is refused, for some seconds."""
        self.subscription.ask("SubscribeToShard", BASES["SubscribeToShard"](self.target))


class Slow:
    """Streams whose creation and deletion take longer than any test."""

    def __init__(self, stack):
        region = stack.enter_context(configured("transition_ms = 600000"))
        self.way = api.Api(region.port)
        for name in ("creating", "deleting"):
            do(self.way, "CreateStream", {"StreamName": name, "ShardCount": 2})
        do(self.way, "DeleteStream", {"StreamName": "deleting"})


class Brief:
    """Iterators and tokens that are too old. Which is waited for by asking."""

    def __init__(self, stack):
        region = stack.enter_context(configured("token_seconds = 1"))
        self.way = way = api.Api(region.port)
        for name in ("s", "t"):
            do(way, "CreateStream", {"StreamName": name, "ShardCount": 2})
        target = Target("s")
        for consumer in ("c", "d"):
            do(way, "RegisterStreamConsumer", {"StreamARN": target.arn, "ConsumerName": consumer})
        one = {"StreamARN": target.arn, "MaxResults": 1}
        self.members = {
            "GetRecords": {"ShardIterator": iterator(way, "s")},
            "ListShards": {"NextToken": do(way, "ListShards", one)["NextToken"]},
            "ListStreamConsumers": {"StreamARN": target.arn, "NextToken": do(
                way, "ListStreamConsumers", one)["NextToken"]},
            "ListStreams": {"NextToken": do(way, "ListStreams", {"Limit": 1})["NextToken"]}}
        for operation, members in self.members.items():
            wait_until(lambda: way.ask(operation, members).error is not None)


class Damaged:
    """What was stored can't be read: its segments are nothing but their footers."""

    FOOTER = 72  # docs/formats/segment.md

    def __init__(self, stack):
        region = stack.enter_context(configured(SMALL))
        self.way = api.Api(region.port)
        do(self.way, "CreateStream", {"StreamName": "s", "ShardCount": 1})
        put = do(self.way, "PutRecord", BASES["PutRecord"](Target("s")))
        self.way.close()
        assert region.stop() == 0
        region.start()  # what is in the journal of before goes into a segment
        assert region.stop() == 0
        for segment in (region.data / "segments").iterdir():
            content = segment.read_bytes()
            segment.write_bytes(bytes(len(content) - self.FOOTER) + content[-self.FOOTER:])
        region.start()
        self.iterator = iterator(self.way, "s", ShardIteratorType="AT_SEQUENCE_NUMBER",
                                 StartingSequenceNumber=put["SequenceNumber"])


class Unwritable:
    """No file may grow any more, nor be written where it is longer than that."""

    def __init__(self, stack):
        region = stack.enter_context(configured(SMALL))
        self.way = api.Api(region.port)
        do(self.way, "CreateStream", {"StreamName": "s", "ShardCount": 1})
        resource.prlimit(region.process.pid, resource.RLIMIT_FSIZE, (0, 0))
