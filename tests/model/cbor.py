"""CBOR (RFC 8949) as far as the API needs it: whatever the tests send, and whatever answers hold."""

import struct


class Time:
    """A point in time, which AWS's CBOR counts in milliseconds and JSON and rpc-v2-cbor in seconds."""

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds


def _head(major, argument):
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise OverflowError(argument)


def encode(value, times_in_seconds=False):
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, Time):
        ms = value.milliseconds
        return b"\xc1" + encode(ms / 1000 if times_in_seconds else ms)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(encode(item, times_in_seconds) for item in value)
    return _head(5, len(value)) + b"".join(
        encode(key) + encode(item, times_in_seconds) for key, item in value.items())


def decode(data):
    value, rest = _item(data)
    assert not rest, f"behind the CBOR: {rest[:20]!r}"
    return value


_BREAK = object()


def _item(data):
    """The first item, and what is behind it."""
    major, info = data[0] >> 5, data[0] & 31
    data = data[1:]
    if major == 7:
        return _simple(info, data)
    argument = None  # of indefinite length
    if info < 24:
        argument = info
    elif info < 28:
        size = 1 << info - 24
        argument, data = int.from_bytes(data[:size], "big"), data[size:]
    if major < 2:
        return (argument if major == 0 else -1 - argument), data
    if major < 4:
        if argument is None:
            parts, data = _items(data, None)
            return (b"" if major == 2 else "").join(parts), data
        text, data = data[:argument], data[argument:]
        return (text if major == 2 else text.decode()), data
    if major == 6:
        return _item(data)
    count = argument if major == 4 or argument is None else 2 * argument
    items, data = _items(data, count)
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), data


def _items(data, count):
    items = []
    while count is None or len(items) < count:
        item, data = _item(data)
        if item is _BREAK:
            break
        items.append(item)
    return items, data


def _simple(info, data):
    if info == 31:
        return _BREAK, data
    if info in (26, 27):
        size = 4 if info == 26 else 8
        return struct.unpack(">f" if info == 26 else ">d", data[:size])[0], data[size:]
    return {20: False, 21: True, 22: None, 23: None}[info], data
