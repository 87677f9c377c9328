"""A broker and its two regions in a hostile network: each in a network namespace of its own, joined by links that
are cut, slow, refusing, resetting or half-open, with a certificate that expires and a disk that fills, and with
SIGKILL for all of them, in the order that a seed gives, while producers put all the time.

    netns_test.py [--seed N] [--for SECONDS]

At the end of each round every record that was acknowledged is in the regions, and a reader of both, which was there
all the time and suffered the same, has printed each once and those of a key in order.

The first round has each fault, and each kill, once. With an even seed the broker returns to region a, which then
suffers all of them; with an odd one it stays where it is. What all rounds had is counted at the end.
"""

import argparse
import collections
import json
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from world import ACCESS_KEY, SECRET_KEY, Authority, FarRegion, enter
from broker_test import Broker, expect
from region import BINARY, client_of, read_all, wait_until

STREAM = "orders"
PRODUCERS, KEYS_OF_EACH = 2, 20
# Far above what docs/failover.md promises: other tests run beside this one.
LEFT_WITHIN, BACK_WITHIN, ALL_WITHIN = 60, 60, 120
PADDING = 20_000  # so that a disk fills soon


class Fault:
    """What happens to a region, and how that ends."""

    def __init__(self, begin, end, padding=0):
        self.begin, self.end, self.padding = begin, end, padding


def half_open(region):
    """It forgets its connections, and those who have them aren't told."""
    region.silence()
    region.restart()


def killed(region):
    region.kill()


FAULTS = {
    "unplugged": Fault(FarRegion.unplug, FarRegion.plug),
    "silent": Fault(FarRegion.silence, FarRegion.unsilence),
    "half-open": Fault(half_open, FarRegion.unsilence),
    "slow": Fault(lambda region: region.behave("slow 0.8"), FarRegion.behave),
    "never answering": Fault(lambda region: region.behave("swallow"), FarRegion.behave),
    "refusing": Fault(lambda region: region.behave("refuse"), FarRegion.behave),
    "resetting in the middle of answers": Fault(lambda region: region.behave("reset"), FarRegion.behave),
    "certificate expired": Fault(lambda region: region.with_certificate(-1), lambda region: region.with_certificate(30)),
    "disk full": Fault(FarRegion.fill_disk, FarRegion.empty_disk, padding=PADDING),
    "killed": Fault(killed, FarRegion.start),
}
# What is killed with SIGKILL after each, in an order of its own. A broker that starts anew has forgotten how its
# targets were; one that doesn't has to find out that they are well again, which takes it its time.
KILLS = ("broker",) * 5 + ("broker, and before it is over",) + ("broker and region",) * 2 + ("region", "nothing")


class Producer:
    """Puts a record of each of its keys after the other, and knows which were acknowledged."""

    def __init__(self, broker, number):
        # Made here: boto3's default session is of one thread.
        self.client = client_of(f"http://127.0.0.1:{broker.listen}")
        self.keys = [f"customer-{number}-{key}" for key in range(KEYS_OF_EACH)]
        self.acknowledged, self.unknown = set(), set()
        self.padding = 0
        self.over = threading.Event()
        self.problem = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            count = 0
            while not self.over.wait(0.02):
                names = {key: f"{key} {count}" for key in self.keys}
                records = [{"Data": name.ljust(len(name) + 1 + self.padding, "."), "PartitionKey": key}
                           for key, name in names.items()]
                (self.acknowledged if self.put(records) else self.unknown).update(names.values())
                count += 1
        except BaseException as problem:  # pylint: disable=broad-except
            self.problem = problem

    def put(self, records):
        """False where the broker died meanwhile: they may be in its spool or not."""
        from botocore.exceptions import BotoCoreError
        try:
            answer = self.client.put_records(StreamName=STREAM, Records=records)
        except BotoCoreError:
            return False
        expect(answer["FailedRecordCount"] == 0, "the spool has room for all", answer)
        return True


class Counts:
    """What all rounds had."""

    def __init__(self):
        self.faults, self.kills, self.records = collections.Counter(), collections.Counter(), collections.Counter()
        self.rounds = 0

    def check(self):
        """Nothing was left out by chance."""
        expect(set(self.faults) == set(FAULTS), "faults that were none", set(FAULTS) - set(self.faults))
        expect(set(self.kills) == set(KILLS), "kills that were none", set(KILLS) - set(self.kills))

    def __str__(self):
        def listed(counter):
            return ", ".join(f"{count} {name}" for name, count in sorted(counter.items()))
        return (f"{self.rounds} rounds; faults: {listed(self.faults)}; SIGKILL of: {listed(self.kills)}; "
                f"records: {listed(self.records)}; none lost, none doubled, all in order")


class World:
    def __init__(self, directory, returns):
        self.directory = pathlib.Path(directory)
        authority = Authority(directory)
        self.regions = {name: FarRegion(name, number, authority) for number, name in enumerate("ab", 1)}
        self.config = self.directory / "spillway.toml"
        self.config.write_text("".join(
            f'[[broker.targets]]\nname = "{region.name}"\nendpoint = "{region.endpoint}"\nca = "{authority.file}"\n'
            f'access_key = "{ACCESS_KEY}"\nsecret_key = "{SECRET_KEY}"\n' for region in self.regions.values()),
            encoding="utf-8")
        self.returns = returns
        self.broker = Broker(directory, self.regions["a"], returns=str(returns).lower(), return_seconds="1",
                             drain_seconds="60", shards="4")
        del self.broker.settings["endpoint"]
        self.broker.arguments = ["--config", str(self.config)]
        self.producers = [Producer(self.broker, number) for number in range(PRODUCERS)]
        self.reader = None

    def __enter__(self):
        for region in self.regions.values():
            region.start()
        self.broker.start()
        with open(self.directory / "reader.out", "wb") as out, open(self.directory / "reader.err", "wb") as err:
            self.reader = subprocess.Popen(
                [str(BINARY), "tail", STREAM, "--json", "--regions", "a,b", "--config", str(self.config), "--from", "trim",
                 "--wait", "--mode", "ordered", "--gap-wait", "1h"], stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        for producer in self.producers:
            producer.thread.start()
        return self

    def __exit__(self, *raised):
        self.end_producers()
        for process in (self.broker.process, self.reader):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        for region in self.regions.values():
            region.__exit__(*raised)

    def end_producers(self):
        for producer in self.producers:
            producer.over.set()
        for producer in self.producers:
            producer.thread.join()

    def status(self):
        return json.loads(self.broker.ask("/v1/status"))

    def used(self):
        return self.status().get("used")

    def acknowledged(self, name):
        return next(target["acknowledged_records"] for target in self.status()["targets"] if target["name"] == name)

    def delivers_to(self, wanted, within):
        """Until a region of those has acknowledged more; → its name."""
        before = {name: self.acknowledged(name) for name in wanted}
        found = []

        def more():
            found[:] = [name for name in wanted if self.acknowledged(name) > before[name]]
            return found
        wait_until(more, within)
        return found[0]

    def settled(self):
        """The region in use, when no other one is about to be."""
        if self.returns:
            wait_until(lambda: self.used() == "a", BACK_WITHIN)
        wait_until(self.used, BACK_WITHIN)
        return self.delivers_to([self.used()], BACK_WITHIN)

    def suffer(self, what, kill):
        """A fault of the region in use, until the other one takes records."""
        fault, bad = FAULTS[what], self.settled()
        other = "b" if bad == "a" else "a"
        for producer in self.producers:
            producer.padding = fault.padding
        began = time.monotonic()
        fault.begin(self.regions[bad])
        self.delivers_to([other], LEFT_WITHIN)
        took = time.monotonic() - began
        for producer in self.producers:
            producer.padding = 0
        print(f"  {bad} {what}: {other} acknowledges after {took:.2f} s; SIGKILL of {kill}", flush=True)
        if "before" in kill:
            self.broker.kill()
            self.broker.start()
            self.delivers_to([other], LEFT_WITHIN)
        fault.end(self.regions[bad])
        if "broker" in kill:
            self.broker.kill()
        if "region" in kill:
            self.regions[other].restart()
        if "broker" in kill:
            self.broker.start()

    def check(self):
        """→ how many records there were, by what became of them."""
        self.end_producers()
        for producer in self.producers:
            if producer.problem:
                raise producer.problem
        wait_until(lambda: self.broker.held() == 0, ALL_WITHIN)
        self.broker.stop()
        acknowledged = set().union(*(producer.acknowledged for producer in self.producers))
        unknown = set().union(*(producer.unknown for producer in self.producers))
        stored = collections.Counter()
        for region in self.regions.values():
            for records in read_all(region.reading_client(), STREAM).values():
                stored.update(record["Data"].decode().rstrip(".").rstrip() for record in records)
        expect(not acknowledged - set(stored), "lost", sorted(acknowledged - set(stored))[:10])
        expect(not set(stored) - acknowledged - unknown, "invented", sorted(set(stored) - acknowledged - unknown)[:10])
        self.check_reader(set(stored))
        print(f"  {len(acknowledged)} records acknowledged, {len(unknown)} unknown as the broker died, "
              f"{sum(stored.values())} in both regions, {sum(stored.values()) - len(stored)} copies; "
              f"the reader printed {len(stored)}, each once", flush=True)
        return {"acknowledged": len(acknowledged), "unknown": len(unknown), "copies": sum(stored.values()) - len(stored),
                "read": len(stored)}

    def check_reader(self, stored):
        out = self.directory / "reader.out"
        wait_until(lambda: out.read_bytes().count(b"\n") >= len(stored), ALL_WITHIN)
        self.reader.send_signal(signal.SIGTERM)
        self.reader.wait(60)
        last, seen = {}, collections.Counter()
        for line in out.read_text().splitlines():
            record = json.loads(line)
            name = record["data"].rstrip(".").rstrip()
            key, number = name.split(" ")
            run = (key, record["origin"]["producer"])  # a broker that starts anew is another producer
            expect(int(number) > last.get(run, -1), "not in order", record, last.get(run))
            expect("late" not in record, record)
            last[run] = int(number)
            seen[name] += 1
        twice = [name for name, count in seen.items() if count > 1]
        expect(not twice, f"{len(twice)} printed twice", twice[:10])
        expect(set(seen) == stored, "not what the regions have", sorted(set(seen) ^ stored)[:10])


def run_round(seed, end, counts):
    """All faults in the first round; in a later one, those that begin before `end`."""
    random_ = random.Random(seed)
    returns = seed % 2 == 0
    faults = random_.sample(sorted(FAULTS), len(FAULTS))
    kills = random_.sample(KILLS, len(faults))
    print(f"--seed {seed}: the broker {'returns to a' if returns else 'stays where it is'}", flush=True)
    directory = tempfile.mkdtemp(prefix="spillway-netns-")
    began = time.monotonic()
    try:
        with World(directory, returns) as world:
            for what, kill in zip(faults, kills):
                if counts.rounds > 0 and time.monotonic() > end:
                    break
                world.suffer(what, kill)
                counts.faults[what] += 1
                counts.kills[kill] += 1
            counts.records.update(world.check())
    except BaseException:
        print(f"failed with --seed {seed}; kept for a look: {directory}", flush=True)
        raise
    counts.rounds += 1
    shutil.rmtree(directory)
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=2 * random.SystemRandom().randrange(10**6 // 2),
                        help="of the first round")
    parser.add_argument("--for", dest="seconds", type=float, default=0, help="rounds until so many seconds are over")
    options = parser.parse_args()
    enter()
    end, seed, counts = time.monotonic() + options.seconds, options.seed, Counts()
    run_round(seed, end, counts)
    while time.monotonic() < end:
        seed += 1
        run_round(seed, end, counts)
    print(counts, flush=True)
    counts.check()


if __name__ == "__main__":
    main()
