"""Flink's connector for Kinesis, in a Flink of one process: it reads a stream that is split meanwhile, by polling and
by enhanced fan-out.
"""

import subprocess
import threading

from verified import VerifiedRegion, java
from region import wait_until
from telemetry_records import compare

STREAM = "flink"
READERS = ("POLLING", "EFO")
SECONDS = 120
# What Flink asks for on Java 17.
OPENED = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.lang", "java.time", "java.util")]


def put(client, records):
    for at in range(0, len(records), 500):
        entries = [{"Data": data.encode(), "PartitionKey": key} for key, data in records[at:at + 500]]
        assert client.put_records(StreamName=STREAM, Records=entries)["FailedRecordCount"] == 0


class Flink:
    """Its process, and what each reader has read."""

    def __init__(self, region):
        self.log = open(region.directory / "flink.log", "wb")
        self.process = subprocess.Popen([*java("flink", "FlinkTest", OPENED), region.endpoint, STREAM],
                                        env=region.environment(), stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.read = {reader: [] for reader in READERS}
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            reader, _, data = line.rstrip("\n").partition(" ")
            self.read[reader].append(data)

    def have(self, count):
        assert self.process.poll() is None, f"Flink ended with {self.process.returncode}"
        return all(len(set(read)) >= count for read in self.read.values())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.log.close()


def main():
    with VerifiedRegion() as region:
        client = region.client()
        client.create_stream(StreamName=STREAM, ShardCount=2)
        half = len(region.records) // 2
        put(client, region.records[:half])
        flink = Flink(region)
        try:
            wait_until(lambda: flink.have(half), SECONDS)
            client.split_shard(StreamName=STREAM, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2 ** 126))
            put(client, region.records[half:])
            wait_until(lambda: flink.have(len(region.records)), SECONDS)
        except BaseException:
            print((region.directory / "flink.log").read_text("utf-8", errors="replace")[-6000:])
            raise
        finally:
            flink.kill()
        for read in flink.read.values():
            # This source takes new shards up at once, so that a key's records may overtake those of the parent.
            compare(region.records, read, duplicates=True, ordered=False)
        assert region.spoken() == {"HTTP/1.1", "HTTP/2"}
        assert region.stop() == 0
    print(f"ran: CBOR over HTTP/1.1 (polling) and HTTP/2 (enhanced fan-out) | {len(region.records)} records of telemetry read "
          "both ways across a split: complete")


if __name__ == "__main__":
    main()
