"""Approval of switches, as people handle it: the log of switches, written here by its page's words and
verified by `spillway audit`.
"""

import hashlib
import json
import pathlib
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
    assert f"{first}, line 2" in run("audit", "verify", log, code=1)
    first.write_text("".join(switch_lines(["druck", "x"])[0]), "utf-8")
    assert "was written anew" in run("audit", "verify", log, "--head", early, code=1)
    assert "spillway audit head" in run("audit", "verify", log, "--head", "1@", code=1)
    assert "has no log of switches" in run("audit", "verify", directory, code=1)
    assert "No such file" in run("audit", "verify", directory / "none", code=1)


def main():
    with tempfile.TemporaryDirectory(prefix="spillway-approval-") as directory:
        check_log(pathlib.Path(directory))
    print("approval: the log of switches is verified, and shows what was changed or cut")


if __name__ == "__main__":
    main()
