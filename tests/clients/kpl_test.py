"""The Kinesis Producer Library, as tests/clients/java/pom.xml pins it, at a region and at a broker; `spillway tail`
takes its aggregates apart."""

import json
import subprocess

from broker_test import Broker
from verified import VerifiedRegion, java
from region import BINARY, wait_until

STREAM, BROKERS_STREAM = "kpl", "kpl-by-broker"


def tail(region, stream, *options):
    """What it says of each record."""
    ended = subprocess.run([BINARY, "tail", stream, "--until-tip", "--json", "--endpoint", region.endpoint, *options],
                           env=region.environment(), capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def check_all(region, stream):
    # Its requests overtake one another, so there is no order to hold it to.
    assert sorted(record["data"] for record in tail(region, stream)) == sorted(data for _, data in region.records)


def at_a_region(region):
    region.client().create_stream(StreamName=STREAM, ShardCount=2)
    region.spoken()
    region.run(*java("java", "KplTest"), region.port, STREAM, region.records_file)
    assert region.spoken() == {"HTTP/1.1"}
    check_all(region, STREAM)
    whole = len(tail(region, STREAM, "--no-deaggregate"))
    assert whole < len(region.records) / 5, f"{whole} records: nothing was aggregated"


def at_a_broker(region):
    broker = Broker(region.directory, region, streams=BROKERS_STREAM, access_key=region.ACCESS_KEY,
                    secret_key=region.SECRET_KEY)
    broker.start()
    region.run(*java("java", "KplTest"), broker.listen, BROKERS_STREAM, region.records_file)
    wait_until(lambda: broker.held() == 0, 60)
    check_all(region, BROKERS_STREAM)
    broker.stop()


def main():
    with VerifiedRegion() as region:
        at_a_region(region)
        at_a_broker(region)
        assert region.stop() == 0
    print(f"ran: JSON over HTTP/1.1 in TLS | {len(region.records)} records of telemetry in aggregates, all found in "
          "them; the same through a broker")


if __name__ == "__main__":
    main()
