"""Runs the clients that others wrote, one after another, and holds docs/compatibility.md to what they did.

`run.py [--write] [NAME…]` runs those named, or all: a line each with what it is, what it spoke, how long
it took and how it ended; logs and results.json are in build/clients. The table between the page's markers
has to say what was run, and `--write` makes it. `run.py --versions` runs nothing: it holds the table's
versions against those that are pinned. tools/test installs what is run here.

A client's program tells what it did in lines `ran: PROTOCOL | WHAT`, each a row of the table; they are the
same at each run.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = ROOT / "build" / "clients"
PAGE = ROOT / "docs" / "compatibility.md"
BEGIN, END = "<!-- the clients: written by tools/test clients --write -->\n", "<!-- the clients end here -->\n"
DEBIAN_PYTHON, NEWEST_PYTHON = "/usr/bin/python3", ROOT / "build" / "python" / "bin" / "python"
SECONDS = 300  # for one client; the slowest takes a third

# title; where its version is pinned; its program
Client = collections.namedtuple("Client", "title version command")


def debian(package):
    """Of Debian 12's package, without Debian's own part of it. Not pinned: a point release may raise it."""
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True,
                             check=True).stdout
    return re.sub(r"^\d+:|[-+].*$", "", version)


def pypi(package):
    return re.search(rf"^{package}==(\S+)", (HERE / "requirements.txt").read_text("utf-8"), re.MULTILINE)[1]


def npm(package):
    lock = json.loads((HERE / "node" / "package-lock.json").read_text("utf-8"))
    return lock["packages"][f"node_modules/{package}"]["version"]


def maven(project, artifact):
    names = {"m": "http://maven.apache.org/POM/4.0.0"}
    for dependency in xml.etree.ElementTree.parse(HERE / project / "pom.xml").iterfind(".//m:dependency", names):
        if dependency.find("m:artifactId", names).text == artifact:
            return dependency.find("m:version", names).text
    raise KeyError(f"{artifact} is not in {project}/pom.xml")


def go(module):
    return re.search(rf"\b{re.escape(module)} v(\S+)", (HERE / "go" / "go.mod").read_text("utf-8"))[1]


def crate(name):
    return re.search(rf'name = "{name}"\nversion = "([^"]+)"', (HERE / "rust" / "Cargo.lock").read_text("utf-8"))[1]


def python(program, *arguments, interpreter=DEBIAN_PYTHON):
    return [interpreter, HERE / program, *arguments]


CLIENTS = {
    "awscli": Client("awscli 2, Debian 12's", lambda: debian("awscli"), python("awscli_test.py", "/usr/bin/aws")),
    "awscli1": Client("awscli 1", lambda: pypi("awscli"), python("awscli_test.py", NEWEST_PYTHON.parent / "aws")),
    "boto3": Client("boto3, Debian 12's", lambda: debian("python3-boto3"), python("boto3_test.py")),
    "boto3-newest": Client("boto3", lambda: pypi("boto3"), python("boto3_test.py", interpreter=NEWEST_PYTHON)),
    "node": Client("AWS SDK for JavaScript v3", lambda: npm("@aws-sdk/client-kinesis"), python("node_test.py")),
    "go": Client("AWS SDK for Go v2, service/kinesis", lambda: go("github.com/aws/aws-sdk-go-v2/service/kinesis"),
                 python("go_test.py")),
    "rust": Client("AWS SDK for Rust, aws-sdk-kinesis", lambda: crate("aws-sdk-kinesis"), python("rust_test.py")),
    "java": Client("AWS SDK for Java v2", lambda: maven("java", "kinesis"), python("java_test.py")),
    "kpl": Client("Kinesis Producer Library", lambda: maven("java", "amazon-kinesis-producer"), python("kpl_test.py")),
    "flink": Client("Flink's connector for Kinesis", lambda: maven("flink", "flink-connector-kinesis"),
                    python("flink_test.py")),
    "kcl2": Client("Kinesis Client Library 2", lambda: maven("kcl/v2", "amazon-kinesis-client"),
                   python("kcl_test.py", "2")),
    "kcl3": Client("Kinesis Client Library 3", lambda: maven("kcl/v3", "amazon-kinesis-client"),
                   python("kcl_test.py", "3")),
}


def run(name):
    """What it told of itself: (protocol, what) of each line; None if it failed."""
    client, log = CLIENTS[name], RESULTS / f"{name}.log"
    begun = time.monotonic()
    with open(log, "wb") as out:
        try:
            code = subprocess.run([str(part) for part in client.command], stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, timeout=SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            code = f"nothing after {SECONDS} seconds"
    text = log.read_text("utf-8", errors="replace")
    ran = [tuple(line.split(" | ", 1)) for line in re.findall(r"^ran: (.+ \| .+)$", text, re.MULTILINE)]
    right = code == 0 and ran
    seconds = time.monotonic() - begun
    spoken = ", ".join(protocol for protocol, _ in ran)
    print(f"{name:13} {client.title} {client.version()}: {spoken or '-'}: {seconds:.0f} s: "
          f"{'right' if right else f'FAILED ({code})'}", flush=True)
    if not right:
        print(f"the last lines of {log}:\n" + "".join(f"    {line}\n" for line in text.splitlines()[-30:]), flush=True)
    return {"client": name, "title": client.title, "version": client.version(), "ran": ran, "seconds": round(seconds, 1),
            "result": "right" if right else "failed", "log": str(log.relative_to(ROOT))}


def rows(name, version, ran):
    return [f"| {CLIENTS[name].title} | {version} | {protocol} | {what} | right |\n" for protocol, what in ran]


def table():
    """The page's rows, between its markers."""
    before, found, after = re.fullmatch(f"(.*{re.escape(BEGIN)})(.*)({re.escape(END)}.*)", PAGE.read_text("utf-8"),
                                        re.DOTALL).groups()
    return before, found.splitlines(keepends=True), after


def rows_of(name, lines):
    return [line for line in lines if line.startswith(f"| {CLIENTS[name].title} | ")]


def check(results, write):
    """Whether the page says what was run; written to, it does."""
    before, lines, after = table()
    told = {result["client"]: rows(result["client"], result["version"], result["ran"]) for result in results}
    wanted = ["| client | version | speaks | what was run | result |\n", "| --- | --- | --- | --- | --- |\n"]
    for name in CLIENTS:
        wanted += told.get(name, rows_of(name, lines))
    if lines == wanted:
        return True
    if write:
        PAGE.write_text(before + "".join(wanted) + after, "utf-8")
        print(f"{PAGE.relative_to(ROOT)}: written")
        return True
    print(f"{PAGE.relative_to(ROOT)} says otherwise; tools/test clients --write writes:")
    print("".join(f"    {line}" for line in wanted if line not in lines), end="")
    return False


def check_versions():
    _, lines, _ = table()
    wrong = [name for name, client in CLIENTS.items() if "Debian" not in client.title
             and not all(f"| {client.version()} |" in row for row in rows_of(name, lines) or ["none"])]
    for name in wrong:
        print(f"{PAGE.relative_to(ROOT)} has not version {CLIENTS[name].version()} of {name}: tools/test clients --write")
    return not wrong


def main(arguments):
    if arguments == ["--versions"]:
        return check_versions()
    write = "--write" in arguments
    names = [argument for argument in arguments if argument != "--write"] or list(CLIENTS)
    unknown = set(names) - set(CLIENTS)
    if unknown:
        sys.exit(f"no client {', '.join(sorted(unknown))}; there are {', '.join(CLIENTS)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    results = [run(name) for name in names]
    (RESULTS / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    right = [result for result in results if result["result"] == "right"]
    print(f"{len(right)} passed, {len(results) - len(right)} failed")
    return check(right, write) and len(right) == len(results)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
