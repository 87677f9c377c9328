"""A region that was away gets what it missed, and receipts tell what each switch left open: over SIGKILL of the broker."""

import json
import pathlib
import signal
import sys

from broker_test import KEYS, expect, put, read_with_origins
from failover_test import RETURNED_WITHIN, SWITCHED_WITHIN, Pair, spillway
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


def shown(pair, number):
    told = spillway("switch", "show", str(number), "--json", "--admin", f"127.0.0.1:{pair.broker.admin}")
    expect(told.returncode == 0, told)
    return json.loads(told.stdout)


def of_orders(receipt, matter, figure="open"):
    """Telemetry has a record or two of its own."""
    return sum(shard[matter][figure] for shard in receipt["shards"] if shard["stream"] == "orders")


def listed(pair):
    told = spillway("switch", "list", "--json", "--admin", f"127.0.0.1:{pair.broker.admin}")
    expect(told.returncode == 0, told)
    return json.loads(told.stdout)["receipts"]


def figures(receipt):
    """Of orders, without the times."""
    return [{name: figure for name, figure in shard[matter].items() if name != "resolved"}
            for shard in receipt["shards"] if shard["stream"] == "orders"
            for matter in ("in_flight", "spool", "old_only", "new_only")]


def test_a_switch_and_the_return_until_all_is_resolved(directory):
    with Pair(directory, backfill="a") as pair:
        expect(listed(pair) == [], "none yet")
        fail_over(pair, 20, 100)
        lost = shown(pair, 1)
        expect((lost["from"], lost["to"], lost["action"]) == ("a", "b", "switch") and "a is open" in lost["reason"], lost)
        old, new = 20 * len(KEYS), 80 * len(KEYS)
        for figure in ("records", "open"):
            expect(of_orders(lost, "old_only", figure) == old and of_orders(lost, "new_only", figure) == new, lost)
        expect(lost["old_only"]["missed_for_good"] == lost["new_only"]["missed_for_good"] == 0, lost)
        expect(of_orders(lost, "in_flight", "records") <= len(KEYS), lost)
        expect(lost["in_flight"]["sent_twice"] == lost["in_flight"]["records"], lost)
        wait_until(lambda: "resolved" in shown(pair, 1)["in_flight"] and "resolved" in shown(pair, 1)["spool"])
        before = figures(shown(pair, 1))
        pair.broker.kill()
        pair.broker.start()
        expect(figures(shown(pair, 1)) == before, shown(pair, 1), before)
        expect(of_orders(shown(pair, 1), "old_only") == old, shown(pair, 1))
        pair.a.start()
        wait_until(lambda: pair.uses("a"), RETURNED_WITHIN)
        wait_until(lambda: "resolved" in shown(pair, 1)["new_only"], RETURNED_WITHIN)
        expect(shown(pair, 1)["new_only"]["open"] == 0 and not shown(pair, 1)["resolved"], "b has no backfill")
        back = shown(pair, 2)
        expect((back["from"], back["to"], back["action"]) == ("b", "a", "return"), back)
        expect([receipt["id"] for receipt in listed(pair)] == [2, 1], listed(pair))
        text = spillway("switch", "show", "1", "--admin", f"127.0.0.1:{pair.broker.admin}").stdout
        total = shown(pair, 1)["old_only"]["open"]
        expect(f"  a has, b lacks{'':30}  {total:>10}  {total:>10}           0  open\n" in text, text)
        none = spillway("switch", "show", "3", "--admin", f"127.0.0.1:{pair.broker.admin}")
        expect(none.returncode == 1 and "there is no receipt 3" in none.stderr, none)
        pair.broker.stop()


def test_what_was_on_its_way_to_a_region_that_hangs(directory):
    with Pair(directory, backfill="ab", returns="false") as pair:
        client = pair.broker.client()
        put(client, KEYS, 0, 1)
        wait_until(lambda: pair.broker.held() == 0)
        pair.a.process.send_signal(signal.SIGSTOP)
        put(client, KEYS, 1, 5)
        wait_until(lambda: pair.uses("b"), SWITCHED_WITHIN)
        pair.a.process.send_signal(signal.SIGCONT)
        wait_until(lambda: pair.broker.held() == 0 and has_all(pair, "a") and has_all(pair, "b"), RETURNED_WITHIN)
        receipt = shown(pair, 1)
        for figure, count in (("records", 5 * len(KEYS)), ("sent_twice", 5 * len(KEYS)), ("acknowledged", 0)):
            expect(of_orders(receipt, "in_flight", figure) == count, figure, receipt)
        wait_until(lambda: "resolved" in shown(pair, 1)["old_only"])
        # By hand, with nothing on its way.
        switched = spillway("switch", "--to", "a", "--reason", "drill", "--admin", f"127.0.0.1:{pair.broker.admin}")
        expect("its receipt: spillway switch show 2" in switched.stdout, switched)
        wait_until(lambda: shown(pair, 1)["resolved"] and shown(pair, 2)["in_flight"]["records"] == 0)
        expect(all(shown(pair, 2)[matter]["open"] == 0 for matter in ("spool", "old_only", "new_only")), shown(pair, 2))
        pair.broker.stop()


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
