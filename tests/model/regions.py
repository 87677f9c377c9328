"""The regions whose answers are looked at, each configured for some errors, and what is in them."""

import resource
import signal

import api
import raw
from bases import BASES, SHARD, Target
from region import Region, wait_until

KEY = f'[[serve.keys]]\naccess_key = "{raw.ACCESS_KEY}"\nsecret_key = "{raw.SECRET_KEY}"\n'
SMALL = "journal_file_mib = 16\nqueue_mib = 8\ntail_mib = 8\n"

DENIAL = ('{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",'
          '"Action":"kinesis:*","Resource":"%s"}]}')


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


def make_denied(way, stream):
    """A stream that nobody may do anything with, nor with its consumer."""
    do(way, "CreateStream", {"StreamName": stream, "ShardCount": 2})
    target = Target(stream, iterator=iterator(way, stream))
    registered = do(way, "RegisterStreamConsumer", BASES["RegisterStreamConsumer"](target))
    target.consumer_arn = registered["Consumer"]["ConsumerARN"]
    for arn in (target.consumer_arn, target.arn):
        do(way, "PutResourcePolicy", {"ResourceARN": arn, "Policy": DENIAL % arn})
    return target


class Plain:
    """Streams that are there, and an iterator of one that is there no more."""

    def __init__(self, stack):
        region = stack.enter_context(configured())
        self.way = api.Api(region.port)
        for name, shards in (("s", 2), ("gone", 1)):
            do(self.way, "CreateStream", {"StreamName": name, "ShardCount": shards})
        do(self.way, "CreateStream", {"StreamName": "on-demand",
                                      "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})
        self.denied = make_denied(self.way, "denied")
        self.orphan = iterator(self.way, "gone")
        do(self.way, "DeleteStream", {"StreamName": "gone"})
        consumer = do(self.way, "RegisterStreamConsumer",
                      BASES["RegisterStreamConsumer"](Target("s")))["Consumer"]
        self.target = Target("s", "c", consumer["ConsumerARN"], iterator(self.way, "s"))
        self.subscription = api.Api(region.port)

    def subscribe(self):
        """So that another subscription of the consumer is refused, for some seconds."""
        self.subscription.ask("SubscribeToShard", BASES["SubscribeToShard"](self.target))


class Committed:
    """An account that committed to a throughput, and a stream that is kept warm for it."""

    def __init__(self, stack):
        region = stack.enter_context(configured())
        self.way = api.Api(region.port)
        do(self.way, "UpdateAccountSettings", {"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}})
        do(self.way, "CreateStream", {"StreamName": "warm", "WarmThroughputMiBps": 4,
                                      "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})


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


class Limited:
    """Kinesis's own rates and quotas: `calls` and `throughput` ask until they are told of them."""

    def __init__(self, stack):
        region = stack.enter_context(configured('limits = "aws"'))
        way = api.Api(region.port)
        do(way, "CreateStream", {"StreamName": "s", "ShardCount": 1})
        consumer = do(way, "RegisterStreamConsumer", BASES["RegisterStreamConsumer"](Target("s")))
        self.target = Target("s", "c", consumer["Consumer"]["ConsumerARN"], iterator(way, "s"))
        self.calls = Insistent(way, "LimitExceededException")
        self.throughput = Insistent(way, "ProvisionedThroughputExceededException")


class Insistent:
    """Asks the same many times at once, and again, until it is told of that error."""

    def __init__(self, way, error):
        self.way, self.error = way, error

    def ask(self, operation, members, content_type):
        """The first answer with the error, or the last of many without it."""
        copies = 3 if operation in ("PutRecord", "PutRecords") else 500
        for _ in range(20):
            for answer in self.way.ask_at_once(operation, members, content_type, copies):
                if answer.told == self.error:
                    self.way.close()  # what else is on its way
                    return answer
        return answer


class Keyless:
    """Streams that are named for what has become of their master keys: each was good once, and its
    stream holds a record.
    """

    BROKEN = {"denied": 'source = "file:/nowhere/key"', "disabled": 'source = "env:X"\ndisabled = true',
              "invalid": 'source = "env:PATH"', "gone": None,
              "fetched": 'source = "command:sleep 1000"'}

    def __init__(self, stack):
        good = {name: 'source = "command:printf %064d 7"' for name in self.BROKEN}
        self.region = region = stack.enter_context(configured("", self.tables(good)))
        self.way = way = api.Api(region.port)
        self.iterators = {}
        for name in self.BROKEN:
            do(way, "CreateStream", {"StreamName": name, "ShardCount": 1})
            start = {"StreamName": name, "EncryptionType": "KMS", "KeyId": name}
            # A command may take its time.
            wait_until(lambda start=start: way.ask("StartStreamEncryption", start).status == 200)
            do(way, "PutRecord", BASES["PutRecord"](Target(name)))
            self.iterators[name] = iterator(way, name)
        way.close()
        assert region.stop() == 0
        region.config.write_text(f"{KEY}{self.tables(self.BROKEN)}")
        region.start()

    @staticmethod
    def tables(sources):
        return "".join(f'[[serve.master_keys]]\nid = "{name}"\n{source}\n'
                       for name, source in sources.items() if source)

    def fetch_again(self):
        """The command that is "fetched" has all its time ahead again."""
        log = self.region.directory / "log"
        seen = len(log.read_text("utf-8"))
        self.region.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration reloaded" in log.read_text("utf-8")[seen:])

    def members(self, name, operation):
        if operation == "GetRecords":
            return {"ShardIterator": self.iterators[name]}
        members = BASES[operation](Target(name))
        return members | {"KeyId": name} if operation == "StartStreamEncryption" else members
