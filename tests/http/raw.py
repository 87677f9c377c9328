"""Requests as bytes: made, signed, sent through a plain socket, and what came back."""

import datetime
import re
import socket

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET_KEY, REGION = "RAWCLIENT", "a secret of its own", "us-east-1"
JSON = "application/x-amz-json-1.1"
LONGEST = 60  # seconds: whoever waits this long has been dropped without an answer


class ShiftedAuth(SigV4Auth):
    """Signs by a clock that is `skew` seconds off."""

    skew = 0

    def add_auth(self, request):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.skew)
        request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


def message(first_line, headers, body=b""):
    lines = [first_line] + [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines + ["", ""]).encode("latin-1") + body


def call(operation, body=b"{}", port=0, target=None, content_type=JSON, access_key=ACCESS_KEY,
         secret_key=SECRET_KEY, region=REGION, change=lambda headers: headers, sent_body=None,
         method="POST", skew=0, path="/"):
    """A signed request. `change` gets and returns the headers as they are sent, `sent_body` is sent
    instead of the body that was signed."""
    if isinstance(body, str):
        body = body.encode()
    headers = {"Host": f"127.0.0.1:{port}", "Content-Type": content_type}
    if target is None:
        target = f"Kinesis_20131202.{operation}"
    if target:
        headers["X-Amz-Target"] = target
    request = AWSRequest(method=method, url=f"http://127.0.0.1:{port}{path}", data=body, headers=headers)
    auth = ShiftedAuth(Credentials(access_key, secret_key), "kinesis", region)
    auth.skew = skew
    auth.add_auth(request)
    sent = body if sent_body is None else sent_body
    pairs = [(name, value) for name, value in request.headers.items()]
    pairs.append(("Content-Length", str(len(sent))))
    return message(f"{method} {path} HTTP/1.1", change(pairs), sent)


def parse(received):
    """The whole answers in it, and what is left."""
    answers = []
    while True:
        head, separator, rest = received.partition(b"\r\n\r\n")
        first = re.match(rb"HTTP/1\.1 (\d{3}) [^\r\n]+(?:\r\n|$)", head)
        if not separator or not first:
            return answers, received
        headers = {}
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            headers[name.decode().lower()] = value.decode().strip()
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return answers, received
        answers.append(Answer(int(first[1]), headers, rest[:length]))
        received = rest[length:]


def send(connection, data):
    """A server may answer and close before it took everything: then the answer counts."""
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def exchange(port, data, answers=1, shut_down=False):
    """What came back until that many whole HTTP/1.1 answers are there, or the server closed."""
    with socket.create_connection(("127.0.0.1", port), LONGEST) as connection:
        send(connection, data)
        if shut_down:
            connection.shutdown(socket.SHUT_WR)
        return receive(connection, answers)


def receive(connection, answers=None):
    """Bytes until that many whole HTTP/1.1 answers are there (None: until the server closed)."""
    received = b""
    while answers is None or len(parse(received)[0]) < answers:
        try:
            part = connection.recv(1 << 16)
        except ConnectionResetError:
            break
        if not part:
            break
        received += part
    return received
