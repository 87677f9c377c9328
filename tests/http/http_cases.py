"""What malformed_test.py sends: one table of HTTP, one of the API."""

import json

from raw import message

POST = "POST / HTTP/1.1"


def http(*headers, first=POST, body=b"", host=True):
    """A function of the port that makes the bytes."""
    return lambda port: message(first, [("Host", f"127.0.0.1:{port}")] * host + list(headers), body)


def raw(data):
    return lambda port: data


# (name, port → bytes, status, a pattern that the body matches). Each ends the connection.
HTTP_CASES = [
    ("no request line", raw(b"HELLO\r\n\r\n"), 400, "malformed"),
    ("binary", raw(b"\x00\x01\xff\xfe\r\n\r\n"), 400, "malformed"),
    ("HTTP/0.9", raw(b"GET /\r\n\r\n"), 400, "malformed"),
    ("no version", http(first="POST / "), 505, "HTTP/1.1"),
    ("an unknown version", http(first="POST / HTTP/9.9"), 505, "HTTP/1.1"),
    ("a space in the target", http(first="POST /a b HTTP/1.1"), 505, "HTTP/1.1"),
    ("a method that is no token", http(first="PO(ST / HTTP/1.1"), 400, "malformed"),
    ("HTTP/2's preface, broken", raw(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), 505, "HTTP/2"),
    ("a line without a colon", raw(b"POST / HTTP/1.1\r\nHost: x\r\nwhat\r\n\r\n"), 400, "malformed"),
    ("a space before the colon", http(("X ", "y")), 400, "malformed"),
    ("an empty name", http(("", "y")), 400, "malformed"),
    ("a control character in a value", http(("X", "a\x00b")), 400, "malformed"),
    ("a folded line", http(("X", "a\r\n b")), 400, "folded"),
    ("a line that ends in LF", raw(b"POST / HTTP/1.1\nHost: x\n\n"), 400, "LF"),
    ("no Host", http(host=False), 400, "Host"),
    ("two Hosts", http(("Host", "x")), 400, "Host"),
    ("a huge header", http(("X", "y" * 40_000)), 431, "too large"),
    ("a huge target", http(first=f"POST /{'y' * 40_000} HTTP/1.1"), 431, "too large"),
    ("too many headers", http(*[(f"X{i}", "y") for i in range(200)]), 431, "too many"),
    ("a huge header without an end", raw(b"POST / HTTP/1.1\r\nX: " + b"y" * 40_000), 431, "too large"),
    ("a negative length", http(("Content-Length", "-1")), 400, "malformed"),
    ("a length that is none", http(("Content-Length", "1x")), 400, "malformed"),
    ("an empty length", http(("Content-Length", "")), 400, "malformed"),
    ("a length beyond 64 bits", http(("Content-Length", "9" * 30)), 400, "malformed"),
    ("two lengths", http(("Content-Length", "2"), ("Content-Length", "3")), 400, "Content-Length"),
    ("two equal lengths", http(("Content-Length", "2"), ("Content-Length", "2"), body=b"{}"), 400,
     "Content-Length"),
    ("a list of lengths", http(("Content-Length", "2, 2"), body=b"{}"), 400,
     "Content-Length"),
    ("length and chunks", http(("Content-Length", "2"), ("Transfer-Encoding", "chunked"),
                               body=b"2\r\n{}\r\n0\r\n\r\n"), 400, "Transfer-Encoding"),
    ("chunks and length", http(("Transfer-Encoding", "chunked"), ("Content-Length", "2"),
                               body=b"2\r\n{}\r\n0\r\n\r\n"), 400, "Content-Length"),
    ("chunks", http(("Transfer-Encoding", "chunked"), body=b"2\r\n{}\r\n0\r\n\r\n"), 411,
     "Content-Length"),
    ("another transfer encoding", http(("Transfer-Encoding", "gzip")), 411, "Content-Length"),
    ("two transfer encodings", http(("Transfer-Encoding", "chunked"),
                                    ("Transfer-Encoding", "identity")), 400, "Transfer-Encoding"),
    ("a body over the limit, announced", http(("Content-Length", str((16 << 20) + 1))), 413, "large"),
    ("a body over the limit, sent", http(("Content-Length", str(17 << 20)), body=b"x" * (17 << 20)),
     413, "large"),
    ("an unknown expectation", http(("Expect", "a miracle")), 417, "100-continue"),
]

PUT = {"StreamName": "s", "PartitionKey": "k", "Data": "aGVsbG8="}


def put(**members):
    return {"operation": "PutRecord", "body": json.dumps(PUT | members)}


def body(text, operation="PutRecord"):
    return {"operation": operation, "body": text}


def without(name):
    return lambda headers: [pair for pair in headers if pair[0].lower() != name]


def replaced(name, change):
    return lambda headers: [(n, change(v) if n.lower() == name else v) for n, v in headers]


def header_case(change, **more):
    return {"operation": "ListStreams", "change": change} | more


JSON_ERROR = (400, "SerializationException")
# (name, arguments of raw.call, status, error or None, a pattern that the body matches)
API_CASES = [
    # Addressing.
    ("another method", {"operation": "ListStreams", "method": "PUT"}, 403, "AccessDeniedException", ""),
    ("GET", {"operation": "ListStreams", "method": "GET", "body": b""}, 403, "AccessDeniedException", ""),
    ("no content type", header_case(without("content-type")), 404, "UnknownOperationException", ""),
    ("text", {"operation": "ListStreams", "content_type": "text/plain"}, 404,
     "UnknownOperationException", "x-amz-json-1.1"),
    ("CBOR", {"operation": "ListStreams", "content_type": "application/x-amz-cbor-1.1",
              "body": b"\xa0"}, 200, None, "StreamNames"),
    ("CBOR that ends too early", {"operation": "ListStreams", "body": b"\xbf",
                                  "content_type": "application/x-amz-cbor-1.1"}, 400,
     "SerializationException", "ends too early"),
    ("an unknown operation in CBOR", {"operation": "MakeCoffee", "body": b"\xa0",
                                      "content_type": "application/x-amz-cbor-1.1"}, 400,
     "UnknownOperationException", "MakeCoffee"),
    ("no operation's path", {"operation": "", "target": "", "body": b"\xa0", "path": "/service/x",
                             "content_type": "application/cbor"}, 403, "AccessDeniedException", ""),
    ("text that names no operation", {"operation": "", "target": "Kinesis", "content_type": "text/plain"},
     403, "AccessDeniedException", "Unable to determine service/operation name"),
    ("text without a body", {"operation": "ListStreams", "body": b"", "content_type": "text/plain"}, 400,
     "SerializationException", ""),
    ("neither a body nor an operation", {"operation": "", "target": "", "body": b"",
                                         "content_type": "text/plain"}, 400,
     "UnknownOperationException", ""),
    ("a content type with more", {"operation": "ListStreams",
                                  "content_type": "application/x-amz-json-1.1  ; charset=utf-8"}, 200,
     None, "StreamNames"),
    ("no target", {"operation": "", "target": ""}, 400, "UnknownOperationException", "X-Amz-Target"),
    ("another service's target", {"operation": "", "target": "DynamoDB_20120810.ListTables"}, 400,
     "UnknownOperationException", "X-Amz-Target"),
    ("an unknown operation", {"operation": "MakeCoffee"}, 400, "UnknownOperationException", "MakeCoffee"),
    ("a huge operation", {"operation": "X" * 20_000}, 400, "UnknownOperationException", "no operation"),
    ("an operation in small letters", {"operation": "liststreams"}, 400, "UnknownOperationException", ""),
    # Who is calling.
    ("no signature", header_case(without("authorization")), 400, "MissingAuthenticationTokenException",
     "Missing Authentication Token"),
    ("no date", header_case(without("x-amz-date")), 400, "IncompleteSignatureException", "X-Amz-Date"),
    ("an empty signature", header_case(replaced("authorization", lambda v: "")), 400,
     "IncompleteSignatureException", "AWS4-HMAC-SHA256"),
    ("another scheme", header_case(replaced("authorization", lambda v: "Basic YTpi")), 400,
     "IncompleteSignatureException", ""),
    ("half a signature", header_case(replaced("authorization", lambda v: v[:60])), 400,
     "IncompleteSignatureException", ""),
    ("a credential of four parts",
     header_case(replaced("authorization", lambda v: v.replace("/aws4_request", ""))), 400,
     "IncompleteSignatureException", "5 slash-delimited"),
    ("another region", {"operation": "ListStreams", "region": "mars-1"}, 400,
     "InvalidSignatureException", "'mars-1'.*Set the client's region to 'us-east-1'"),
    ("another secret", {"operation": "ListStreams", "secret_key": "another"}, 400,
     "InvalidSignatureException", "does not match"),
    ("an unknown key", {"operation": "ListStreams", "access_key": "NOBODY"}, 400,
     "UnrecognizedClientException", "security token"),
    ("a body that was not signed", {"operation": "ListStreams", "sent_body": b'{"Limit":1}'}, 400,
     "InvalidSignatureException", "does not match"),
    ("a clock that is behind", {"operation": "ListStreams", "skew": -600}, 400,
     "InvalidSignatureException", "Signature expired: .* is now earlier than .* - 5 min"),
    ("a clock that is ahead", {"operation": "ListStreams", "skew": 600}, 400,
     "InvalidSignatureException", "Signature not yet current: .* is still later than .* 5 min"),
    ("a clock that is a little off", {"operation": "ListStreams", "skew": -240}, 200, None, ""),
    ("a date other than the scope's",
     header_case(replaced("x-amz-date", lambda v: str(int(v[:4]) - 1) + v[4:])), 400,
     "InvalidSignatureException", "Date in Credential scope"),
    ("a date of another form", header_case(replaced("x-amz-date", lambda v: "yesterday")), 400,
     "IncompleteSignatureException", ""),
    # JSON.
    ("no body", body(""), *JSON_ERROR, ""),
    ("no JSON", body("hello"), *JSON_ERROR, ""),
    ("an unfinished text", body('{"StreamName":"s'), *JSON_ERROR, ""),
    ("an unfinished object", body('{"StreamName":"s"'), *JSON_ERROR, ""),
    ("something behind the object", body('{"StreamName":"s"} x'), *JSON_ERROR, ""),
    ("two objects", body("{}{}"), *JSON_ERROR, ""),
    ("a list", body("[]"), *JSON_ERROR, ""),
    ("null", body("null"), *JSON_ERROR, ""),
    ("deep nesting", body('{"x":' + "[" * 100_000 + "]" * 100_000 + "}"), *JSON_ERROR, ""),
    ("deep nesting without an end", body("[" * 1_000_000), *JSON_ERROR, ""),
    ("invalid UTF-8", body(b'{"StreamName":"\xff\xfe"}'), *JSON_ERROR, ""),
    ("UTF-16", body('{"StreamName":"s"}'.encode("utf-16")), *JSON_ERROR, ""),
    ("a lone surrogate", body('{"StreamName":"\\ud800"}'), *JSON_ERROR, ""),
    ("an unknown escape", body('{"StreamName":"\\x"}'), *JSON_ERROR, ""),
    ("a line feed in a text", body('{"StreamName":"a\nb"}'), *JSON_ERROR, ""),
    ("NaN", body('{"Limit":NaN}', "ListStreams"), *JSON_ERROR, ""),
    ("a number as name", body('{"StreamName":7}'), *JSON_ERROR, "String"),
    ("a text as number", body('{"Limit":"7"}', "ListStreams"), *JSON_ERROR, "Integer"),
    ("a fraction as number", body('{"Limit":1.5}', "ListStreams"), 200, None, "StreamNames"),
    ("a number beyond 64 bits", body('{"Limit":99999999999999999999}', "ListStreams"), *JSON_ERROR, ""),
    ("a time beyond all", body('{"StreamName":"s","ShardId":"x","ShardIteratorType":"LATEST",'
                               '"Timestamp":1e300}', "GetShardIterator"), *JSON_ERROR, ""),
    ("a list as structure", body('{"StreamName":"t","StreamModeDetails":[]}', "CreateStream"),
     *JSON_ERROR, ""),
    ("a structure as list", body('{"StreamName":"s","Records":{}}', "PutRecords"), *JSON_ERROR, ""),
    ("base64 without padding", put(Data="aGVsbG8"), *JSON_ERROR, "base64"),
    ("base64 of other letters", put(Data="aGVs$G8="), *JSON_ERROR, "base64"),
    ("base64 in the other alphabet", put(Data="_-_-"), *JSON_ERROR, "base64"),
    ("base64 with white space", put(Data="aGVs\nbG8="), *JSON_ERROR, "base64"),
    ("base64 with spare bits", put(Data="aGVsbG9="), *JSON_ERROR, "base64"),
    ("duplicate members: the last one counts",
     body('{"StreamName":"none","PartitionKey":"k","Data":"","StreamName":"s"}'), 200, None,
     "SequenceNumber"),
    # Constraints.
    ("nothing of what is required", body("{}"), 400, "ValidationException",
     "1 validation error detected: Value null at 'data'"),
    ("half of what is required", body('{"ShardToMerge":""}', "MergeShards"), 400, "ValidationException",
     "3 validation errors detected: Value '' at 'shardToMerge'.*Value null at 'adjacentShardToMerge'"),
    ("a key too long", put(PartitionKey="k" * 257), 400, "ValidationException", "'partitionKey'"),
    ("an empty key", put(PartitionKey=""), 400, "ValidationException", "'partitionKey'"),
    ("a hash key that is none", put(ExplicitHashKey="-1"), 400, "ValidationException",
     "'explicitHashKey'"),
    ("a hash key beyond 128 bits", put(ExplicitHashKey=str(2 ** 128)), 400,
     "InvalidArgumentException", "ExplicitHashKey"),
    ("a name that is none", put(StreamName="../s"), 400, "ValidationException", "'streamName'"),
    ("an ARN that is none", put(StreamARN="s"), 400, "ValidationException", "'streamARN'"),
    ("an enum's other value", body('{"StreamName":"s","ShardId":"x","ShardIteratorType":"SOON"}',
                                   "GetShardIterator"), 400, "ValidationException", "AT_TIMESTAMP"),
    ("501 records", body(json.dumps({"StreamName": "s", "Records": [
        {"Data": "", "PartitionKey": "k"}] * 501}), "PutRecords"), 400, "ValidationException",
     "'records'"),
    ("a record over its limit", put(Data="A" * (2 << 20)), 400, "InvalidArgumentException", ""),
    ("an iterator that was never given", body('{"ShardIterator":"' + "A" * 90 + '=="}', "GetRecords"),
     400, "InvalidArgumentException", "ShardIterator"),
    ("a query whose names sort otherwise than its texts",
     {"operation": "ListStreams", "path": "/?a=1&a-b=2"}, 200, None, "StreamNames"),
    ("an operation of channels", body("{}", "ListChannels"), 400, "UnknownOperationException",
     "Kinesis has no operation ListChannels"),
]


AWS_CBOR, RPC_CBOR = "application/x-amz-cbor-1.1", "application/cbor"
MANY = 8_000_000
X = b"\xa1\x61x"  # a map with one member, "x"
# What a few bytes of CBOR say that there is, or many bytes that there is within each other. (name, body, a pattern that
# the message matches, or None where it may be passed over)
CBOR_BOMBS = [
    ("lists within lists", X + b"\x81" * MANY, "deep"),
    ("lists without an end within each other", X + b"\x9f" * MANY, "deep"),
    ("maps without an end within each other", X + b"\xbf\x61x" * (MANY // 3), "deep"),
    ("tags of tags", X + b"\xc1" * MANY, "."),
    ("text in empty pieces without an end", X + b"\x7f" + b"\x60" * MANY, "."),
    ("text in empty pieces", X + b"\x7f" + b"\x60" * MANY + b"\xff", None),
    ("text of 2^64 - 1 bytes", X + b"\x7b" + b"\xff" * 8, "."),
    ("bytes of 2^63 bytes", X + b"\x5b\x80" + b"\0" * 7, "."),
    ("a list of 2^64 - 1 items", X + b"\x9b" + b"\xff" * 8, "."),
    ("a map of 2^64 - 1 members", b"\xbb" + b"\xff" * 8 + b"\x61x", "."),
    ("a member's name of 2^64 - 1 bytes", b"\xa1\x7b" + b"\xff" * 8 + b"x", "."),
    ("a head of no known length", X + b"\x1c", "."),
    ("a break where nothing began", X + b"\xff", "."),
    ("more behind the end", b"\xa0\xa0", "."),
]
