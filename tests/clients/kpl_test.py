"""The Kinesis Producer Library, as tests/clients/java/pom.xml pins it; `spillway tail` takes its aggregates apart."""

import json
import subprocess

from verified import VerifiedRegion, java
from region import BINARY

STREAM = "kpl"


def tail(region, *options):
    """What it says of each record."""
    ended = subprocess.run([BINARY, "tail", STREAM, "--until-tip", "--json", "--endpoint", region.endpoint, *options],
                           env=region.environment(), capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def main():
    with VerifiedRegion() as region:
        region.client().create_stream(StreamName=STREAM, ShardCount=2)
        region.spoken()
        region.run(*java("java", "KplTest"), region.port, STREAM, region.records_file)
        assert region.spoken() == {"HTTP/1.1"}
        # Its requests overtake one another, so there is no order to hold it to.
        assert sorted(record["data"] for record in tail(region)) == sorted(data for _, data in region.records)
        whole = len(tail(region, "--no-deaggregate"))
        assert whole < len(region.records) / 5, f"{whole} records: nothing was aggregated"
        assert region.stop() == 0
    print(f"ran: JSON over HTTP/1.1 in TLS | {len(region.records)} records of telemetry in aggregates, all found in them")


if __name__ == "__main__":
    main()
