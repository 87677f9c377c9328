"""SIGKILL of the real process under load, 20 rounds, checked through the public API.

After each restart every acknowledged record is there, once, in order of its sequence number, with
the bytes that were put; and nothing is there that was never put. Prints its seed; takes it as argument.
"""

import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import Region, read_all  # noqa: E402

ROUNDS, WRITERS = 20, 4


class Writer(threading.Thread):
    """Puts numbered records until the server is gone."""

    def __init__(self, region, number, round_number, history):
        super().__init__()
        self.client, self.name, self.history = region.client(), f"{round_number}-{number}", history
        self.ended = None

    def run(self):
        for batch in range(1_000_000):
            data = [f"{self.name}-{batch}-{i}-".encode() + b"x" * random.randrange(3000) for i in range(40)]
            self.history["put"].update(data)
            try:
                answer = self.client.put_records(StreamName="s", Records=[
                    {"Data": d, "PartitionKey": d[:12].decode()} for d in data])
            except Exception as error:  # pylint: disable=broad-except
                self.ended = error  # not acknowledged: it may be there or not
                return
            for d, result in zip(data, answer["Records"]):
                if "SequenceNumber" in result:
                    self.history["acknowledged"][(result["ShardId"], result["SequenceNumber"])] = d


def check(region, history):
    found = read_all(region.client(), "s")
    stored = {}
    for shard, records in found.items():
        numbers = [int(r["SequenceNumber"]) for r in records]
        assert numbers == sorted(set(numbers)), f"{shard} is out of order"
        for record in records:
            stored[(shard, record["SequenceNumber"])] = record["Data"]
    for place, data in history["acknowledged"].items():
        assert stored.get(place) == data, f"acknowledged and lost: {place}"
    data = list(stored.values())
    assert len(data) == len(set(data)), "a record is there twice"
    assert set(data) <= history["put"], "a record that was never put"
    return len(data)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(2 ** 32)
    print(f"seed {seed}", flush=True)
    random.seed(seed)
    history = {"put": set(), "acknowledged": {}}
    stored = 0
    region = Region()
    # Files so small that rounds fill some, which are sealed and used again under load.
    config = region.directory / "spillway.toml"
    config.write_text("[serve]\njournal_file_mib = 16\nqueue_mib = 8\ntail_mib = 8\n")
    region.arguments = ("--config", str(config))
    with region:
        region.client().create_stream(StreamName="s", ShardCount=3)
        for round_number in range(ROUNDS):
            before = len(history["acknowledged"])
            writers = [Writer(region, i, round_number, history) for i in range(WRITERS)]
            for writer in writers:
                writer.start()
            until = before + random.randrange(200, 2500)
            while len(history["acknowledged"]) < until and any(w.is_alive() for w in writers):
                time.sleep(0.001)
            ended = [w.ended for w in writers if not w.is_alive()]
            assert not ended, f"round {round_number}: writers ended before the kill: {ended}"
            region.kill()
            for writer in writers:
                writer.join()
            region.start()
            stored = check(region, history)
            assert len(history["acknowledged"]) >= until, f"round {round_number}: nothing was under load"
        assert region.stop() == 0
        sealed = len(list((region.data / "segments").glob("*.segment")))
        assert sealed > 0, "no journal file was filled and sealed"
    print(f"kill -9: {ROUNDS} rounds, {len(history['acknowledged'])} records acknowledged, "
          f"{stored} stored: none lost, doubled or invented")


if __name__ == "__main__":
    main()
