"""A broker whose switches need grants: people's and its own, refused, allowed, and told, over restarts."""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

from broker_test import KEYS, expect, put
from failover_test import RETURNED_WITHIN, SWITCHED_WITHIN, Pair, spillway
from region import BINARY, ROOT, run_tests, wait_until


def utc(seconds_from_now):
    return (datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds_from_now)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Guarded(Pair):
    """Of a pair: alice approves, carol switches, and the broker is called edge."""

    def __init__(self, directory, **settings):
        self.directory = pathlib.Path(directory)
        self.alice, self.carol, self.dave = (self.keygen(name) for name in ("alice", "carol", "dave"))
        super().__init__(directory, host="edge", approval="grant", approvers=f"alice={self.alice}", **settings)

    def keygen(self, name):
        made = spillway("grant", "keygen", "--out", f"{self.directory}/{name}.pem")
        expect(made.returncode == 0, made)
        return made.stdout.strip()

    def grant(self, holder, *more, target="b", stream="*", life=("--for", "1h"), key="alice"):
        """Its text; stored where the broker finds it unless `more` has --print."""
        made = spillway("grant", "create", "--data", f"{self.directory}/broker", "--key", f"{self.directory}/{key}.pem",
                        "--stream", stream, "--target", target, "--holder", holder, "--reason", "freeze", *life, *more)
        expect(made.returncode == 0, made)
        return made.stdout.strip()

    def identity(self, text):
        return json.loads(spillway("grant", "show", text, "--json").stdout)["id"]

    def revoke(self, text):
        revoked = spillway("grant", "revoke", self.identity(text), "--data", f"{self.directory}/broker",
                           "--key", f"{self.directory}/alice.pem", "--reason", "over")
        expect(revoked.returncode == 0, revoked)

    def ask(self, *arguments, key="carol"):
        proof = ["--key", f"{self.directory}/{key}.pem"] if key else ["--who", "carol"]
        return spillway("switch", "--reason", "drill", "--admin", f"127.0.0.1:{self.broker.admin}", *proof, *arguments)

    def refused(self, *words, to="b", **how):
        """A switch that isn't made, and is answered with these words."""
        used = self.status().get("used")
        arguments = how.pop("arguments", [])
        answer = self.ask("--to", to, *arguments, **how)
        expect(answer.returncode == 1 and all(word in answer.stderr for word in words), words, answer)
        expect(self.status().get("used") == used, self.status())
        expect(self.last()["action"] == "refuse" and self.last()["to"] == to, self.last())

    def allowed(self, to="b", arguments=(), **how):
        answer = self.ask("--to", to, *arguments, **how)
        expect(answer.returncode == 0 and f"records go to {to}, until it is released" in answer.stdout, answer)
        expect(self.uses(to), self.status())

    def audit(self):
        log = self.directory / "broker" / "switch-log"
        return [json.loads(line) for file in sorted(log.glob("*.log")) for line in file.read_text().splitlines()]

    def last(self):
        """But for what tells of grants, which is when the broker finds them, at any time."""
        return [line for line in self.audit() if line["action"] not in ("grant", "revoke")][-1]

    def restart(self, between=lambda: None):
        self.broker.kill()
        between()
        self.broker.start()

    def wait_for_delivery(self):
        wait_until(lambda: self.broker.held() == 0, SWITCHED_WITHIN)

    def verify(self):
        verified = spillway("audit", "verify", f"{self.directory}/broker/switch-log")
        expect(verified.returncode == 0 and verified.stdout.startswith("whole: "), verified)


def test_a_persons_switch_needs_a_grant_that_holds(directory):
    with Guarded(directory) as pair:
        pair.refused("--key FILE", "target b", "--break-glass", key=None)
        pair.refused("there is no grant", "all of the streams orders, telemetry", f"target b, holder {pair.carol}",
                     "--for 12h")
        pair.grant(pair.dave)
        pair.refused(f"it is for {pair.dave}, not for {pair.carol}")
        for text, word in ((pair.grant(pair.carol, "--print", stream="orders"), "not for telemetry"),
                           (pair.grant(pair.carol, "--print", target="c"), "it is for the target c, not for b"),
                           (pair.grant(pair.carol, "--print", "--from", utc(3600)), "it holds from"),
                           (pair.grant(pair.carol, "--print", key="dave"), "is no approver of this broker"),
                           (pair.grant(pair.carol, "--print")[:-4] + "AAAA", "signature is not that of")):
            pair.refused(word, arguments=["--grant", text])
        end = utc(2)
        brief = pair.grant(pair.carol, "--print", life=("--from", utc(-60), "--until", end))
        wait_until(lambda: utc(-1) >= end)  # by the clock, which the broker has too
        pair.refused("it ended at", arguments=["--grant", brief])
        # One for one switch: good for it, for asking again, and never more.
        once = pair.grant(pair.carol, "--print", "--once")
        pair.allowed(arguments=["--grant", once])
        pair.allowed(arguments=["--grant", once])
        expect(pair.last()["action"] == "switch" and pair.last()["grant"] == pair.identity(once),
               pair.last())
        expect(pair.last()["who"] == pair.carol and not pair.last()["break_glass"], pair.last())
        pair.restart()
        expect(pair.uses("b"), pair.status())
        pair.allowed("a", key=None)  # the first target needs none
        pair.refused("for one switch, which was made", arguments=["--grant", once])
        pair.restart()
        pair.refused("for one switch, which was made")
        # One that lies with the broker, revoked while that is away.
        kept = pair.grant(pair.carol)
        pair.allowed()
        pair.allowed("a", key=None)
        pair.restart(between=lambda: pair.revoke(kept))
        pair.refused("it was revoked", arguments=["--grant", kept])
        for stored in (pathlib.Path(directory) / "broker" / "grants").glob("*.revocation"):
            stored.unlink()
        pair.restart()
        pair.refused("it was revoked", arguments=["--grant", kept])
        pair.verify()
        expect({"grant", "revoke", "refuse", "switch"} <= {line["action"] for line in pair.audit()}, pair.audit())


def test_what_has_expired_stays_so_when_the_clock_is_set_back(directory):
    with Guarded(directory) as pair:
        pair.grant(pair.carol)
        pair.allowed()
        pair.allowed("a", key=None)

        def later():  # as if the clock had been two hours ahead once
            ledger = pathlib.Path(directory) / "broker" / "grant-ledger"
            lines = ledger.read_text().splitlines()
            expect(lines[1].startswith("latest 2"), lines)
            lines[1] = f"latest {utc(7200)[:-1]}.000Z"
            ledger.write_text("\n".join(lines) + "\n")
        pair.restart(between=later)
        pair.refused("it ended at")

        def damaged():
            (pathlib.Path(directory) / "broker" / "grant-ledger").write_text("spillway grant ledger 1\nlatest soon\n")
        pair.restart(between=damaged)
        pair.refused("no grant is good while the ledger of grants can't be read")
        expect("no grant is good until it can be read" in pair.broker.log.read_text(), pair.broker.log.read_text())


def test_the_broker_switches_by_itself_with_a_grant_of_its_own(directory):
    with Guarded(directory) as pair:
        client = pair.broker.client()
        put(client, KEYS, 0, 5)
        pair.wait_for_delivery()
        pair.grant(pair.carol)  # a person's is none of the broker's
        pair.a.kill()
        wait_until(lambda: "used" not in pair.status() and "refused" in pair.status()["switch"], SWITCHED_WITHIN)
        refused = pair.last()
        expect(refused["action"] == "refuse" and refused["who"] == "broker:edge"
               and "--holder broker:edge" in refused["reason"], refused)
        put(client, KEYS, 5, 5)
        expect(pair.broker.held() == 5 * len(KEYS), pair.broker.held())
        pair.restart()
        wait_until(lambda: "used" not in pair.status(), SWITCHED_WITHIN)
        leave = pair.grant("broker:edge")
        wait_until(lambda: pair.uses("b"), SWITCHED_WITHIN)
        pair.wait_for_delivery()
        switched = pair.last()
        expect(switched["action"] == "switch" and switched["grant"] == pair.identity(leave), switched)
        # It was leave to go, not to stay; and the way back needs none.
        pair.revoke(leave)
        pair.restart()
        expect(pair.uses("b"), pair.status())
        pair.a.start()
        wait_until(lambda: pair.uses("a"), RETURNED_WITHIN)
        expect(pair.last()["action"] == "return", pair.last())
        pair.verify()


def test_the_glass_can_be_broken_and_everybody_is_told(directory):
    with Guarded(directory) as pair:
        pair.allowed(arguments=["--break-glass"], key=None)
        line = pair.last()
        expect(line["break_glass"] and line["who"] == "carol" and line["grant"] == "", line)
        pair.restart()
        expect(pair.uses("b") and pair.status()["switch"]["break_glass"], pair.status())
        shown = spillway("broker", "status", "--admin", f"127.0.0.1:{pair.broker.admin}")
        expect("WITHOUT A GRANT" in shown.stdout, shown)
        expect("the glass was broken" in pair.broker.log.read_text(), "the log")
        expect("\nspillway_broker_break_glass 1\n" in pair.broker.metrics(), "the metric")
        # Nobody is believed to be somebody who could prove it.
        posing = spillway("switch", "--to", "a", "--reason", "drill", "--who", pair.alice,
                          "--admin", f"127.0.0.1:{pair.broker.admin}")
        expect(posing.returncode == 1 and "who is proven to ask" in posing.stderr and pair.uses("b"), posing)
        expect(pair.ask("--release", key=None).returncode == 0, "to release needs no grant")
        wait_until(lambda: not pair.status()["switch"]["break_glass"])


def test_a_log_that_cant_be_written_stops_no_switch(directory):
    log = pathlib.Path(directory) / "broker" / "switch-log"
    log.parent.mkdir()
    log.write_text("in its way")
    with Guarded(directory) as pair:
        pair.grant(pair.carol)
        answer = pair.ask("--to", "b")
        expect(answer.returncode == 0 and "not recorded: " in answer.stdout and pair.uses("b"), answer)
        expect("the log of switches can't be written" in pair.broker.log.read_text(), "told")
        pair.restart()
        log.unlink()
        pair.allowed("a", key=None)
        expect([(line["action"], line["to"]) for line in pair.audit() if line["action"] == "switch"]
               == [("switch", "b"), ("switch", "a")], pair.audit())
        pair.verify()


def blocks_of_the_docs():
    text = (ROOT / "docs" / "failover.md").read_text("utf-8")
    found = re.findall(r"<!-- run by tests/clients/grants_test\.py: .*? -->\n```sh\n(.*?)```\n", text, re.DOTALL)
    expect(len(found) == text.count("grants_test.py") == 2, found)
    return found


def test_the_plan_for_a_change_freeze_is_as_documented(directory):
    before, during = blocks_of_the_docs()
    pair = Pair(directory, host="edge")
    environment = os.environ | {"PATH": f"{BINARY.resolve().parent}:{os.environ['PATH']}", "USER": "carol",
                                "SPILLWAY_BROKER_DATA": f"{directory}/broker",
                                "SPILLWAY_BROKER_ADMIN": f"127.0.0.1:{pair.broker.admin}"}

    def shell(script, **variables):
        return subprocess.run(["bash", "-es"], input=script, capture_output=True, text=True, cwd=directory, check=True,
                              timeout=60, env=environment | variables).stdout

    carol = shell(before + 'echo "$oncall"\n').strip()
    with pair:
        wait_until(lambda: pair.uses("a"), SWITCHED_WITHIN)
        said = shell(during, oncall=carol)
        expect(all(words in said for words in ("grants allow the broker to switch by itself until",
                                               "records go to b, until it is released",
                                               "records go to a, until it is released",
                                               "records go to a, as health decides")), said)
        log = pathlib.Path(directory) / "broker" / "switch-log"
        lines = [json.loads(line) for line in (log / f"{1:020}.log").read_text().splitlines()]
        expect([line["action"] for line in lines] == ["grant", "grant", "switch", "switch", "release"], lines)
        expect([line["who"] for line in lines[2:]] == [carol, "carol", "carol"], lines)


def test_several_brokers_are_switched_by_one_command(directory):
    with Guarded(directory) as pair:
        pair.grant(pair.carol, "--once")
        other = pathlib.Path(directory) / "other"
        other.mkdir()
        with Pair(other, host="core", streams="payments") as second:
            admins = [f"127.0.0.1:{each.broker.admin}" for each in (pair, second)]
            both = ["--reason", "drill", "--to", "b", "--key", f"{directory}/carol.pem",
                    "--admin", f"http://{admins[0]},{admins[1]}"]
            for again in (False, True):
                rows = spillway("switch", "telemetry", *both)
                expect(rows.returncode == 0 and rows.stdout.split()[:4] == ["ADMIN", "BROKER", "DONE", "ANSWER"]
                       and [row.split()[:3] for row in rows.stdout.splitlines()[1:]]
                       == [[admins[0], "edge", "yes"], [admins[1], "core", "yes"]]
                       and rows.stdout.count("as before") == (2 if again else 0), rows)
                expect(pair.uses("b") and second.uses("b"), pair.status(), second.status())
            expect(len([line for line in pair.audit() if line["action"] == "switch"]) == 1, pair.audit())
            # One that can't do it doesn't keep the others from it.
            second.broker.kill()
            some = spillway("switch", "--to", "a", "--reason", "back", "--json",
                            "--admin", admins[1], "--admin", admins[0])
            answers = {row["admin"]: row for row in map(json.loads, some.stdout.splitlines())}
            expect(some.returncode == 1 and not answers[admins[1]]["ok"]
                   and "nothing answers at" in answers[admins[1]]["error"]
                   and answers[admins[0]]["ok"] and answers[admins[0]]["target"] == "a" and pair.uses("a"), some)
            second.broker.start()
            wrong = spillway("switch", "orders", "--to", "a", "--reason", "back", "--admin", ",".join(admins))
            expect(wrong.returncode == 1 and "this broker has no stream orders" in wrong.stderr
                   and f"{admins[1]}  -       FAILED" in wrong.stdout and second.uses("b"), wrong)


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
