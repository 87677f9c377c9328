"""Registered consumers by the newest boto3: their names, statuses, tags and pages."""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, expect, wait_until  # noqa: E402

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/s"


def register(client, name, **more):
    return client.register_stream_consumer(StreamARN=STREAM, ConsumerName=name, **more)["Consumer"]


def check_names(client):
    made = register(client, "reader", Tags={"team": "a"})
    assert made["ConsumerStatus"] == "ACTIVE" and made["ConsumerName"] == "reader"
    seconds = int(made["ConsumerCreationTimestamp"].timestamp())
    assert made["ConsumerARN"] == f"{STREAM}/consumer/reader:{seconds}", made
    arn = made["ConsumerARN"]
    for named in ({"ConsumerARN": arn}, {"StreamARN": STREAM, "ConsumerName": "reader"},
                  {"StreamARN": STREAM, "ConsumerName": "reader", "ConsumerARN": arn}):
        described = client.describe_stream_consumer(**named)["ConsumerDescription"]
        assert described == made | {"StreamARN": STREAM}, described
    expect("ResourceInUseException", lambda: register(client, "reader"), "already exists")
    describe = client.describe_stream_consumer
    expect("InvalidArgumentException", lambda: describe(StreamARN=STREAM), "must be provided")
    expect("InvalidArgumentException", lambda: describe(
        StreamARN=STREAM, ConsumerName="other", ConsumerARN=arn), "different consumers")
    for other in (f"{STREAM}/consumer/reader:{seconds + 1}", f"{STREAM}/consumer/none:{seconds}",
                  arn.replace("us-east-1", "us-west-2"), arn.replace("stream/s/", "stream/t/"),
                  f"{STREAM}/consumer/reader:{10 ** 30}"):
        expect("ResourceNotFoundException", lambda named=other: describe(ConsumerARN=named), "not found")
    expect("ValidationException", lambda: describe(ConsumerARN="reader"), "regular expression pattern")
    expect("ResourceNotFoundException", lambda: client.register_stream_consumer(
        StreamARN=STREAM + "2", ConsumerName="reader"), "Stream s2 under account")
    return arn


def check_tags(client, arn):
    def tags():
        return {t["Key"]: t["Value"] for t in client.list_tags_for_resource(ResourceARN=arn)["Tags"]}
    assert tags() == {"team": "a"}
    client.tag_resource(ResourceARN=arn, Tags={"team": "b", "x": "y"})
    client.untag_resource(ResourceARN=arn, TagKeys=["x"])
    assert tags() == {"team": "b"}
    assert client.list_tags_for_resource(ResourceARN=STREAM)["Tags"] == []
    expect("ResourceNotFoundException",
           lambda: client.list_tags_for_resource(ResourceARN=arn + "0"), "not found")
    expect("InvalidArgumentException", lambda: register(
        client, "crowded", Tags={f"k{i}": "" for i in range(51)}), "more than 50 tags")


def check_pages(client):
    for number in range(5):
        register(client, f"c{number}")
    pages = client.get_paginator("list_stream_consumers").paginate(
        StreamARN=STREAM, PaginationConfig={"PageSize": 2})
    sizes, names = [], []
    for page in pages:
        sizes.append(len(page["Consumers"]))
        names += [consumer["ConsumerName"] for consumer in page["Consumers"]]
    assert names == ["c0", "c1", "c2", "c3", "c4", "reader"] and sizes == [2, 2, 2], (names, sizes)
    token = client.list_stream_consumers(StreamARN=STREAM, MaxResults=1)["NextToken"]
    client.create_stream(StreamName="t", ShardCount=1)
    for wrong in ({"StreamARN": STREAM, "NextToken": "eHg="},
                  {"StreamARN": STREAM.replace("/s", "/t"), "NextToken": token}):
        expect("InvalidArgumentException", lambda named=wrong: client.list_stream_consumers(**named),
               "NextToken")
    summary = client.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]
    assert summary["ConsumerCount"] == 6, summary


def check_restart_and_end(region, arn):
    region.kill()
    region.start()
    client = region.client()
    assert client.describe_stream_consumer(ConsumerARN=arn)["ConsumerDescription"]["ConsumerARN"] == arn
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "b"}]
    client.deregister_stream_consumer(ConsumerARN=arn)
    expect("ResourceNotFoundException",
           lambda: client.deregister_stream_consumer(ConsumerARN=arn), "not found")
    expect("ResourceInUseException", lambda: client.delete_stream(StreamName="s"), "EnforceConsumerDeletion")
    client.delete_stream(StreamName="s", EnforceConsumerDeletion=True)
    expect("ResourceNotFoundException", lambda: client.list_stream_consumers(StreamARN=STREAM))


def check_statuses_take_their_time():
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as settings:
        settings.write("[serve]\ntransition_ms = 300\n")
        settings.flush()
        check_slow_region(Region("--config", settings.name))


def check_slow_region(slow):
    with slow as region:
        client = region.client()
        client.create_stream(StreamName="s", ShardCount=1)

        def status():
            listed = client.list_stream_consumers(StreamARN=STREAM)["Consumers"]
            return listed[0]["ConsumerStatus"] if listed else None
        expect("ResourceInUseException", lambda: register(client, "slow"), "not ACTIVE")
        client.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
        assert register(client, "slow")["ConsumerStatus"] == "CREATING"
        wait_until(lambda: status() == "ACTIVE")
        client.deregister_stream_consumer(StreamARN=STREAM, ConsumerName="slow")
        assert status() == "DELETING"
        wait_until(lambda: status() is None)
        register(client, "slow")


def main():
    with Region() as region:
        client = region.client()
        client.create_stream(StreamName="s", ShardCount=1)
        arn = check_names(client)
        check_tags(client, arn)
        check_pages(client)
        check_restart_and_end(region, arn)
    check_statuses_take_their_time()
    print("consumers: names, tags, pages and statuses are as at AWS")


if __name__ == "__main__":
    main()
