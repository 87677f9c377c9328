"""A broker with two regions: each of them fails under load, or is switched away from, and nothing is lost."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from broker_test import KEYS, Broker, expect, put, read_with_origins
from region import BINARY, Region, run_tests, wait_until

# Far above what docs/failover.md promises: other tests run beside this one.
SWITCHED_WITHIN = 20
RETURNED_WITHIN = 90


class Pair:
    """Regions a and b, and a broker that prefers a; those that `backfill` names get what they missed. `of_b`: what
    else its table of targets says of b."""

    def __init__(self, directory, of_b="", backfill="", **settings):
        self.a, self.b = Region(), Region()
        config = f"{directory}/spillway.toml"
        with open(config, "w") as file:
            for name, region in (("a", self.a), ("b", self.b)):
                file.write(f'[[broker.targets]]\nname = "{name}"\nendpoint = "{region.endpoint}"\n'
                           f'backfill = {str(name in backfill).lower()}\n')
            file.write(of_b)
        self.broker = Broker(directory, self.a, return_seconds="1", drain_seconds="30", **settings)
        del self.broker.settings["endpoint"]
        self.broker.arguments = ["--config", config]

    def __enter__(self):
        self.a.__enter__()
        self.b.__enter__()
        self.broker.start()
        return self

    def __exit__(self, *raised):
        if self.broker.process.poll() is None:
            self.broker.kill()
        self.a.__exit__(*raised)
        self.b.__exit__(*raised)

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.broker.admin}/v1/status") as answer:
            return json.load(answer)

    def target(self, name):
        return next(target for target in self.status()["targets"] if target["name"] == name)

    def uses(self, name):
        return self.status().get("used") == name

    def acknowledged(self, name):
        return self.target(name)["acknowledged_records"]

    def restart_unseen(self, meanwhile):
        """Region a; the broker has no time to leave it for that."""
        self.broker.process.send_signal(signal.SIGSTOP)
        self.a.kill()
        meanwhile()
        self.a.start()
        self.broker.process.send_signal(signal.SIGCONT)

    def wait_for(self, name, within):
        """Until new records are acknowledged by that target; the seconds that took."""
        began, before = time.monotonic(), self.acknowledged(name)
        wait_until(lambda: self.uses(name) and self.acknowledged(name) > before, within)
        return time.monotonic() - began


class Load:
    """Puts a record of each key after the other, until it is told to stop."""

    def __init__(self, broker):
        self.client = broker.client()
        self.count = 0  # of each key
        self.stopping = threading.Event()
        self.problem = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.stopping.wait(0.01):
                put(self.client, KEYS, self.count, 1)
                self.count += 1
        except BaseException as problem:  # pylint: disable=broad-except
            self.problem = problem

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        expect(self.problem is None, self.problem)


def check(pair, count, in_order="ab"):
    """Everything accepted is in a or b, once by its origin, and in the order of its key in those of `in_order`.
    Copies, of all."""
    origins, copies, total = {}, 0, 0
    for region in (pair.a, pair.b):
        numbers = {}
        for data, origin in read_with_origins(region):
            identity = (origin["Producer"], origin["Lane"], origin["Sequence"])
            copies += data in origins
            total += 1
            expect(origins.setdefault(data, identity) == identity, data, origin, origins[data])
            key, number = data.split(" ")
            numbers.setdefault(key, []).append(int(number))
        for key, seen in numbers.items():
            first_seen = list(dict.fromkeys(seen))
            expect(first_seen == sorted(first_seen) or (region is pair.a and "a" not in in_order), key, seen)
    missing = {f"{key} {number}" for key in KEYS for number in range(count)} - set(origins)
    expect(not missing, f"{len(missing)} lost", sorted(missing)[:10])
    expect(len(origins) == len(set(origins.values())) == count * len(KEYS), len(origins), count)
    print(f"  {count * len(KEYS)} records accepted, {total} in both regions, {copies} copies", flush=True)


def test_a_region_that_is_killed_is_left_and_returned_to(directory):
    with Pair(directory) as pair:
        with Load(pair.broker) as load:
            pair.wait_for("a", SWITCHED_WITHIN)
            pair.a.kill()
            print(f"  after SIGKILL of a, b acknowledges after {pair.wait_for('b', SWITCHED_WITHIN):.2f} s")
            pair.a.start()
            print(f"  a is returned to after {pair.wait_for('a', RETURNED_WITHIN):.1f} s")
        pair.broker.stop()
        check(pair, load.count)


def test_a_region_that_accepts_and_never_answers_is_left(directory):
    with Pair(directory, returns="false") as pair:
        with Load(pair.broker) as load:
            pair.wait_for("a", SWITCHED_WITHIN)
            pair.a.process.send_signal(signal.SIGSTOP)
            print(f"  after SIGSTOP of a, b acknowledges after {pair.wait_for('b', SWITCHED_WITHIN):.2f} s")
            pair.a.process.send_signal(signal.SIGCONT)
            # And the other way: b is left for a, once that is well again.
            wait_until(lambda: pair.status()["targets"][0]["state"] == "closed", RETURNED_WITHIN)
            expect(pair.uses("b"), "it doesn't return by itself", pair.status())
            pair.b.kill()
            pair.wait_for("a", SWITCHED_WITHIN)
            pair.b.start()
        pair.broker.stop()
        check(pair, load.count)


def spillway(*arguments):
    return subprocess.run([str(BINARY), *arguments], capture_output=True, text=True, timeout=60)


def test_a_person_switches_under_load(directory):
    with Pair(directory, host="edge") as pair:
        admin = f"127.0.0.1:{pair.broker.admin}"
        with Load(pair.broker) as load:
            pair.wait_for("a", SWITCHED_WITHIN)
            for again in (False, True):
                switched = spillway("switch", "--to", "b", "--reason", "drill", "--who", "carol", "--admin", admin)
                expect(switched.returncode == 0 and "records go to b, until it is released" in switched.stdout
                       and ("as before" in switched.stdout) == again, switched)
            expect(pair.uses("b"), pair.status())
            pair.wait_for("b", SWITCHED_WITHIN)
            shown = spillway("broker", "status", "--admin", admin)
            expect("records go to b" in shown.stdout and "held by a person" in shown.stdout, shown)
            for _ in range(20):
                for target in "ab":
                    spillway("switch", "--to", target, "--reason", "to and fro", "--who", "carol", "--admin", admin)
            released = spillway("switch", "--release", "--reason", "over", "--who", "carol", "--admin", admin)
            expect(released.returncode == 0 and "as health decides" in released.stdout, released)
            pair.wait_for("a", RETURNED_WITHIN)
        spillway("switch", "--to", "b", "--reason", "kept", "--who", "carol", "--admin", admin)
        pair.broker.kill()
        pair.broker.start()
        expect(pair.uses("b"), pair.status())
        put(pair.broker.client(), KEYS, load.count, 1)
        wait_until(lambda: pair.broker.held() == 0)
        # What a web page could send.
        posted = urllib.request.Request(f"http://{admin}/v1/switch", b'{"reason":"x","who":"y","to":"a"}',
                                        {"Content-Type": "text/plain"})
        try:
            urllib.request.urlopen(posted)
        except urllib.error.HTTPError as refused:
            expect(refused.code == 400 and pair.uses("b"), refused)
        else:
            raise AssertionError("it was taken")
        nowhere = spillway("switch", "--to", "c", "--reason", "typo", "--admin", admin, "--admin", "127.0.0.1:1")
        expect(nowhere.returncode == 1 and "there is no target c, only a, b" in nowhere.stderr
               and "nothing answers at 127.0.0.1:1" in nowhere.stderr, nowhere)
        pair.broker.stop()
        check(pair, load.count + 1)
        verified = spillway("audit", "verify", f"{directory}/broker/switch-log")
        expect(verified.returncode == 0 and verified.stdout.startswith("whole: "), verified)


def test_records_wait_while_both_are_away_and_over_a_restart_of_the_broker(directory):
    with Pair(directory) as pair:
        client = pair.broker.client()
        put(client, KEYS, 0, 20)
        wait_until(lambda: pair.broker.held() == 0)
        pair.a.kill()
        wait_until(lambda: pair.uses("b"), SWITCHED_WITHIN)
        put(client, KEYS, 20, 20)
        wait_until(lambda: pair.broker.held() == 0)
        pair.b.kill()
        wait_until(lambda: "used" not in pair.status(), SWITCHED_WITHIN)
        put(client, KEYS, 40, 20)
        expect(pair.broker.held() == 20 * len(KEYS), pair.broker.held())
        pair.broker.kill()
        pair.broker.start()
        pair.b.start()
        wait_until(lambda: pair.broker.held() == 0, SWITCHED_WITHIN)
        pair.a.start()
        pair.broker.stop()
        check(pair, 60)
        in_a = {data for data, _ in read_with_origins(pair.a)}
        expect(in_a == {f"{key} {number}" for key in KEYS for number in range(20)}, len(in_a))


def test_targets_come_go_and_change_at_sighup_under_load(directory):
    with Pair(directory) as pair:
        config = pathlib.Path(directory, "spillway.toml")
        admin = f"127.0.0.1:{pair.broker.admin}"
        endpoints = {"a": pair.a.endpoint, "b": pair.b.endpoint, "c": "https://127.0.0.1:1"}

        def reload(names, expected="configuration reloaded", **more):
            """Writes a table for each name, with what `more` says of it, and returns what the log says then."""
            config.write_text("".join(f'[[broker.targets]]\nname = "{name}"\n'
                                      f'endpoint = "{endpoints[name]}"\n{more.get(name, "")}\n'
                                      for name in names), encoding="ascii")
            seen = len(pair.broker.log.read_text())
            pair.broker.process.send_signal(signal.SIGHUP)
            wait_until(lambda: expected in pair.broker.log.read_text()[seen:], SWITCHED_WITHIN)
            expect([target["name"] for target in pair.status()["targets"]] == list(names)
                   or "not reloaded" in expected, pair.status())
            return pair.broker.log.read_text()[seen:]

        with Load(pair.broker) as load:
            pair.wait_for("a", SWITCHED_WITHIN)
            expect("targets were changed" in reload("a"), "b goes, which isn't in use")
            pair.wait_for("a", SWITCHED_WITHIN)
            reload("ba")
            expect(pair.uses("a"), "what is in use stays that, until b is returned to", pair.status())
            pair.wait_for("b", RETURNED_WITHIN)
            said = reload("ba", b='kind = "amazon"')
            expect("a change waits for a restart" not in said, said)
            pair.wait_for("b", SWITCHED_WITHIN)
            spillway("switch", "--to", "b", "--reason", "drill", "--who", "carol", "--admin", admin)
            before = pair.status()
            for refused, more, why in (("a", {}, "target b can't go while it is held (carol switched: drill)"),
                                       ("bac", {"c": 'ca = "/none.pem"'}, "/none.pem"),
                                       ("", {}, "the file is empty")):
                said = reload(refused, "configuration not reloaded", **more)
                expect(why in said, why, said)
            expect([target["name"] for target in pair.status()["targets"]] == ["b", "a"] and
                   pair.status()["switch"] == before["switch"], pair.status())
            reload("ab")
            expect(pair.uses("b") and pair.status()["switch"]["held"], "it is held over that", pair.status())
            spillway("switch", "--release", "--reason", "over", "--who", "carol", "--admin", admin)
            pair.wait_for("a", RETURNED_WITHIN)
            # In an outage of the only region, another one is added, and takes all that waits.
            reload("a")
            pair.a.kill()
            wait_until(lambda: pair.broker.held() > 0)
            reload("ab")
            pair.wait_for("b", SWITCHED_WITHIN)
            reload("b")
            up = [line for line in pair.broker.metrics().splitlines() if line.startswith("spillway_broker_target_up")]
            expect(pair.uses("b") and len(up) == 1 and 'target="b"' in up[0], "a's was 0", up)
            pair.a.start()
            reload("a")
            pair.wait_for("a", SWITCHED_WITHIN)
            listed = spillway("switch", "list", "--admin", admin)
            expect("the target b is no longer configured" in listed.stdout, listed)
        pair.broker.stop()
        read = spillway("tail", "orders", "--json", "--from", "trim", "--mode", "ordered", "--until-tip",
                        "--regions", f"a={pair.a.endpoint},b=amazon:{pair.b.endpoint}")
        expect(read.returncode == 0, read.stderr)
        numbers = {}
        for line in read.stdout.splitlines():
            key, number = json.loads(line)["data"].split(" ")
            numbers.setdefault(key, []).append(int(number))
        expect(numbers == {key: list(range(load.count)) for key in KEYS}, "each once, in order", read.stderr)
        print(f"  targets changed 8 times: {load.count * len(KEYS)} records, none lost or doubled", flush=True)


def test_a_region_whose_disk_was_restored_is_sent_what_it_lacks_and_used_when_it_is_accepted(directory):
    with Pair(directory, backfill="a") as pair:
        client, admin = pair.broker.client(), f"127.0.0.1:{pair.broker.admin}"
        backup = f"{pair.a.directory}/backup"
        put(client, KEYS, 0, 20)
        wait_until(lambda: pair.broker.held() == 0)
        pair.restart_unseen(lambda: shutil.copytree(pair.a.data, backup))
        wait_until(lambda: pair.uses("a"), RETURNED_WITHIN)
        put(client, KEYS, 20, 20)
        wait_until(lambda: pair.broker.held() == 0)
        wait_until(lambda: len({data for data, _ in read_with_origins(pair.a)}) == 40 * len(KEYS), RETURNED_WITHIN)
        pair.restart_unseen(lambda: (shutil.rmtree(pair.a.data), shutil.copytree(backup, pair.a.data)))
        put(client, KEYS, 40, 1)  # one record for each at the latest shows it
        wait_until(lambda: "set_back" in pair.target("a"), RETURNED_WITHIN)
        found = pair.target("a")["set_back"]
        expect("it lacks" in found or "though it had acknowledged" in found, found)
        put(client, KEYS, 41, 19)
        wait_until(lambda: pair.uses("b") and pair.broker.held() == 0, SWITCHED_WITHIN)
        wanted = {f"{key} {number}" for key in KEYS for number in range(60)}
        wait_until(lambda: {data for data, _ in read_with_origins(pair.a)} == wanted, RETURNED_WITHIN)
        switches = pair.broker.directory / "broker" / "switch-log" / f"{1:020}.log"
        wait_until(lambda: '"action":"set_back"' in switches.read_text())
        pair.broker.kill()
        pair.broker.start()
        expect(pair.target("a")["set_back"].startswith("found at "), pair.target("a"))
        shown = spillway("broker", "status", "--admin", admin)
        expect("set back" in shown.stdout and found.split(" ")[2] in shown.stdout, shown)
        refused = spillway("switch", "--to", "a", "--reason", "back", "--admin", admin)
        expect(refused.returncode == 1 and "a was set back" in refused.stderr, refused)
        accepted = spillway("switch", "--accept", "a", "--reason", "it is what we have", "--admin", admin)
        expect(accepted.returncode == 0, accepted)
        wait_until(lambda: pair.uses("a"), RETURNED_WITHIN)
        put(client, KEYS, 60, 20)
        wait_until(lambda: pair.broker.held() == 0)
        expect("set_back" not in pair.target("a"), pair.target("a"))
        pair.broker.stop()
        check(pair, 80, in_order="b")  # the record that showed it came before those that a lacked
        verified = spillway("audit", "verify", f"{directory}/broker/switch-log")
        expect(verified.returncode == 0, verified)


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
