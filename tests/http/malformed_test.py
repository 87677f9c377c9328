"""Requests that nobody should send, through plain sockets to a real region.

Each gets the API's own error or an HTTP status: never a connection that ends without an answer.
After each of them the region answers a good request.
"""

import json
import os
import pathlib
import re
import socket
import sys
import threading
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from http_cases import API_CASES, AWS_CBOR, CBOR_BOMBS, HTTP_CASES, RPC_CBOR  # noqa: E402
from raw import (ACCESS_KEY, LONGEST, SECRET_KEY, call, exchange, parse, receive, send)  # noqa: E402
from region import Region, wait_until  # noqa: E402


CBOR_MB = 40  # that a body of 8 MB may make the region hold at once; by what it says it would be far more
SANITIZED = os.environ.get("SPILLWAY_SANITIZE")  # whose own memory says nothing of the server's


def one_answer(port, data):
    received = exchange(port, data)
    answers, rest = parse(received)
    assert len(answers) == 1 and not rest, f"instead of one answer: {received[:500]!r}"
    return answers[0]


def check_http(port):
    for name, data, status, text in HTTP_CASES:
        answer = one_answer(port, data(port))
        if answer.status != status or answer.headers.get("connection") != "close" or not re.search(
                text, answer.body.decode()):
            yield f"{name}: not a {status} with '{text}': {answer}"
        check_alive(port, name)


def check_api(port):
    for name, request, status, error, text in API_CASES:
        answer = one_answer(port, call(port=port, **request))
        found = None
        kind, shown = answer.headers.get("content-type"), answer.body.decode(errors="replace")
        if kind == "text/xml":
            found = re.match(r"<(\w+)>\n  <Message>[^<]*</Message>\n</\1>\n$", shown)[1]
        elif error is not None:
            found = answer.headers["x-amzn-errortype"]
            assert kind != "application/x-amz-json-1.1" or found == json.loads(shown)["__type"], answer
            assert found in shown, f"{name}: {answer}"
        if (answer.status, found) != (status, error) or not re.search(text, shown):
            yield f"{name}: not a {status} {error} with '{text}': {answer}"
        assert re.fullmatch("[0-9a-f-]{36}", answer.headers["x-amzn-requestid"]), f"{name}: {answer}"
        check_alive(port, name)


def memory_mb(region, name):
    """VmRSS, what is resident now; VmHWM, the most that was since forget_peak()."""
    with open(f"/proc/{region.process.pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


def forget_peak(region):
    with open(f"/proc/{region.process.pid}/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")


def check_cbor(region):
    """Both formats in CBOR: an error, and no more memory than a good body of the same length takes."""
    for name, body, text in CBOR_BOMBS:
        for content_type in (AWS_CBOR, RPC_CBOR):
            rpc = content_type == RPC_CBOR
            data = call("ListStreams", body, region.port, content_type=content_type, target="" if rpc else None,
                        path="/service/Kinesis_20131202/operation/ListStreams" if rpc else "/")
            forget_peak(region)
            before = memory_mb(region, "VmRSS")
            answer = one_answer(region.port, data)
            expected = (200, None) if text is None else (400, "SerializationException")
            if (answer.status, answer.headers.get("x-amzn-errortype")) != expected or (
                    text and not re.search(text, answer.body.decode(errors="replace"))):
                yield f"{name} in {content_type}: not a {expected[0]} with '{text}': {answer}"
            grown = memory_mb(region, "VmHWM") - before
            if grown > CBOR_MB and not SANITIZED:
                yield f"{name} in {content_type}: {grown:.0f} MB"
            check_alive(region.port, name)


def check_alive(port, after):
    answer = one_answer(port, call("ListStreams", port=port))
    assert answer.status == 200, f"after {after}: {answer}"


def check_pipelines(port):
    good, bad = call("ListStreams", port=port), call("PutRecord", port=port)
    answers, rest = parse(exchange(port, (good + bad) * 20, answers=40))
    assert [a.status for a in answers] == [200, 400] * 20 and not rest, answers
    # A request that ends the connection is answered behind those before it; none after it is.
    answers, rest = parse(exchange(port, good * 3 + b"what?\r\n\r\n" + good * 3, answers=9))
    assert [a.status for a in answers] == [200, 200, 200, 400] and not rest, answers
    assert [a.headers.get("connection") for a in answers] == [None, None, None, "close"], answers


def check_half_closed(port):
    good = call("ListStreams", port=port)
    answers, rest = parse(exchange(port, good * 2, answers=3, shut_down=True))
    assert [a.status for a in answers] == [200, 200] and not rest, "a whole request, then FIN"
    for cut in (1, 3, 30, len(good) - 1):
        answers, rest = parse(exchange(port, good[:cut], answers=2, shut_down=True))
        assert [a.status for a in answers] == [400] and not rest, f"{cut} bytes, then FIN: {answers}"
    answers, rest = parse(exchange(port, good + good[:-1], answers=3, shut_down=True))
    assert [a.status for a in answers] == [200, 400] and not rest, "a request and a part, then FIN"
    assert exchange(port, b"", shut_down=True) == b"", "nothing, then FIN"


def check_other_protocols(port):
    # A TLS handshake gets an alert (type 21), so that the client can say more than "reset".
    hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
    received = exchange(port, hello)
    assert received[:1] == b"\x15" and received[5:6] == b"\x02", received

    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    for name, data in {
            "a frame of a length that its type can't have": settings + b"\x00\x00\x01\x06" + b"\x00" * 6,
            "DATA for a stream that was never opened": settings + b"\x00\x00\x01\x00\x00\x00\x00\x00\x09x",
            "no SETTINGS first": b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"\x00" * 8,
            "a frame beyond the largest size": settings + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
            "HPACK that no table has": settings + b"\x00\x00\x03\x01\x05\x00\x00\x00\x01\xff\xff\x7f",
            "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}.items():
        kinds = [kind for kind, _ in frames(exchange(port, preface + data, answers=99))]
        assert kinds[0] == 4 and kinds[-1] == 7, f"{name}: frames {kinds} instead of SETTINGS … GOAWAY"
        check_alive(port, name)


def frames(received):
    """HTTP/2 frames: their types and payloads."""
    while len(received) >= 9:
        size = int.from_bytes(received[:3], "big")
        yield received[3], received[9:9 + size]
        received = received[9 + size:]


def check_slow(port):
    """Begun and never finished. Each waits as long as the region lets it, all at the same time."""
    good = call("ListStreams", port=port)
    cases = {"one byte": good[:1], "two bytes": good[:2], "half a head": good[:60],
             "half a body": good[:-1], "a request and half a head": good + good[:60]}
    results = {}

    def wait(name, data):
        with socket.create_connection(("127.0.0.1", port), LONGEST) as connection:
            connection.sendall(data)
            results[name] = parse(receive(connection))

    def trickle():
        """A head a byte at a time: the deadline is the whole head's, not a byte's."""
        with socket.create_connection(("127.0.0.1", port), LONGEST) as connection:
            connection.setblocking(False)
            stop = threading.Event()
            head = b"POST / HTTP/1.1\r\nX: " + b"x" * 1000
            for at in range(len(head)):
                if stop.wait(0.2):
                    break
                try:
                    connection.send(head[at:at + 1])
                    first = connection.recv(1 << 16)
                except BlockingIOError:
                    continue
                connection.settimeout(LONGEST)
                results["a trickle"] = parse(first + receive(connection))
                return

    threads = [threading.Thread(target=wait, args=case) for case in cases.items()]
    threads.append(threading.Thread(target=trickle))
    for thread in threads:
        thread.start()
    return threads, results


def check_slow_results(threads, results):
    for thread in threads:
        thread.join()
    assert len(results) == 6, f"only {sorted(results)} ended"
    for name, (answers, rest) in results.items():
        expected = [200, 408] if name.startswith("a request and") else [408]
        assert [a.status for a in answers] == expected and not rest, f"{name}: {answers} {rest!r}"


def check_idle(port):
    """A connection that nothing comes from is closed; one that has begun nothing owes no answer."""
    with socket.create_connection(("127.0.0.1", port), LONGEST) as connection:
        send(connection, call("ListStreams", port=port))
        answers, rest = parse(receive(connection))  # until the region closes
        assert [a.status for a in answers] == [200] and not rest, answers


def check_connection_cap():
    """One more than may be is told so; when one has gone, the next is served."""
    region = Region()
    config = region.directory / "spillway.toml"
    config.write_text("[serve]\nconnections_max = 4\n")
    region.arguments = ("--config", str(config))
    with region:
        held = [socket.create_connection(("127.0.0.1", region.port), timeout=20) for _ in range(4)]
        for connection in held:  # each has been accepted once it has been answered
            connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 403")
        with socket.create_connection(("127.0.0.1", region.port), timeout=20) as fifth:
            assert fifth.recv(1 << 16).startswith(b"HTTP/1.1 503"), "the fifth connection was not turned away"
        with urllib.request.urlopen(f"http://127.0.0.1:{region.admin}/metrics", timeout=20) as metrics:
            assert b'spillway_http_connections_refused_total{listener="api"} 1\n' in metrics.read()
        held.pop().close()

        def served():
            with socket.create_connection(("127.0.0.1", region.port), timeout=20) as next_one:
                next_one.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                return next_one.recv(1 << 16).startswith(b"HTTP/1.1 403")
        wait_until(served)
        for connection in held:
            connection.close()


def check_drain():
    """SIGTERM while a request arrives: it is answered, and the region ends with 0; one that takes
    longer than drain_seconds is cut off."""
    for whole in (True, False):
        region = Region()
        config = region.directory / "spillway.toml"
        config.write_text(f"[serve]\ndrain_seconds = {60 if whole else 1}\n")
        region.arguments = ("--config", str(config))
        with region, socket.create_connection(("127.0.0.1", region.port), LONGEST) as connection:
            request = call("ListStreams", port=region.port)
            connection.sendall(request[:-1])
            wait_until(lambda: received_bytes(region) == len(request) - 1)
            region.process.terminate()
            wait_until(lambda: refuses_connections(region.port))
            if whole:
                connection.sendall(request[-1:])
            answers, _ = parse(receive(connection))
            assert [answer.status for answer in answers] == ([200] if whole else []), answers
            assert region.process.wait(LONGEST) == 0


def received_bytes(region):
    with urllib.request.urlopen(f"http://127.0.0.1:{region.admin}/metrics", timeout=20) as metrics:
        found = re.search(rb'spillway_http_received_bytes_total{listener="api"} (\d+)', metrics.read())
    return int(found[1])


def refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), LONGEST).close()
        return False
    except ConnectionResetError:  # it was among those that nobody had accepted yet
        return False
    except ConnectionRefusedError:
        return True


def main():
    check_connection_cap()
    check_drain()
    region = Region()
    config = region.directory / "spillway.toml"
    config.write_text(f'[serve]\nidle_seconds = 2\n'
                      f'[[serve.keys]]\naccess_key = "{ACCESS_KEY}"\nsecret_key = "{SECRET_KEY}"\n')
    region.arguments = ("--config", str(config))
    with region:
        port = region.port
        answer = one_answer(port, call("CreateStream", '{"StreamName":"s","ShardCount":1}', port=port))
        assert answer.status == 200, answer
        slow = check_slow(port)
        wrong = [*check_http(port), *check_api(port), *check_cbor(region)]
        if wrong:
            raise AssertionError("\n".join(wrong))
        check_pipelines(port)
        check_half_closed(port)
        check_other_protocols(port)
        check_idle(port)
        check_slow_results(*slow)
        check_alive(port, "everything")
        assert region.stop() == 0
    print(f"malformed: {len(HTTP_CASES)} of HTTP, {len(API_CASES)} of the API, {len(CBOR_BOMBS)} of CBOR, pipelines, half-closed, "
          "other protocols, slow and idle ones: all answered")


if __name__ == "__main__":
    main()
