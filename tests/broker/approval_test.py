"""Approval of switches, as people handle it: the log of switches, written here by its page's words and
verified by `spillway audit`; keys and grants of `spillway grant`, held against openssl.
"""

import base64
import hashlib
import json
import pathlib
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import BINARY  # noqa: E402


def run(*arguments, code=0):
    """Its standard output, or its standard error where it must fail."""
    ran = subprocess.run([str(BINARY), *map(str, arguments)], check=False, capture_output=True, text=True)
    assert ran.returncode == code, ran
    return ran.stdout if code == 0 else ran.stderr


def switch_lines(reasons):
    previous, lines = "0" * 64, []
    for number, reason in enumerate(reasons, 1):
        line = json.dumps({"v": 1, "sequence": number, "previous": previous, "time": "2020-11-25T14:00:00.123Z",
                           "action": "switch", "stream": "telemetry", "from": "a", "to": "b", "who": "alice",
                           "reason": reason, "grant": "", "break_glass": False, "request_id": f"r-{number}"},
                          separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(line.encode()).hexdigest()
        lines.append(line + "\n")
    return lines, f"{previous}@{len(lines)}"


def check_log(directory):
    data = directory / "broker"
    log = data / "switch-log"
    log.mkdir(parents=True)
    lines, head = switch_lines(["drill", "région \"a\" gestört", "back"])
    first, second = log / f"{1:020}.log", log / f"{3:020}.log"
    first.write_text("".join(lines[:2]), "utf-8")
    second.write_text(lines[2], "utf-8")

    settings = directory / "spillway.toml"
    settings.write_text(f'[broker]\ndata = "{data}"\n')
    assert run("audit", "head", log) == run("audit", "head", "--config", settings) == head + "\n"
    assert json.loads(run("audit", "head", log, "--json")) == {"lines": 3, "first": 1, "head": head}
    assert "whole: 3 lines" in run("audit", "verify", log)
    assert "cut off" not in run("audit", "verify", log, "--head", head)
    assert "begins with line 3" in run("audit", "verify", second)
    early = f"{hashlib.sha256(lines[0][:-1].encode()).hexdigest()}@1"
    run("audit", "verify", log, "--head", early)
    assert "verify the whole directory" in run("audit", "verify", second, "--head", early, code=1)

    second.write_text("")
    run("audit", "verify", log)
    assert "ends with line 2, and line 3 was there" in run("audit", "verify", log, "--head", head, code=1)
    first.write_text("".join(lines[:2]).replace("drill", "druck"), "utf-8")
    for named in ([log], [data], ["--data", data]):
        assert f"{first}, line 2" in run("audit", "verify", *named, code=1), named
    first.write_text("".join(switch_lines(["druck", "x"])[0]), "utf-8")
    assert "was written anew" in run("audit", "verify", log, "--head", early, code=1)
    assert "spillway audit head" in run("audit", "verify", log, "--head", "1@", code=1)
    assert "has no log of switches" in run("audit", "verify", "--data", directory, code=1)
    assert "has no log of switches" in run("audit", "verify", directory, code=1)
    assert "has no log of switches" in run("audit", "verify", directory / "none", code=1)
    assert "No such file" in run("audit", "verify", directory / second.name, code=1)


def grant(directory, *arguments, code=0):
    return run("grant", *arguments, "--data", directory / "broker", code=code)


def rows(directory, *arguments):
    return {row["id"]: row for row in map(json.loads, grant(directory, "list", "--json", *arguments).splitlines())}


def check_keys(directory):
    key = directory / "approver.pem"
    public = grant(directory, "keygen", "--out", key).strip()
    assert public.startswith("ed25519:") and len(public) == 8 + 43, public
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_text()
    assert "is there already" in grant(directory, "keygen", "--out", key, code=1)
    assert key.read_text() == before
    # What openssl says of the same key: the 32 bytes at the end of its DER.
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True,
                         stdout=subprocess.PIPE).stdout
    assert public == "ed25519:" + base64.urlsafe_b64encode(der[-32:]).decode().rstrip("="), der
    return key, public


def check_who_may_read_a_key(directory, key):
    key.chmod(0o640)
    refused = grant(directory, "create", "--key", key, "--stream", "s", "--target", "b",
                    "--holder", "broker:edge-1", "--for", "1d", "--reason", "none", "--print", code=1)
    assert f"chmod 600 {key}" in refused, refused
    key.chmod(0o600)


def check_grants(directory):
    key, public = check_keys(directory)
    check_who_may_read_a_key(directory, key)
    wanted = ["create", "--key", key, "--stream", "telemetry-*", "--target", "b", "--reason", "freeze"]
    text = grant(directory, *wanted, "--holder", "broker:edge-1", "--for", "90d").strip()
    (one,) = rows(directory).values()
    assert one["status"] == "unchecked" and one["approver"] == public and one["holder"] == "broker:edge-1", one
    assert (directory / "broker" / "grants" / f"{one['id']}.grant").read_text() == text + "\n"
    payload = text.split(".")[1]
    inside = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert inside["id"] == one["id"] and inside["not_after"] == one["not_after"], inside
    assert json.loads(grant(directory, "show", one["id"], "--json")) == {k: one[k] for k in one if k != "status"}
    assert "any number of switches" in grant(directory, "show", text)

    # What openssl says of the signature.
    signed, signature = text.rsplit(".", 1)
    (directory / "signed.txt").write_text(signed)
    (directory / "signature").write_bytes(base64.urlsafe_b64decode(signature + "=="))
    subprocess.run(["openssl", "pkeyutl", "-verify", "-inkey", key, "-rawin", "-in", directory / "signed.txt",
                    "-sigfile", directory / "signature"], check=True, stdout=subprocess.DEVNULL)
    other = directory / "other.pem"
    stranger = grant(directory, "keygen", "--out", other).strip()
    assert rows(directory, "--approver", stranger)[one["id"]]["status"] == "stranger's"
    assert rows(directory, "--approver", public)[one["id"]]["status"] == "valid"
    return key, wanted, one["id"], text


def check_refusals(directory, key, wanted, text):
    until = ["--until", "2020-11-25T14:00:00Z"]
    holder = ["--holder", "broker:edge-1"]
    assert "ended already" in grant(directory, *wanted, *holder, *until, "--from", "2020-11-25T13:00:00Z", code=1)
    assert "--for or --until" in grant(directory, *wanted, *holder, code=1)
    assert "is no holder" in grant(directory, *wanted, "--holder", "alice", "--for", "1h", code=1)
    assert "is no time" in grant(directory, *wanted, *holder, "--until", "tomorrow", code=1)
    assert "private key" in grant(directory, *wanted[:1], "--key", directory / "signed.txt", *wanted[3:], *holder,
                                  "--for", "1h", code=1)
    changed = text[:30] + ("A" if text[30] != "A" else "B") + text[31:]
    assert "grant" in grant(directory, "show", changed, code=1)
    assert "grant list" in grant(directory, "show", "0" * 32, code=1)
    assert key.exists()


def check_revocation(directory, key, wanted, identity):
    """A broker elsewhere is handed the grant, and later its revocation, as texts."""
    elsewhere = directory / "elsewhere"
    once = grant(directory, *wanted, "--holder", "broker:edge-1", "--for", "1h", "--once", "--print").strip()
    assert len(rows(directory)) == 1
    grant(elsewhere, "add", once)
    (handed,) = rows(elsewhere).values()
    assert handed["once"] and handed["status"] == "unchecked", handed
    revoked = grant(directory, "revoke", handed["id"], "--reason", "left", "--key", key, "--print").strip()
    assert "revokes grant  " + handed["id"] in grant(directory, "show", revoked)
    (directory / "handed over").write_text(revoked + "\n")
    grant(elsewhere, "add", directory / "handed over")
    assert rows(elsewhere)[handed["id"]]["status"] == "revoked"
    grant(directory, "revoke", identity, "--reason", "freeze is over", "--key", key)
    assert identity in grant(directory, "list") and rows(directory)[identity]["status"] == "revoked"
    # What the broker remembers counts too.
    (stored,) = (directory / "broker" / "grants").glob(f"{identity}.*.revocation")
    stored.unlink()
    ledger = directory / "broker" / "grant-ledger"
    ledger.write_text(f"spillway grant ledger 1\nlatest 2020-11-25T14:00:00.000Z\nrevoked {identity}\n")
    assert rows(directory)[identity]["status"] == "revoked"
    ledger.write_text("spillway grant ledger 1\nlatest 2999-11-25T14:00:00.000Z\n")
    assert rows(directory)[identity]["status"] == "expired"


def check_who_signed(directory, key, wanted):
    """With the configuration, only what its approvers signed counts, and only for its targets."""
    place, other = directory / "who", directory / "other.pem"
    place.mkdir()
    settings = place / "spillway.toml"
    holder = ["--holder", "broker:edge-1", "--for", "1h"]
    good = json.loads(grant(place, "show", grant(place, *wanted, *holder).strip(), "--json"))
    settings.write_text(f'[broker]\napprovers = ["alice={good["approver"]}"]\n'
                        '[[broker.targets]]\nname = "b"\nendpoint = "http://127.0.0.1:1"\n')
    grant(place, "create", "--key", other, *wanted[3:], *holder)
    grant(place, *wanted[:5], "--target", "nowhere", *wanted[7:], *holder, "--config", settings)
    configured = rows(place, "--config", settings)
    assert configured[good["id"]]["status"] == "valid", configured
    assert sorted(row["status"] for row in configured.values()) == ["no target", "stranger's", "valid"], configured
    # By no approver: refused where that is known, and else it keeps no approver's out.
    revoke = ["revoke", good["id"], "--reason", "over"]
    refused = grant(place, *revoke, "--key", other, "--config", settings, code=1)
    assert "who is none of broker.approvers" in refused, refused
    grant(place, *revoke, "--key", other)
    assert rows(place, "--config", settings)[good["id"]]["status"] == "valid"
    grant(place, *revoke, "--key", key, "--config", settings)
    assert rows(place, "--config", settings)[good["id"]]["status"] == "revoked"
    assert "no data directory of a broker" in grant(directory / "nope", "list", code=1)


def main():
    with tempfile.TemporaryDirectory(prefix="spillway-approval-") as name:
        directory = pathlib.Path(name)
        check_log(directory)
        key, wanted, identity, text = check_grants(directory)
        check_refusals(directory, key, wanted, text)
        check_revocation(directory, key, wanted, identity)
        check_who_signed(directory, key, wanted)
    print("approval: the log of switches shows what was changed or cut; grants are signed, handed over, revoked")


if __name__ == "__main__":
    main()
