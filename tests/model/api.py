"""Signed requests to a region in each of the API's formats, over connections that are kept, and what
every answer has to have.
"""

import base64
import json
import pathlib
import re
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "http"))
import cbor  # noqa: E402
import raw  # noqa: E402
from cbor import Time  # noqa: E402

JSON, CBOR, RPC_CBOR = FORMATS = ("application/x-amz-json-1.1", "application/x-amz-cbor-1.1",
                                  "application/cbor")
EVENT_STREAM = "application/vnd.amazon.eventstream"
REQUEST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _json_default(value):
    if isinstance(value, Time):
        return value.milliseconds / 1000
    return base64.b64encode(value).decode()


def encode(members, content_type):
    if content_type == JSON:
        return json.dumps(members, default=_json_default).encode()
    return cbor.encode(members, times_in_seconds=content_type == RPC_CBOR)


def decode(body, content_type):
    if not body:
        return {}
    return json.loads(body) if content_type == JSON else cbor.decode(body)


class Answer:
    """`error` and `message` are None where it is a 200, `document` what it says."""

    def __init__(self, status, headers, body, sent_as):
        self.status, self.headers = status, headers
        self.content_type = headers["content-type"]
        self.document = {} if self.content_type == EVENT_STREAM else decode(body, self.content_type)
        self.error = self.message = None
        assert REQUEST_ID.fullmatch(headers["x-amzn-requestid"]), headers
        assert headers["x-amz-id-2"], headers
        if status == 200:
            return
        assert self.content_type == sent_as, f"{self.content_type} for an error in {sent_as}"
        assert sent_as != RPC_CBOR or headers["smithy-protocol"] == "rpc-v2-cbor", headers
        self.error = self.document["__type"]
        text = "Message" if self.error == "SerializationException" else "message"
        self.message = self.document[text]
        assert self.document.keys() == {"__type", text}, self.document
        assert headers["x-amzn-errortype"] == self.error, headers

    @property
    def told(self):
        """The error that it tells; PutRecords tells one of each record, by a code of its own."""
        if self.status != 200 or not self.document.get("FailedRecordCount"):
            return self.error
        entry = next(entry for entry in self.document["Records"] if "ErrorCode" in entry)
        assert "SequenceNumber" not in entry and entry["ErrorMessage"], entry
        code = entry["ErrorCode"]
        return "InternalFailureException" if code == "InternalFailure" else code

    def __repr__(self):
        return f"{self.status} {self.error or ''} {self.message or str(self.document)[:300]}"


class Api:
    """A key's way to a region, one request at a time."""

    def __init__(self, port, access_key=raw.ACCESS_KEY, secret_key=raw.SECRET_KEY, headers=()):
        self.port, self.key = port, {"access_key": access_key, "secret_key": secret_key}
        self.headers = list(headers)  # more of them, as (name, value)
        self.connection, self.received = None, b""

    def ask(self, operation, members, content_type=JSON):
        return next(self.ask_at_once(operation, members, content_type, 1))

    def ask_at_once(self, operation, members, content_type, copies):
        """So many times the same, sent before the first answer is read; the answers."""
        rpc = content_type == RPC_CBOR
        data = raw.call(operation, encode(members, content_type), self.port, content_type=content_type,
                        target="" if rpc else None, **self.key,
                        change=lambda pairs: pairs + self.headers,
                        path=f"/service/Kinesis_20131202/operation/{operation}" if rpc else "/")
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), raw.LONGEST)
            self.received = b""
        self.connection.sendall(data * copies)
        for _ in range(copies):
            yield self._answer(content_type)
            if self.connection is None:
                return

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _answer(self, sent_as):
        while b"\r\n\r\n" not in self.received:
            self._receive()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = b""
        if headers["content-type"] == EVENT_STREAM or headers.get("connection") == "close":
            self.close()  # an event stream's messages are others' to look at
        else:
            size = int(headers["content-length"])
            while len(self.received) < size:
                self._receive()
            body, self.received = self.received[:size], self.received[size:]
        return Answer(int(first.split()[1]), headers, body, sent_as)

    def _receive(self):
        part = self.connection.recv(1 << 20)
        assert part, "the connection ended before the answer did"
        self.received += part
