"""A region that was away gets what it missed: it alone holds everything then, over SIGKILL of the broker too."""

import pathlib
import sys

from broker_test import KEYS, expect, put, read_with_origins
from failover_test import RETURNED_WITHIN, SWITCHED_WITHIN, Load, Pair
from region import run_tests, wait_until
from regions_test import Tail


def all_of(count):
    return {f"{key} {number}" for key in KEYS for number in range(count)}


def fail_over(pair, first, last):
    """a has what is before `first` of each key, b what follows up to `last`."""
    client = pair.broker.client()
    put(client, KEYS, 0, first)
    wait_until(lambda: pair.broker.held() == 0)
    pair.a.kill()
    put(client, KEYS, first, 1)
    wait_until(lambda: pair.uses("b"), SWITCHED_WITHIN)
    put(client, KEYS, first + 1, last - first - 1)
    wait_until(lambda: pair.broker.held() == 0, SWITCHED_WITHIN)


def has_all(pair, name):
    target = pair.target(name)
    return target["state"] == "closed" and target["missing_records"] == 0


def read_both(directory, pair, count):
    """A reader of both sees each record once, in the order of its key."""
    regions = f"a={pair.a.endpoint},b={pair.b.endpoint}"
    tail = Tail(pathlib.Path(directory), regions, "--mode", "ordered", "--from", "trim", "--limit",
                str(count * len(KEYS)), stream="orders")
    expect(tail.process.wait(120) == 0, tail.paths[1].read_text())
    data = tail.data()
    expect(len(data) == len(set(data)) == count * len(KEYS), len(data), len(set(data)))
    for key in KEYS:
        numbers = [int(text.split(" ")[1]) for text in data if text.startswith(key + " ")]
        expect(numbers == list(range(count)), key, numbers[:50])


def test_a_region_that_is_back_holds_everything(directory):
    count = 1000
    with Pair(directory, backfill="a", returns="false") as pair:
        fail_over(pair, 20, count)
        missed = (count - 20) * len(KEYS)
        wait_until(lambda: pair.target("a")["missing_records"] >= missed)
        pair.a.start()
        wait_until(lambda: pair.target("a")["backfilled_records"] > 0, RETURNED_WITHIN)
        pair.broker.kill()
        pair.broker.start()
        wait_until(lambda: has_all(pair, "a"), RETURNED_WITHIN)
        expect(pair.uses("b") and "missing_records" not in pair.target("b"), pair.status())
        held = [data for data, _ in read_with_origins(pair.a)]
        twice = len(held) - len(set(held))
        print(f"  {len(held)} records in a, {twice} of them twice", flush=True)
        expect(set(held) == all_of(count) and twice <= 500, len(held), twice)
        # In order, and with the origins that the other region's copies have.
        read_both(directory, pair, count)
        pair.broker.stop()


def test_a_region_that_is_used_again_gets_it_too(directory):
    with Pair(directory, backfill="a") as pair:
        fail_over(pair, 20, 100)
        pair.a.start()
        with Load(pair.broker) as load:
            load.count = 100
            pair.wait_for("a", RETURNED_WITHIN)
        # What b took last is there a look later.
        wait_until(lambda: {data for data, _ in read_with_origins(pair.a)} == all_of(load.count), RETURNED_WITHIN)
        pair.broker.stop()


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
