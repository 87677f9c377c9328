"""Every constraint of every member of every operation: a request that breaks just this one and is told
so, word for word, and one at its edge that is not.
"""

import api
from bases import BASES, Target, stream_arn
from service_model import validation_message

COLUMNS = ("type", "required", "enum", "pattern", "length min", "length max", "value min", "value max")
NO_LENGTH = "a length of at least 0 forbids nothing"
KEY, VALUE, ELEMENT = "<key>", "<value>", "<element>"
ABSENT = object()
# Not required by the newest model, but by the API for most streams.
NEEDED = ("PartitionKey",)

NUMBER = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber"
LIST_FOUND, MAP_FOUND = ("Start of list found where not expected",
                         "Start of structure or map found where not expected.")
# Of each type: values of other types, and what the API says of them.
WRONG = {
    "string": [(7, f"{NUMBER} can not be converted to an String"),
               (True, "class java.lang.Boolean can not be converted to an String"),
               ([], LIST_FOUND), ({}, MAP_FOUND)],
    "integer": [("7", "class java.lang.String can not be converted to an Integer"),
                (False, "class java.lang.Boolean can not be converted to an Integer"),
                ([], LIST_FOUND), ({}, MAP_FOUND)],
    "boolean": [(7, f"{NUMBER} can not be converted to an Boolean"), ([], LIST_FOUND), ({}, MAP_FOUND)],
    "blob": [(7, f"{NUMBER} can not be converted to a Blob"), ([], LIST_FOUND), ({}, MAP_FOUND)],
    "timestamp": [("7", "class java.lang.String can not be converted to milliseconds since epoch"),
                  ([], LIST_FOUND), ({}, MAP_FOUND)],
    "structure": [("7", "Expected null"), (7, "Expected null"), ([], LIST_FOUND)],
    "list": [("7", "Expected list or null"), (7, "Expected list or null"), ({}, MAP_FOUND)],
    "map": [("7", "Expected map or null"), (7, "Expected map or null"), ([], LIST_FOUND)],
}

ARN = stream_arn("s")
CONSUMER = f"{ARN}/consumer/c:17"
# Of each pattern: what makes a match of a size, or the shortest if that is longer; some that match, and
# some that don't.
PATTERNS = {
    "[a-zA-Z0-9_.-]+": (lambda size: "a" * size, ["Z_9.-"], ["a b", "a/b", "é", "a\n"]),
    "[a-z0-9]{20}-[a-z0-9]{3}": (lambda size: ("a" * 20 + "-bc").ljust(max(size, 24), "9"),
                                 ["a" * 20 + "-bc9"], ["a" * 20 + "-bcD", "a" * 24, "a" * 23]),
    "[0-9a-f]{32}": (lambda size: "a" * size, ["0123456789abcdef" * 2],
                     ["A" * 32, "g" + "a" * 31, "a" * 31 + "\n"]),
    "[1-9]\\d{0,18}": (None, ["1", "9" * 19], ["0", "01", "-1", "1" * 20, "1 "]),
    "0|([1-9]\\d{0,18})": (None, ["0", "9" * 19], ["01", "-1", "1" * 20, "١"]),
    "0|([1-9]\\d{0,38})": (None, ["0", "1" + "0" * 38], ["-1", "01", "1" + "0" * 39, "0x1", "1 "]),
    "0|([1-9]\\d{0,128})": (None, ["0", "1" + "0" * 128], ["-1", "01", "1" + "0" * 129, "١"]),
    "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+": (
        lambda size: ARN.ljust(size, "s"), [ARN, ARN.replace("aws", "aws-cn"), f"{ARN}/x"],
        [ARN[:-1], ARN.replace("kinesis", "sqs"), ARN.replace(":0", ":"), f"{ARN} x", f"x{ARN}"]),
    "arn:aws.*:kinesis:.*:\\d{12}:.*stream/\\S+": (
        lambda size: ARN.ljust(size, "s"), [ARN, CONSUMER, ARN.replace("stream", "upstream")],
        [ARN[:-1], ARN.replace("kinesis", "sqs"), ARN.replace(":0", ":"), f"{ARN} x"]),
    "^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+": (
        lambda size: CONSUMER.ljust(size, "7"), [CONSUMER, CONSUMER.replace("stream", "upstream")],
        [ARN, CONSUMER[:-2], CONSUMER[:-3], f"{CONSUMER}x", CONSUMER.replace("/c:", "/é:")]),
}


class Node:
    """A member, or an element, key or value within one."""

    def __init__(self, path, shape, required):
        self.path, self.shape, self.required = path, shape, required

    @property
    def name(self):
        return ".".join(self.path)


def nodes(model, shape, path=()):
    of = model.shapes[shape]
    if of["type"] == "structure":
        for member, inner in of["members"].items():
            required = member in of.get("required", ())
            yield Node(path + (member,), inner["shape"], required)
            yield from nodes(model, inner["shape"], path + (member,))
    elif of["type"] in ("list", "map"):
        for part, step in (("member", ELEMENT), ("key", KEY), ("value", VALUE)):
            if part in of:
                yield Node(path + (step,), of[part]["shape"], False)
                yield from nodes(model, of[part]["shape"], path + (step,))


class Values:
    """Values of shapes, in and out of their bounds."""

    def __init__(self, model):
        self.model = model

    def sample(self, shape):
        of = self.model.shapes[shape]
        if of["type"] == "structure":
            return {member: self.sample(inner["shape"]) for member, inner in of["members"].items()
                    if member in of.get("required", ()) or member in NEEDED}
        if of["type"] in ("list", "map"):
            return self.of_size(shape, 1)
        if "enum" in of:
            return of["enum"][0]
        if "pattern" in of:
            return PATTERNS[of["pattern"]][1][0]
        return {"string": "a", "integer": max(1, of.get("min", 1)), "boolean": True, "blob": b"data",
                "timestamp": api.Time(1_600_000_000_000)}[of["type"]]

    def of_size(self, shape, size):
        """So long, or with so many; texts are as short as their pattern allows if that is longer."""
        of = self.model.shapes[shape]
        if of["type"] == "integer":
            return size
        if of["type"] == "blob":
            return bytes(size)
        if of["type"] == "map":
            item = self.sample(of["value"]["shape"])
            return {f"k{i}": item for i in range(size)}
        if of["type"] == "list":
            element = of["member"]["shape"]
            several = self.model.shapes[element].get("enum")
            return [several[i % len(several)] if several else self.sample(element) for i in range(size)]
        if "pattern" not in of:
            return "a" * size
        return PATTERNS[of["pattern"]][0](size) if size > 0 else ""

    def place(self, shape, value, path, new):
        """A copy of `value` with `new` at the path."""
        if not path:
            return new
        step, rest = path[0], path[1:]
        of = self.model.shapes[shape]
        if value is None:
            value = self.sample(shape)
        if of["type"] == "structure":
            if not rest and new is ABSENT:
                return {member: item for member, item in value.items() if member != step}
            inner = of["members"][step]["shape"]
            return value | {step: self.place(inner, value.get(step), rest, new)}
        if of["type"] == "list":
            return [self.place(of["member"]["shape"], value[0], rest, new)] + value[1:]
        key, item = next(iter(value.items()))
        if step == KEY:
            return {new: item}
        return {key: self.place(of["value"]["shape"], item, rest, new)}

    def cases(self, node):
        """(constraint, its words, values that break it, values at its edge that don't) of a node."""
        of = self.model.shapes[node.shape]
        good = [self.sample(node.shape)]
        if node.path[-1] != KEY:  # a key that is no text is neither JSON nor a map of CBOR
            yield "type", None, WRONG[of["type"]], good
        if node.required:
            yield "required", "Member must not be null", [ABSENT, None], good
        for constraint, words in self.model.constraints(node.shape):
            if constraint == "enum":
                yield constraint, words, ["OTHER", of["enum"][0].lower()], of["enum"]
            elif constraint == "pattern":
                _, matches, others = PATTERNS[of["pattern"]]
                yield constraint, words, others, matches
            else:
                bound = constraint.split()[1]
                edge = of[bound]
                beyond = edge + 1 if bound == "max" else edge - 1
                broken = [] if constraint == "length min" and edge == 0 else [
                    self.of_size(node.shape, beyond)]
                yield constraint, words, broken, [self.of_size(node.shape, edge)]


def formats(new):
    """Megabytes go through two of them: what signing them takes tells nothing new."""
    large = isinstance(new, bytes) and len(new) > 1 << 20
    return api.FORMATS[:2] if large else api.FORMATS


class Checker:
    def __init__(self, model, region_api, coverage):
        self.model, self.api, self.coverage = model, region_api, coverage
        self.values = Values(model)

    def check(self, operation):
        target = Target("missing-made" if operation == "CreateStream" else "missing")
        base = BASES[operation](target)
        shape = self.model.input_of(operation)
        self.taken(operation, "the base", base)
        for node in nodes(self.model, shape):
            for constraint, words, broken, good in self.values.cases(node):
                what = f"{operation} {node.name} {constraint}"
                if not broken:
                    self.coverage.explained(operation, constraint, node.name, NO_LENGTH)
                    continue
                for wrong in broken:
                    value, message = wrong if constraint == "type" else (wrong, None)
                    members = self.values.place(shape, base, node.path, value)
                    if message:
                        self.refused(operation, what, members, "SerializationException", message, value)
                        continue
                    violations = self.model.violations(shape, members)
                    assert any(words in line for line in violations), f"{what}: not broken"
                    self.refused(operation, what, members, "ValidationException",
                                 validation_message(violations), value)
                for value in good:
                    self.taken(operation, what, self.values.place(shape, base, node.path, value), value)
                self.coverage.tested(operation, constraint, node.name)

    def refused(self, operation, what, members, error, message, value):
        for content_type in formats(value):
            answer = self.api.ask(operation, members, content_type)
            if (answer.status, answer.error, answer.message) != (400, error, message):
                self.coverage.wrong(f"{what}, in {content_type}: {answer}\n  instead of {error}: "
                                    f"{message[:1500]}")

    def taken(self, operation, what, members, value=None):
        for content_type in formats(value):
            answer = self.api.ask(operation, members, content_type)
            if answer.error in ("ValidationException", "SerializationException") or (
                    answer.status not in (200, 400)):
                self.coverage.wrong(f"{what}, in {content_type}, at the edge: {answer}")
