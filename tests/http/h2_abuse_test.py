"""What HTTP/2 and TLS let a client do to a server, in hand-written frames against a real region: each ends
its own connection, or costs no more than a bound; and a client on another connection is served all along.
"""

import base64
import contextlib
import json
import os
import pathlib
import select
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from raw import ACCESS_KEY, SECRET_KEY, LONGEST, call, exchange, parse  # noqa: E402
from region import Region, wait_until  # noqa: E402

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PROTOCOL, INTERNAL, FLOW_CONTROL, REFUSED, CANCEL, CALM = 1, 2, 3, 7, 8, 11
INITIAL_WINDOW = 4
STATUS_200 = 0x88  # how a header block begins that says so: HPACK's static table
SLOWEST = 5.0  # seconds that the well-behaved client may wait for an answer: a stall, on any machine
SANITIZED = os.environ.get("SPILLWAY_SANITIZE")  # whose own memory says nothing of the server's
STALLED = 75  # seconds: twice the time that an answer may wait, and a tick


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def number(value):
    return struct.pack(">I", value)


def integer(value, bits, first=0):
    """HPACK's; RFC 7541 section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def field(name, value):
    """Literal, not indexed, not compressed."""
    return b"\0" + integer(len(name), 7) + name.encode() + integer(len(value), 7) + value.encode()


def block(headers):
    return b"".join(field(name, value) for name, value in headers)


HEAD = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "h")]
UNSIGNED = block(HEAD)


def signed(port, operation, body):
    """A request's header block, made of the HTTP/1.1 request that raw.call() signs, and its body."""
    head, _, sent = call(operation, body, port=port).partition(b"\r\n\r\n")
    pairs = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    headers = [(name.lower(), value) for name, value in pairs if name.lower() not in ("host", "content-length")]
    return block(HEAD[:3] + [(":authority", f"127.0.0.1:{port}")] + headers), sent


class Client:
    """A connection on which anything can be sent. Reads all the while, in a thread, so that the server can
    always write; unless it is told not to read."""

    def __init__(self, port, settings=b"", reads=True, wrap=None):
        self.socket = socket.create_connection(("127.0.0.1", port), LONGEST)
        if wrap:
            self.socket = wrap(self.socket)
        self.socket.setblocking(False)
        self.lock = threading.Lock()  # a TLS session isn't for two threads at once
        self.ended = threading.Event()
        self.goaway = None
        self.resets = []
        self.seen = {}  # frames by type
        self.taken = 0  # bytes of DATA
        self.answered = {}  # stream → how its first header block begins
        self.reader = threading.Thread(target=self.read, daemon=True)
        if reads:
            self.reader.start()
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data, patience=LONGEST):
        """False once the server has closed, or has taken nothing for so long."""
        left = memoryview(data)
        try:
            while left:
                sent = self.attempt(lambda: self.socket.send(left[:1 << 16]))
                if sent:
                    left = left[sent:]
                elif not select.select([], [self.socket], [], patience)[1]:
                    return False
            return True
        except (OSError, ValueError):  # the latter: closed here
            return False

    def read(self):
        left = b""
        try:
            while (part := self.attempt(lambda: self.socket.recv(1 << 18))) != b"":
                if part is None:
                    select.select([self.socket], [], [])
                else:
                    left = self.take(left + part)
        except (OSError, ValueError):
            pass
        self.ended.set()

    def attempt(self, call):
        """What it returns; None where it would wait."""
        with self.lock:
            try:
                return call()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None

    def take(self, received):
        at = 0
        while len(received) - at >= 9:
            size = int.from_bytes(received[at:at + 3], "big")
            if len(received) - at < 9 + size:
                break
            kind, stream = received[at + 3], int.from_bytes(received[at + 5:at + 9], "big")
            self.seen[kind] = self.seen.get(kind, 0) + 1
            if kind == DATA:
                self.taken += size
            elif kind == HEADERS and size:
                self.answered.setdefault(stream, received[at + 9])
            elif kind == GOAWAY:
                self.goaway = int.from_bytes(received[at + 13:at + 17], "big")
            elif kind == RESET:
                self.resets.append((stream, int.from_bytes(received[at + 9:at + 13], "big")))
            at += 9 + size
        return received[at:]

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # the reader waits for it, and holds it open
        self.socket.close()


class Watched:
    """A region, and a well-behaved client of it, over HTTP/1.1 on a connection of its own, that asks all the
    time: the longest that it waited, and the region's resident memory."""

    def __init__(self, region):
        self.region, self.over, self.failure = region, threading.Event(), None
        self.longest, self.answers = 0.0, 0
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        try:
            with socket.create_connection(("127.0.0.1", self.region.port), LONGEST) as connection:
                while not self.over.wait(0.01):
                    begin = time.monotonic()
                    connection.sendall(call("PutRecord", json.dumps({"StreamName": "calm", "PartitionKey": "k",
                                                                     "Data": "aGVsbG8="}), port=self.region.port))
                    received = b""
                    while not parse(received)[0]:
                        part = connection.recv(1 << 16)
                        if not part:
                            raise AssertionError("the region closed the well-behaved client's connection")
                        received += part
                    answer = parse(received)[0][0]
                    assert answer.status == 200, answer
                    self.longest = max(self.longest, time.monotonic() - begin)
                    self.answers += 1
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def memory_mb(self):
        with open(f"/proc/{self.region.process.pid}/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))

    def allocated_mb(self):
        return self.metric("process_allocated_memory_bytes") / 1e6

    def metric(self, name):
        """The sum over its labels."""
        url = f"http://127.0.0.1:{self.region.admin}/metrics"
        with urllib.request.urlopen(url, timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def check(self, name, more_mb, before_mb):
        assert self.failure is None, f"{name}: {self.failure}"
        assert self.longest < SLOWEST, f"{name}: the well-behaved client waited {self.longest:.2f} s"
        grown = self.memory_mb() - before_mb
        assert grown < more_mb or SANITIZED, f"{name}: {grown:.0f} MB more"
        self.longest = 0.0

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def flood(client, unit, most):
    """Sends the same again and again until the server ends the connection; how often."""
    chunk = max(1, (64 << 10) // len(unit))
    for sent in range(0, most, chunk):
        if client.ended.is_set() or not client.send(unit * chunk):
            return sent
    assert client.ended.wait(LONGEST), f"{most} of {unit[:9]} did not end the connection"
    return most


def floods():
    """Name, what is sent once, what is sent again and again (a function of the round), the GOAWAY's code."""
    large = frame(SETTINGS, 0, 0, struct.pack(">HI", 0x99, 1) * 32)
    yield "a flood of SETTINGS", b"", frame(SETTINGS, 0, 0), CALM
    yield "a flood of SETTINGS that nobody knows", b"", large, CALM
    yield "a flood of PINGs", b"", frame(PING, 0, 0, b"12345678"), CALM
    yield "a flood of PRIORITY", b"", frame(PRIORITY, 0, 1, number(0) + b"\0"), CALM
    yield "a flood of frames of no known type", b"", frame(0x77, 0, 0, b"x"), CALM
    yield "a flood of WINDOW_UPDATEs", b"", frame(WINDOW, 0, 0, number(1)), CALM
    yield "a flood of empty DATA", frame(HEADERS, END_HEADERS, 1, UNSIGNED), frame(DATA, 0, 1), CALM
    yield "a flood of CONTINUATIONs", frame(HEADERS, 0, 1, UNSIGNED), frame(CONTINUATION, 0, 1, field("a", "b")), PROTOCOL
    yield "a flood of empty CONTINUATIONs", frame(HEADERS, 0, 1, UNSIGNED), frame(CONTINUATION, 0, 1), PROTOCOL


def check_floods(watched):
    for name, first, unit, code in floods():
        before = watched.memory_mb()
        for reads in (True, False):
            client = Client(watched.region.port, reads=reads)
            client.send(first)
            if reads:
                flood(client, unit, 1_000_000)
                assert client.goaway in (code, None), f"{name}: GOAWAY {client.goaway}"
            else:
                # Whoever takes nothing of what comes back makes the server hold it: so much, and no more.
                client.send(unit * (4_000_000 // len(unit)), patience=5)
            client.close()
        watched.check(name, 30, before)


def check_rapid_reset(watched):
    """CVE-2023-44487, and the way in which the server is made to reset (CVE-2025-8671)."""
    before = watched.memory_mb()
    request, body = signed(watched.region.port, "ListStreams", "{}")
    by_client = b"".join(frame(HEADERS, END_HEADERS, stream, UNSIGNED) + frame(RESET, 0, stream, number(CANCEL))
                         for stream in range(1, 40_000, 2))
    whole = b"".join(frame(HEADERS, END_HEADERS, stream, request) + frame(DATA, END_STREAM, stream, body) +
                     frame(RESET, 0, stream, number(CANCEL)) for stream in range(1, 40_000, 2))
    by_server = b"".join(frame(HEADERS, END_HEADERS, stream, UNSIGNED) + frame(WINDOW, 0, stream, number(0))
                         for stream in range(1, 40_000, 2))
    for name, data in (("a rapid reset", by_client), ("a rapid reset of whole requests", whole),
                       ("resets that the server is made to send", by_server)):
        for _ in range(4):
            client = Client(watched.region.port)
            client.send(data)
            assert client.ended.wait(LONGEST), f"{name}: it goes on"
            # nghttp2 has a limit of its own, and calls it otherwise. The last frame may be lost with a reset.
            assert client.goaway in (CALM, PROTOCOL, INTERNAL, None), f"{name}: GOAWAY {client.goaway}"
            client.close()
        watched.check(name, 30, before)


def check_header_bombs(watched):
    """A few bytes that HPACK makes many of."""
    before = watched.memory_mb()
    entry = b"\x40" + integer(1, 7) + b"a" + integer(3900, 7) + b"x" * 3900  # into the table, at 62
    bomb = UNSIGNED + entry + integer(62, 7, 0x80) * 12_000  # 47 MB
    client = Client(watched.region.port)
    for stream in range(1, 200, 2):
        if not client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, bomb)):
            break
    wait_until(lambda: client.ended.is_set() or len(client.resets) >= 100, LONGEST)
    client.close()
    watched.check("a header bomb", 30, before)
    many = UNSIGNED + b"".join(field(f"x{i}", "y") for i in range(5000))
    client = Client(watched.region.port)
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, many[:60_000]))
    wait_until(lambda: client.ended.is_set() or client.seen.get(HEADERS, 0) == 1, LONGEST)
    client.close()
    table = frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0xffffffff))  # a table as large as can be said
    client = Client(watched.region.port)
    client.send(table + frame(HEADERS, END_HEADERS | END_STREAM, 1, UNSIGNED))
    wait_until(lambda: client.seen.get(HEADERS, 0) == 1, LONGEST)
    client.close()
    watched.check("header tables", 30, before)


def check_streams(watched):
    """The last id there is, ids that go back, more at once than may be, and ids that only the server may use."""
    last = (1 << 31) - 1
    for name, data, code in (
            ("an id of the server's", frame(HEADERS, END_HEADERS, 2, UNSIGNED), (PROTOCOL,)),
            ("a promise", frame(PUSH, END_HEADERS, 1, number(2) + UNSIGNED), (PROTOCOL,)),
            ("a window of more than can be", frame(WINDOW, 0, 0, number(last)), (FLOW_CONTROL,))):
        client = Client(watched.region.port)
        client.send(data)
        assert client.ended.wait(LONGEST) and client.goaway in code, f"{name}: GOAWAY {client.goaway}"
        client.close()
    for name, first in (("the last id", last), ("an id that is left out", 9)):
        # An id below one that was used is that of a stream which has ended: nothing is answered on it.
        client = Client(watched.region.port)
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, first, UNSIGNED) +
                    frame(HEADERS, END_HEADERS | END_STREAM, 7, UNSIGNED) + frame(PING, 0, 0, b"12345678"))
        wait_until(lambda c=client: c.ended.is_set() or (c.seen.get(PING, 0) == 1 and c.seen.get(HEADERS, 0) >= 1), LONGEST)
        assert client.seen.get(HEADERS, 0) <= 1, f"{name}: {client.seen}"
        client.close()
    # Bodies that don't come: one more at once than the settings say is refused.
    client = Client(watched.region.port)
    client.send(b"".join(frame(HEADERS, END_HEADERS, stream, UNSIGNED) for stream in range(1, 521, 2)))
    wait_until(lambda: len(client.resets) == 4 or client.ended.is_set(), LONGEST)
    assert [code for _, code in client.resets] == [REFUSED] * len(client.resets), client.resets
    client.close()


def smuggled():
    """Name, fields before a request's own, fields behind them, its trailer: what another server, to which it were
    handed on over HTTP/1.1, might take for another request or another length. RFC 9113, section 8.2 and 8.3."""
    def behind(name, *fields):
        return name, b"", block(fields), b""
    for length in ("1", "9", "-1", "2, 2", "0x2", ""):
        yield behind(f"a length of '{length}' for two bytes", ("content-length", length))
    yield behind("two lengths", ("content-length", "2"), ("content-length", "3"))
    yield behind("the same length twice", ("content-length", "2"), ("content-length", "2"))
    yield behind("a transfer encoding", ("transfer-encoding", "chunked"))
    for name, value in (("connection", "keep-alive"), ("keep-alive", "1"), ("proxy-connection", "close"),
                        ("upgrade", "h2c"), ("te", "gzip")):
        yield behind(f"a connection's own '{name}'", (name, value))
    for control in ("\r\nhost: other", "\n", "\r", "\0"):
        yield behind(f"{control!r} in a value", ("x-a", f"b{control}"))
        yield behind(f"{control!r} in a name", (f"x-a{control}", "b"))
    for name in ("X-Upper", "x a", "x:a", ""):
        yield behind(f"the name '{name}'", (name, "b"))
    for name, value in HEAD:
        yield f"two {name}", block([(name, value)]), b"", b""
        yield behind(f"{name} behind the others", (name, value))
    yield "a pseudo-header that nobody knows", block([(":x", "y")]), b"", b""
    yield "a header before the pseudo-headers", block([("x-a", "b")]), b"", b""
    yield "a pseudo-header in a trailer", b"", b"", block([(":path", "/")])


def check_smuggling(port):
    """Each is reset, unanswered; and the connection goes on with a good request."""
    request, body = signed(port, "ListStreams", "{}")

    def whole(stream, headers, trailer=b""):
        data = frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, 0 if trailer else END_STREAM, stream, body)
        return data + (frame(HEADERS, END_HEADERS | END_STREAM, stream, trailer) if trailer else b"")
    for name, before, behind, trailer in smuggled():
        client = Client(port)
        client.send(whole(1, before + request + behind, trailer) + whole(3, request))
        wait_until(lambda c=client: c.ended.is_set() or 3 in c.answered, LONGEST)
        assert client.resets == [(1, PROTOCOL)] and client.answered == {3: STATUS_200}, (
            f"{name}: resets {client.resets}, answers {client.answered}, GOAWAY {client.goaway}")
        client.close()


def begin_stalls(watched, large):
    """Answers of megabytes that nobody takes: no window at all, one that opens by a byte, and a socket that
    isn't read. Checked by check_stalls(), when they have been waiting for long enough."""
    request, body = signed(watched.region.port, "GetRecords", json.dumps({"ShardIterator": large}))
    asked = b"".join(frame(HEADERS, END_HEADERS, stream, request) + frame(DATA, END_STREAM, stream, body)
                     for stream in range(1, 17, 2))
    no_window = struct.pack(">HI", INITIAL_WINDOW, 0)
    clients = {"no window": Client(watched.region.port, no_window), "tiny updates": Client(watched.region.port, no_window),
               "not read": Client(watched.region.port, struct.pack(">HI", INITIAL_WINDOW, 1 << 30), reads=False)}
    for name, client in clients.items():
        client.send(asked if name != "not read" else frame(WINDOW, 0, 0, number(1 << 30)) + asked)
    over = threading.Event()

    def trickle():
        client = clients["tiny updates"]
        while not over.wait(1) and not client.ended.is_set():
            client.send(b"".join(frame(WINDOW, 0, stream, number(1)) for stream in range(1, 17, 2)) +
                        frame(PING, 0, 0, b"12345678"))
    threading.Thread(target=trickle, daemon=True).start()
    return clients, over, time.monotonic()


def check_stalls(watched, clients, over, began, before):
    watched.check("stalls", 3 * 64 + 60, before)  # what a connection may have unsent
    for name in ("no window", "tiny updates"):
        client = clients[name]
        wait_until(lambda c=client: len(c.resets) == 8 or c.ended.is_set(), STALLED - (time.monotonic() - began))
        assert client.ended.is_set() or {code for _, code in client.resets} == {CANCEL}, (name, client.resets)
        assert client.taken < 2000, (name, client.taken)
    over.set()
    silent = clients["not read"].socket

    def closed():
        return watched.metric('spillway_http_connections{listener="api"}') == 1
    for client in clients.values():
        if client.socket is not silent:
            client.close()
    wait_until(closed, STALLED)  # the one that takes nothing was closed by the region
    silent.close()
    # Given back, which the resident memory doesn't show: the allocator keeps some of it.
    wait_until(lambda: SANITIZED or watched.allocated_mb() < 100, LONGEST)


def begin_dribbles(port):
    """Bodies that come a byte at a time, with PINGs beside them: ended all the same."""
    def wrap(body):
        request, _ = signed(port, "ListStreams", body)
        return frame(HEADERS, END_HEADERS, 1, request)
    client, began = Client(port), time.monotonic()
    client.send(wrap("{}"))

    def dribble():
        while not client.ended.wait(0.5):
            client.send(frame(DATA, 0, 1, b" ") + frame(PING, 0, 0, b"12345678"))
    threading.Thread(target=dribble, daemon=True).start()
    plain = socket.create_connection(("127.0.0.1", port), LONGEST)
    head, _, _ = call("ListStreams", "{}", port=port).partition(b"\r\n\r\n")
    plain.sendall(head.replace(b"Content-Length: 2", b"Content-Length: 1000") + b"\r\n\r\n")
    answered = threading.Event()

    def dribble_plain():
        plain.settimeout(0.5)
        while True:
            try:
                if plain.recv(1 << 16).startswith(b"HTTP/1.1 408"):
                    answered.set()
                return
            except TimeoutError:
                plain.sendall(b" ")
    threading.Thread(target=dribble_plain, daemon=True).start()
    return client, answered, began


def check_dribbles(client, answered, began):
    longest = 45 - (time.monotonic() - began)
    assert client.ended.wait(max(1, longest)), "a body over HTTP/2 that dribbles has no end"
    assert answered.wait(max(1, longest)), "a body over HTTP/1.1 that dribbles gets no 408"


def check_tls(watched, authority):
    """Garbage, records that are too long, alerts, and handshakes that are begun, each on many connections."""
    before = watched.memory_mb()
    port = watched.region.port
    hello = client_hello(authority)
    cases = {"garbage": b"\x16\x03\x01" + os.urandom(2000), "a record that is too long": b"\x16\x03\x01\xff\xff" + b"x" * 70_000,
             "an empty record": b"\x16\x03\x01\x00\x00" * 100, "an alert": b"\x16\x03\x01\x00\x04\x01\x00\x00\x00\x15\x03\x01\x00\x02\x02\x28",
             "data before the handshake": hello + b"\x17\x03\x03\x00\x10" + b"x" * 16,
             "a hello that is cut": hello[:-1] + bytes([hello[-1] ^ 1]) + b"\x16\x03\x03\x40\x00" + b"x" * (1 << 14),
             "a hello of another version": hello[:9] + b"\x00\x00" + hello[11:],
             "hellos without an end": hello * 200}
    for name, data in cases.items():
        for _ in range(10):
            received = thrown(port, data)
            assert not received.startswith(b"HTTP"), f"{name}: {received[:100]}"
        watched.check(name, 40, before)
    # Half handshakes are not for ever: the region's limit for a request that doesn't come.
    held = [socket.create_connection(("127.0.0.1", port), LONGEST) for _ in range(200)]
    for number_, connection in enumerate(held):
        connection.sendall(hello[:len(hello) * number_ // 200 + 1] if number_ < 199 else hello)
    watched.check("half handshakes", 60, before)
    begin = time.monotonic()
    for connection in held:
        connection.settimeout(LONGEST)
        with contextlib.suppress(OSError):
            while connection.recv(1 << 16):
                pass
        connection.close()
    assert time.monotonic() - begin < 30, "half handshakes are kept for too long"
    check_renegotiation(port, authority)
    watched.check("TLS", 60, before)


def thrown(port, data):
    """What comes back before the server ends the connection, which it may do at any time."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), LONGEST) as connection, contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(1 << 16):
            received += part
    return received


def client_hello(authority):
    """The first flight of Python's own TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context(cafile=authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def check_renegotiation(port, authority):
    """TLS 1.2 lets a client ask for it again and again, each time at the server's cost: it is refused."""
    openssl = shutil.which("openssl")
    ended = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", authority, "-tls1_2"],
                           input=b"R\n" * 10, capture_output=True, timeout=60, check=False)
    assert b"no renegotiation" in ended.stderr + ended.stdout, (ended.stdout[-500:], ended.stderr[-500:])


def check_h2_in_tls(watched, authority):
    """The same behind TLS, limits and all; and by prior knowledge, for a client whose TLS has no ALPN."""
    port = watched.region.port
    request, body = signed(port, "ListStreams", "{}")
    for offered in ("h2", None):
        context = ssl.create_default_context(cafile=authority)
        if offered:
            context.set_alpn_protocols([offered])
        client = Client(port, wrap=lambda plain, tls=context: tls.wrap_socket(plain, server_hostname="localhost"))
        assert client.socket.selected_alpn_protocol() == offered
        client.send(frame(HEADERS, END_HEADERS, 1, request) + frame(DATA, END_STREAM, 1, body))
        wait_until(lambda c=client: c.ended.is_set() or 1 in c.answered, LONGEST)
        assert client.answered == {1: STATUS_200}, (offered, client.answered, client.goaway)
        flood(client, frame(PING, 0, 0, b"12345678"), 1_000_000)
        client.close()


def fill(region):
    """An iterator for ten records of 1 MB."""
    def ask(operation, body):
        answers, rest = parse(exchange(region.port, call(operation, json.dumps(body), port=region.port)))
        assert answers[0].status == 200 and not rest, answers
        return json.loads(answers[0].body or b"{}")
    for stream in ("calm", "large"):
        ask("CreateStream", {"StreamName": stream, "ShardCount": 1})
    data = base64.b64encode(os.urandom(1_000_000)).decode()
    for _ in range(10):
        ask("PutRecord", {"StreamName": "large", "PartitionKey": "k", "Data": data})
    return ask("GetShardIterator", {"StreamName": "large", "ShardId": "shardId-000000000000",
                                    "ShardIteratorType": "TRIM_HORIZON"})["ShardIterator"]


def main():
    region = Region()
    settings = region.directory / "spillway.toml"
    settings.write_text(f'[[serve.keys]]\naccess_key = "{ACCESS_KEY}"\nsecret_key = "{SECRET_KEY}"\n', encoding="utf-8")
    region.arguments = ("--config", str(settings))
    with region:
        large = fill(region)
        authority = str(region.data / "tls" / "ca.pem")
        with Watched(region) as watched:
            before = watched.memory_mb()
            stalls = begin_stalls(watched, large)
            dribbles = begin_dribbles(region.port)
            check_dribbles(*dribbles)
            check_stalls(watched, *stalls, before)
            check_floods(watched)
            check_rapid_reset(watched)
            check_header_bombs(watched)
            check_streams(watched)
            check_smuggling(region.port)
            check_tls(watched, authority)
            check_h2_in_tls(watched, authority)
            watched.check("everything", 150, before)
            assert watched.answers > 100, watched.answers
        assert watched.failure is None, watched.failure
        assert region.stop() == 0
    print(f"HTTP/2 and TLS: floods, bombs, stalls and half handshakes; {watched.answers} answers to another client "
          "meanwhile")


if __name__ == "__main__":
    main()
