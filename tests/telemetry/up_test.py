"""`spillway up` and `spillway broker` as a user runs them: what flows, what is found again, and what is
said when something fails."""

import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from region import BINARY, Region, free_port, read_all, run_tests, wait_until  # noqa: E402


class Up:
    """A `spillway up` in a directory of its own."""

    def __init__(self, directory, *arguments):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.port, self.admin, self.broker_admin = free_port(), free_port(), free_port()
        self.port_b, self.admin_b = free_port(), free_port()
        self.arguments = arguments
        self.environment = {}  # more of it
        self.process = None

    def command(self, *arguments):
        return [str(BINARY), "up", "--data", str(self.data),
                "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}",
                "--listen-b", f"127.0.0.1:{self.port_b}", "--admin-b", f"127.0.0.1:{self.admin_b}",
                "--broker-admin", f"127.0.0.1:{self.broker_admin}", *self.arguments, *arguments]

    def start(self, *arguments):
        # Files of this machine would differ from one to the next.
        environment = (os.environ | {"SPILLWAY_BROKER_FILES": "", "SPILLWAY_BROKER_LISTEN": ""} |
                       self.environment)
        self.out = open(self.directory / "out", "w+")
        self.err = open(self.directory / "err", "w+")
        self.process = subprocess.Popen(self.command(*arguments), stdout=self.out, stderr=self.err,
                                        text=True, env=environment)
        return self

    def wait(self):
        """Exit code, standard output, standard error."""
        code = self.process.wait(90)
        self.out.seek(0)
        self.err.seek(0)
        return code, self.out.read(), self.err.read()

    def run(self, *arguments):
        return self.start(*arguments).wait()

    def status(self):
        """What the broker says of itself, None while it says nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.broker_admin}/v1/status") as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            return None

    def acknowledged(self):
        return (self.status() or {}).get("acknowledged_records", 0)

    def children(self):
        """"a", "b" or "broker" → process id."""
        found = {}
        pid = self.process.pid
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            arguments = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if len(arguments) > 1:
                name = "broker" if arguments[1] == b"broker" else "b" if b"/serve-b" in b"".join(arguments) else "a"
                found[name] = int(child)
        return found


def expect(condition, *what):
    if not condition:
        raise AssertionError("\n".join(str(part) for part in what))


def number(pattern, text):
    found = re.search(pattern, text)
    expect(found, f"nothing like {pattern!r} in:", text)
    return int(found.group(1).replace(",", ""))


def flowed(outcome):
    """How many records a run that went well tells of, and how many were stored before."""
    code, out, err = outcome
    expect(code == 0, f"exit code {code}", out, err)
    expect(nothing_wrong(out), out)
    before = re.search(r"stored: .*\(([\d,]+) stored before\)", out)
    return (number(r"(?m)^([\d,]+) records flowed in", out),
            int(before.group(1).replace(",", "")) if before else 0)


def nothing_wrong(out):
    """A region that was away may have held some that were read late."""
    return re.search(r": 0 lost, 0 doubled(, \d+ late)?\r?\n", out) and " missing" not in out


def gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def check_subjects(up):
    """One record a second of each subject that every machine has."""
    with Region() as region:
        region.stop()
        region.data = up.data / "serve"
        region.start()
        seconds = {}
        for records in read_all(region.client(), "telemetry").values():
            for record in records:
                fields = json.loads(record["Data"])
                seconds.setdefault(fields["subject"], set()).add(fields["time"] // 1000)
    for kind in ("cpu", "memory", "net", "disk", "process"):
        found = {subject: len(times) for subject, times in seconds.items() if subject.startswith(kind)}
        expect(found, f"nothing of {kind}:", sorted(seconds))
        expect(max(found.values()) >= 4, f"not a record a second of {kind}:", found)


def test_it_ends_by_itself_and_finds_everything_again(directory):
    up = Up(directory)
    first = up.run("--for", "6s")
    records, before = flowed(first)
    expect(records >= 10 and before == 0, first)
    expect(str(up.data) in first[1], "it says where data lies", first[1])
    expect(re.search(r"writes p50 [\d.]+ (µs|ms), p99 [\d.]+ (µs|ms)", first[1]), first[1])
    check_subjects(up)
    _, before = flowed(up.run("--for", "3s"))
    expect(before == records, f"{before} of {records} are there again")


def test_that_nothing_flowed_is_a_failure(directory):
    os.environ["SPILLWAY_BROKER_HOST_METRICS"] = "false"
    try:
        code, out, err = Up(directory).run("--for", "3s")
    finally:
        del os.environ["SPILLWAY_BROKER_HOST_METRICS"]
    expect(code == 1 and "no telemetry flowed" in err, code, out, err)


def test_ctrl_c_right_after_the_start_is_no_loss(directory):
    """Before the view or the reader know anything of the broker."""
    log = pathlib.Path(directory) / "app.log"
    log.write_text("line\n" * 1000)
    up = Up(directory, "--follow", str(log)).start()
    wait_until(lambda: "spillway broker puts" in (pathlib.Path(directory) / "err").read_text())
    up.process.send_signal(signal.SIGINT)
    flowed(up.wait())


def test_ctrl_c_stops_in_order(directory):
    up = Up(directory).start()
    wait_until(lambda: up.acknowledged() >= 8)
    children = up.children()
    expect(sorted(children) == ["a", "b", "broker"], children)
    up.process.send_signal(signal.SIGINT)
    code, out, err = up.wait()
    expect(flowed((code, out, err))[0] >= 8)
    expect(err.index("spillway broker stopped") > err.index("spillway serves"), err)
    expect(all(gone(pid) for pid in children.values()), "children are left")


def test_the_view_fits_its_terminal_and_gives_it_back(directory):
    up = Up(directory)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"SPILLWAY_BROKER_FILES": "", "SPILLWAY_BROKER_LISTEN": "", "TERM": "xterm"}
        os.execv(BINARY, up.command())
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
    shown = b""
    interrupted = False
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other end was closed
            break
        # A frame of a line that tells of put latency: then Ctrl-C, typed.
        if not interrupted and re.search(rb"writes   p50 \d", shown):
            interrupted = True
            os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    text = shown.decode()
    expect(os.waitstatus_to_exitcode(status) == 0, text)
    enter, leave = "\x1b[?1049h\x1b[?25l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
    expect(text.count(enter) == 1 and text.count(leave) == 1, repr(text))
    expect("^C" not in text, "what is typed is not shown", repr(text))
    view, after = text.split(enter)[1].split(leave)
    expect("records flowed in" in after and "0 lost, 0 doubled" in after, "the summary stays", after)
    frames = view.split("\x1b[H")[2:]  # the size was not set yet when the first was drawn
    expect(frames, repr(view))
    for frame in frames:
        # The terminal adds a \r of its own.
        lines = [line.rstrip("\r") for line in re.sub(r"\x1b\[\??\d*\w", "", frame).split("\r\n")]
        expect(len(lines) <= 10 and all(len(line) <= 40 for line in lines), "a frame is too large", frame)


def test_children_end_with_it(directory):
    up = Up(directory).start()
    wait_until(lambda: up.acknowledged() > 0)
    children = up.children()
    up.process.kill()
    up.process.wait()
    wait_until(lambda: all(gone(pid) for pid in children.values()))


def test_a_killed_broker_is_reported(directory):
    up = Up(directory).start()
    wait_until(lambda: up.acknowledged() > 0)
    os.kill(up.children()["broker"], signal.SIGKILL)
    code, out, err = up.wait()
    expect(code == 1, code, out, err)
    expect("spillway: broker: killed by signal 9" in err, err)
    expect(err.count("spillway broker puts telemetry") == 1, "its lines, once", err)
    # What it had put is whole, and the next run says so.
    flowed(Up(directory).run("--for", "2s"))


def test_without_a_region_it_flows_on_and_that_is_reported(directory):
    up = Up(directory).start()
    wait_until(lambda: up.acknowledged() > 0)
    os.kill(up.children()["a"], signal.SIGKILL)
    wait_until(lambda: up.status()["used"] == "b")
    already = up.acknowledged()
    wait_until(lambda: up.acknowledged() > already + 5)
    up.process.send_signal(signal.SIGINT)
    code, out, err = up.wait()
    expect(code == 1 and "spillway: region a: killed by signal 9" in err, code, out, err)
    expect(nothing_wrong(out), out)
    flowed(Up(directory).run("--for", "2s"))


def on_terminal(up, *arguments, on_frame=lambda frame: None, **environment):
    """A run of it on a terminal of 100 columns and 24 lines. `on_frame` sees what is shown, and gives what is typed
    then. → exit code, all that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"SPILLWAY_BROKER_FILES": "", "SPILLWAY_BROKER_LISTEN": "", "TERM": "xterm"} | environment
        os.execv(BINARY, up.command(*arguments))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    shown, text = b"", ""
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other end was closed
            break
        text = shown.decode(errors="replace")
        keys = on_frame(text.rsplit("\x1b[H", 1)[-1])
        if keys:
            os.write(terminal, keys)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), text


def test_what_a_script_does(directory):
    up = Up(directory)
    up.start("--for", "20s", "--script", "switch b@10s,kill a@5s,restart a@7s,release@13s,kill b@15s")
    check_script_on_terminal(f"{directory}/terminal")  # beside it
    outcome = up.wait()
    records, _ = flowed(outcome)
    err = outcome[2]
    done = re.findall(r"(?m)^up: (.*)$", err)
    expect(done == ["killed region a", "starts region a again", "a switch to region b", "the end of the switch",
                    "killed region b", "starts region b again"], "the last one is to read the rest", done, err)
    expect('records go another way  from=a  to=b' in err, err)
    found = {place: stored(up.data / place) for place in ("serve", "serve-b")}
    expect(all(found.values()), "both regions have some")
    expect(len(found["serve"] | found["serve-b"]) == records, "what was read is what there is", records)
    for wrong, why in (("burn a@5s", "nothing that can be done"), ("kill a@30s", "after the time of --for")):
        code, _, err = up.run("--for", "20s", "--script", wrong)
        expect(code == 1 and why in err, code, err)


def check_script_on_terminal(directory):
    """Without hands. The switch, which names no region, meets one that is down: records stay where they go."""
    os.mkdir(directory)
    frames = []
    code, text = on_terminal(Up(directory), "--script", "kill a@5s,switch@8s,restart a@15s", "--for", "30s",
                             on_frame=frames.append)
    expect(code == 0 and nothing_wrong(text.rsplit("\x1b[?1049l", 1)[1]), code, text[-3000:])
    # What was shown of it, in this order.
    steps = [r"a serves .*route    a for ", r"a killed .*route    b for .*s stays with b",
             r"a killed .*route    b, held, for .*s releases the switch", r"a serves .*route    b, held, for "]
    for frame in frames:
        while steps and re.search(steps[0], frame, re.DOTALL):
            steps.pop(0)
    expect(not steps, "not shown", steps, text[-3000:])


def stored(data):
    """(source, subject, seq) of all telemetry in a directory."""
    with Region() as region:
        region.stop()
        region.data = data
        region.start()
        records = [json.loads(record["Data"]) for shard in read_all(region.client(), "telemetry").values()
                   for record in shard]
    return {(record["source"], record["subject"], record["seq"]) for record in records}


def test_keys_kill_switch_and_restart(directory):
    # What is to be seen before each key; then q ends it.
    steps = [(r"route    a for .*k kills region a, s switches to b.*writes   p50 \d", b"k"),
             (r"a killed .*route    b for .*r restarts region a", b"r"),
             (r"a serves .*k kills region a, s switches to a", b"s"),
             (r"route    a, held, for .*s releases the switch", b"s"),
             (r"route    a for .*s switches to b", b"q")]

    def key_for(frame):
        return steps.pop(0)[1] if steps and re.search(steps[0][0], frame, re.DOTALL) else None
    code, text = on_terminal(Up(directory), on_frame=key_for, SPILLWAY_BROKER_RETURN_SECONDS="1")
    expect(code == 0 and not steps, code, steps, text[-3000:])
    expect(nothing_wrong(text.rsplit("\x1b[?1049l", 1)[1]), text[-1000:])


def test_lines_arrive_once_through_rotation(directory):
    log = pathlib.Path(directory) / "app.log"
    up = Up(directory, "--follow", str(log)).start()
    written = []

    def write(count):
        with open(log, "a") as file:
            for _ in range(count):
                written.append(f"line {len(written)} \"quoted\" \\ é")
                file.write(written[-1] + "\n")

    write(200)
    for rotation in range(3):
        expected = len(written)
        wait_until(lambda: lines_of(up, log)[:expected] == written[:expected], 30)
        write(300)
        os.rename(log, f"{log}.1")
        write(300)
    expected = len(written)
    wait_until(lambda: len(lines_of(up, log)) >= expected, 30)
    expect(lines_of(up, log) == written, "each line once, in order")
    up.process.send_signal(signal.SIGTERM)
    flowed(up.wait())
    # What was written while nobody followed comes with the next run, and nothing twice.
    write(50)
    up = Up(directory, "--follow", str(log)).start()
    wait_until(lambda: len(lines_of(up, log)) >= len(written), 30)
    expect(lines_of(up, log) == written, "each line once over two runs")
    up.process.send_signal(signal.SIGTERM)
    flowed(up.wait())


def lines_of(up, log):
    """The followed file's lines as they stand in the stream."""
    region = Region()
    region.port = up.port
    shutil.rmtree(region.directory)
    try:
        shards = read_all(region.client(), "telemetry")
    except Exception as error:  # not there yet, of whatever kind botocore calls it
        if up.process.poll() is not None:
            raise
        del error
        return []
    records = [json.loads(record["Data"]) for shard in shards.values() for record in shard]
    # One subject is in one shard, in order; sources follow each other.
    return [record["fields"]["line"] for record in records if record["subject"] == f"file{log}"]


def test_what_is_lost_or_doubled_is_told(directory):
    up = Up(directory).start()
    wait_until(lambda: up.acknowledged() > 0)
    region = Region()
    region.port = up.port
    shutil.rmtree(region.directory)
    client = region.client()
    source = up.status()["source"]
    wait_until(lambda: up.acknowledged() >= 8)

    def put(subject, seq):
        record = {"source": source, "subject": subject, "seq": seq, "time": int(time.time() * 1000),
                  "host": "x", "fields": {}}
        client.put_record(StreamName="telemetry", PartitionKey=subject, Data=json.dumps(record))

    for seq in (1, 2, 5, 5):
        put("planted", seq)
    up.process.send_signal(signal.SIGINT)
    code, out, err = up.wait()
    expect(code == 1, code, out, err)
    expect(": 2 lost, 1 doubled\n" in out, out)
    expect("records were lost" in err and "records are there twice" in err, err)
    expect("subject planted: 3 to 4 missing" in out and "subject planted: 5 is there twice" in out, out)


def test_what_prevents_a_start_is_said(directory):
    taken = Up(directory)
    with Region() as other:
        taken.port = other.port
        code, _, err = taken.run("--for", "5s")
        expect(code == 1 and f"port {other.port} on 127.0.0.1 is in use" in err, code, err)
    file = pathlib.Path(directory) / "file"
    file.write_text("")
    blocked = Up(directory)
    blocked.data = file / "data"
    code, _, err = blocked.run("--for", "5s")
    expect(code == 1 and f"{file}/data" in err and "Not a directory" in err, code, err)
    up = Up(directory).start()
    wait_until(lambda: up.acknowledged() > 0)
    second = Up(directory)
    code, _, err = second.run("--for", "5s")
    expect(code == 1 and "spillway: region a: exit code 1" in err, code, err)
    up.process.send_signal(signal.SIGINT)
    flowed(up.wait())
    bad = subprocess.run([BINARY, "up", "--for", "soon"], capture_output=True, text=True)
    expect(bad.returncode == 1 and "write a time as in 20s" in bad.stderr, bad)


class Broker:
    """A `spillway broker` of a region, with a record of each subject every 100 ms."""

    def __init__(self, directory, region):
        self.admin = free_port()
        self.log = pathlib.Path(directory) / "broker.log"
        self.command = [str(BINARY), "broker", "--target", region.endpoint,
                        "--state", f"{directory}/broker", "--admin", f"127.0.0.1:{self.admin}"]

    def start(self):
        environment = os.environ | {"SPILLWAY_BROKER_FILES": "", "SPILLWAY_BROKER_LISTEN": "",
                                    "SPILLWAY_BROKER_INTERVAL_MS": "100",
                                    "SPILLWAY_BROKER_DRAIN_SECONDS": "5"}
        with open(self.log, "a") as errors:
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=errors,
                                            text=True, env=environment)

    def ask(self, path):
        """The status and body of an answer; 0 while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return 0, "{}"

    def status(self):
        return json.loads(self.ask("/v1/status")[1])

    def spooled(self):
        return number(r"(?m)^spillway_spool_records_total (\d+)", self.ask("/metrics")[1])

    def logged(self, event):
        return self.log.read_text().count(event)


def by_source(records):
    """(source, subject) → seq of each record, in the order of the stream, and where sources end."""
    seqs, ends = {}, {}
    for record in map(lambda record: json.loads(record["Data"]), records):
        seqs.setdefault((record["source"], record["subject"]), []).append(record["seq"])
        if "subjects" in record["fields"]:
            ends[record["source"]] = record["fields"]["subjects"]
    return seqs, ends


def test_a_broker_outlives_its_target(directory):
    region = Region()
    broker = Broker(directory, region)
    broker.start()
    wait_until(lambda: broker.logged("target is down"))
    expect(broker.ask("/health/ready")[0] == 200, "it does its work")
    expect(broker.status()["target_up"] is False, broker.status())
    with region:
        expect("puts telemetry of" in broker.process.stdout.readline(), "it flows")
        wait_until(lambda: broker.status()["target_up"])
        region.kill()
        wait_until(lambda: broker.logged("target is down") == 2)
        region.start()
        wait_until(lambda: broker.logged("target is back") == 2)
        expect(broker.logged("target is down") == 2, "said once each time", broker.log.read_text())
        broker.process.send_signal(signal.SIGTERM)
        expect(broker.process.wait(30) == 0, broker.log.read_text())
        said = broker.process.stdout.read()
        put = number(r"stopped: (\d+) records acknowledged", said)
        expect("0 wait in the spool" in said, said)
        seqs, ends = by_source(record for shard in read_all(region.client(), "telemetry").values()
                               for record in shard)
    # A request whose answer was lost by the kill is repeated: its records may be there twice.
    for (source, subject), seen in seqs.items():
        expect(sorted(set(seen)) == list(range(1, max(seen) + 1)), f"{subject} has a gap: {seen}")
        if subject != "source":
            end = ends[source][subject]
            expect(end == [max(seen), 0], f"{subject} ends at {end}, not {max(seen)}")
    expect(sum(len(set(seen)) for seen in seqs.values()) == put, f"{put} were acknowledged")


def test_what_is_spooled_outlives_sigkill(directory):
    region = Region()
    broker = Broker(directory, region)
    spooled = 0
    for _ in range(3):
        broker.start()
        wait_until(lambda: broker.ask("/health/live")[0] == 200)
        wait_until(lambda: broker.spooled() >= 60)
        spooled += broker.spooled()
        broker.process.kill()
        broker.process.wait()
    broker.start()
    with region:
        wait_until(lambda: broker.status().get("target_up"))
        broker.process.send_signal(signal.SIGTERM)
        expect(broker.process.wait(30) == 0, broker.log.read_text())
        shards = read_all(region.client(), "telemetry")
    seqs, ends = by_source(record for shard in shards.values() for record in shard)
    expect(len({source for source, _ in seqs}) == 4, "each start is a source", seqs.keys())
    count = sum(len(seen) for seen in seqs.values())
    expect(count >= spooled, f"{count} of at least {spooled} arrived")
    for (source, subject), seen in seqs.items():
        expect(seen == list(range(1, len(seen) + 1)), f"{subject}: each once, in order: {seen}")


def test_keys_are_asked_for(directory):
    up = Up(directory)
    where = ("--data", str(up.data / "serve"))

    def keys(*arguments):
        return json.loads(subprocess.run([BINARY, "keys", *arguments, *where, "--json"], capture_output=True, text=True,
                                         check=True).stdout)
    key = keys("create", "broker")
    code, _, err = up.run("--for", "5s")
    expect(code == 1 and f"spillway keys create broker --data {up.data}/serve" in err, code, err)
    expect("SPILLWAY_BROKER_ACCESS_KEY" in err, err)
    up.environment = {"SPILLWAY_BROKER_ACCESS_KEY": key["access_key"], "SPILLWAY_BROKER_SECRET_KEY": key["secret_key"]}
    flowed(up.run("--for", "3s"))
    subprocess.run([BINARY, "keys", "disable", key["access_key"], *where], check=True, capture_output=True)
    code, _, err = up.run("--for", "5s")
    expect(code == 1 and f"spillway keys enable {key['access_key']} --data" in err, code, err)


def test_a_broker_puts_over_https(directory):
    with Region() as region:
        authority = region.data / "tls" / "ca.pem"
        log = pathlib.Path(directory) / "broker.log"

        def broker(*more):
            command = [str(BINARY), "broker", "--target", f"https://localhost:{region.port}", "--state",
                       f"{directory}/broker", "--admin", f"127.0.0.1:{free_port()}", *more]
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open(log, "w"), text=True,
                                    env=os.environ | {"SPILLWAY_BROKER_FILES": "",
                                                      "SPILLWAY_BROKER_LISTEN": ""})
        for more, told in (((), "broker.ca names a file"), (("--ca", "/none"), "/none")):
            refused = broker(*more)
            wait_until(lambda told=told: told in log.read_text())
            refused.kill()
            refused.wait()
        trusting = broker("--ca", str(authority))
        expect("puts telemetry of" in trusting.stdout.readline(), log.read_text())
        trusting.send_signal(signal.SIGTERM)
        expect(trusting.wait(30) == 0, log.read_text())
        put = number(r"stopped: (\d+) records acknowledged", trusting.stdout.read())
        expect(sum(len(records) for records in read_all(region.client(), "telemetry").values()) == put, put)


if __name__ == "__main__":
    run_tests(globals(), sys.argv[1:])
