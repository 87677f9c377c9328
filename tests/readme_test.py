"""Runs the README's shell blocks as they stand, in one shell, and checks what they print.

A block counts if a line `<!-- run by tests/readme_test.py -->` stands above it. Only the paths and the
ports differ from what a reader pastes; awscli and boto3 are Debian's, the SDK for Node is the one that
tools/test installs.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from region import BINARY, ROOT, free_port, wait_until

MARK = "<!-- run by tests/readme_test.py -->"


def blocks(text):
    found = re.findall(re.escape(MARK) + r"\n```sh\n(.*?)```\n", text, re.DOTALL)
    if len(found) != text.count(MARK) or not found:
        raise SystemExit(f"README.md: {text.count(MARK)} marks, but {len(found)} blocks below them")
    return found


def run(script, directory):
    """What the pasted lines print. Whatever they started has ended."""
    listen, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    script = script.replace("build/release/spillway", str(BINARY)).replace("127.0.0.1:4566", listen)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    os.symlink(ROOT / "tests/clients/node/node_modules", os.path.join(directory, "node_modules"))
    environment |= {"SPILLWAY_SERVE_LISTEN": listen, "SPILLWAY_SERVE_ADMIN": admin, "HOME": directory,
                    # Debian's awscli, not another one.
                    "PATH": f"/usr/bin:/bin:{os.path.dirname(shutil.which('node'))}"}
    shell = subprocess.Popen(["bash", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, cwd=directory, env=environment,
                             start_new_session=True)
    try:
        out, err = shell.communicate(script + "\nkill %1\nwait %1\necho \"ended with $?\"\n", 120)
    finally:
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return out, err


def main():
    with tempfile.TemporaryDirectory(prefix="spillway-readme-") as directory:
        text = (ROOT / "README.md").read_text("utf-8")
        check_versions(text)
        script = "".join(blocks(text))
        out, err = run(script, directory)
        try:
            check(out)
        except Exception:
            print(f"{script}\nprinted:\n{out}\nand, as errors:\n{err}", file=sys.stderr)
            raise
        print(f"README.md: {len(script.splitlines())} pasted lines work")


def check_versions(text):
    """The SDK that the README has its reader install is the one that was run."""
    package = json.loads((ROOT / "tests/clients/node/package.json").read_text("utf-8"))
    wanted = f"@aws-sdk/client-kinesis@{package['dependencies']['@aws-sdk/client-kinesis']}"
    assert f"npm install {wanted}`" in text, f"README.md does not install {wanted}"


def check(out):
    assert out.startswith("spillway serves"), "the region did not say that it serves"
    assert out.endswith("ended with 0\n"), "the region did not end cleanly"
    answers = [json.loads(text) for text in re.findall(r"^\{\n.*?^\}$", out, re.DOTALL | re.MULTILINE)]
    assert len(answers) == 2, f"{len(answers)} answers in JSON"
    put, got = answers
    assert put["ShardId"] == "shardId-000000000000" and put["SequenceNumber"]
    records = got["Records"]
    assert [(r["Data"], r["PartitionKey"], r["SequenceNumber"]) for r in records] == [
        ("aGVsbG8=", "host-1", put["SequenceNumber"])], records
    assert "\n[b'hello', b'hello from boto3']\n" in out, "boto3 did not read what was put"
    assert "\n[ 'hello', 'hello from boto3', 'hello from Node' ]\n" in out, "nor did Node"


if __name__ == "__main__":
    main()
