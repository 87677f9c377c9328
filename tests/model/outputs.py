"""What answers say, held against the output shapes of the service model, one thing after the other."""

import api

EARLIEST, LATEST = 1_600_000_000, 4_000_000_000  # seconds: a time outside of them was counted in another unit


def differences(model, name, value, content_type, path):
    """Whatever in an answer, decoded from that format, is not as the shape of that name has it."""
    shape = model.shapes[name]
    if shape["type"] == "structure":
        yield from _structure(model, shape, value, content_type, path)
    elif shape["type"] in ("list", "map"):
        kind = list if shape["type"] == "list" else dict
        if not isinstance(value, kind):
            yield f"{path}: {value!r:.60} is no {shape['type']}"
            return
        inner = shape["member" if kind is list else "value"]["shape"]
        for item in value if kind is list else value.values():
            yield from differences(model, inner, item, content_type, f"{path}[]")
    elif not _is(shape["type"], value, content_type):
        yield f"{path}: {value!r:.60} is no {shape['type']}"
    elif value not in shape.get("enum", (value,)):
        yield f"{path}: {value} is not one of {shape['enum']}"


def _structure(model, shape, value, content_type, path):
    if not isinstance(value, dict):
        yield f"{path}: {value!r:.60} is no structure"
        return
    for member in shape.get("required", ()):
        if member not in value:
            yield f"{path}.{member}: required, and left out"
    for member, inner in value.items():
        if member in shape["members"]:
            yield from differences(model, shape["members"][member]["shape"], inner, content_type, f"{path}.{member}")
        else:
            yield f"{path}.{member}: not in the model"


def _is(kind, value, content_type):
    if kind == "timestamp":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return EARLIEST < (value / 1000 if content_type == api.CBOR else value) < LATEST
    if kind == "blob":
        return isinstance(value, str if content_type == api.JSON else bytes)
    if kind in ("integer", "long"):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool, "double": float}[kind])
