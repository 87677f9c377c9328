"""The pinned service model of Kinesis, with what AWS has added since and what is Spillway's own, and what
its shapes allow.
"""

import gzip
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "build/model/botocore/data/kinesis/2013-12-02/service-2.json.gz"
SHOWN_MAX = 1024  # bytes of a value that a message repeats

# What AWS has added since the pinned model, from the Node SDK's of September 2026: members, what they
# are, what is no longer required, and an operation.
DRY_RUN = ("PutRecordInput", "PutRecordsInput", "GetRecordsInput", "GetShardIteratorInput",
           "SubscribeToShardInput")
ADDED_MEMBERS = [(name, "DryRun", "BooleanObject") for name in DRY_RUN] + [
    (name, "RecordDistributionStrategy", "RecordDistributionStrategy")
    for name in ("CreateStreamInput", "StreamDescriptionSummary")]
# What is Spillway's own, and no part of Kinesis: docs/formats/origin.md.
OWN_MEMBERS = [("PutRecordInput", "Origin", "Origin"), ("PutRecordsRequestEntry", "Origin", "Origin")]
OWN_SHAPES = {
    "Origin": {"type": "structure", "required": ["Producer", "Lane", "Sequence", "Previous"],
               "members": {"Producer": {"shape": "Producer"}, "Lane": {"shape": "Lane"},
                           "Sequence": {"shape": "OriginSequence"},
                           "Previous": {"shape": "OriginPrevious"}}},
    "Producer": {"type": "string", "min": 32, "max": 32, "pattern": "[0-9a-f]{32}"},
    "Lane": {"type": "integer", "min": 0, "max": 255},
    "OriginSequence": {"type": "string", "pattern": "[1-9]\\d{0,18}"},
    "OriginPrevious": {"type": "string", "pattern": "0|([1-9]\\d{0,18})"},
}
ADDED_SHAPES = {
    "RecordDistributionStrategy": {"type": "string", "enum": ["AUTO", "USER_PARTITION_KEY"]},
    "DryRunOperationException": {"type": "structure", "exception": True},
    "UpdateStreamRecordDistributionStrategyInput": {
        "type": "structure", "required": ["StreamARN", "RecordDistributionStrategy"],
        "members": {"StreamARN": {"shape": "StreamARN"}, "StreamId": {"shape": "StreamId"},
                    "RecordDistributionStrategy": {"shape": "RecordDistributionStrategy"}}},
}
NO_LONGER_REQUIRED = [("PutRecordInput", "PartitionKey"), ("PutRecordsRequestEntry", "PartitionKey")]
ADDED_OPERATIONS = {"UpdateStreamRecordDistributionStrategy": {
    "input": {"shape": "UpdateStreamRecordDistributionStrategyInput"},
    "errors": [{"shape": name} for name in (
        "AccessDeniedException", "InvalidArgumentException", "LimitExceededException",
        "ResourceInUseException", "ResourceNotFoundException", "ValidationException")]}}


def with_additions(model):
    """The model with what is newer, and what is our own. Whatever it has by itself once a newer one is pinned is an error."""
    for name, shape in (ADDED_SHAPES | OWN_SHAPES).items():
        assert name not in model["shapes"], f"the model has {name} by itself now"
        model["shapes"][name] = shape
    for name, member, shape in ADDED_MEMBERS + OWN_MEMBERS:
        assert member not in model["shapes"][name]["members"], f"the model has {name}.{member} now"
        model["shapes"][name]["members"][member] = {"shape": shape}
    for name, member in NO_LONGER_REQUIRED:
        model["shapes"][name]["required"].remove(member)
    for name, operation in ADDED_OPERATIONS.items():
        assert name not in model["operations"], f"the model has {name} by itself now"
        model["operations"][name] = operation
    for name in DRY_RUN:
        operation = model["operations"][name.removesuffix("Input")]
        operation["errors"].append({"shape": "DryRunOperationException"})
    return model


def document():
    """The model as it is written, with the additions."""
    if not MODEL.is_file():
        raise SystemExit(f"{MODEL} is not there: tools/test installs it")
    return with_additions(json.loads(gzip.decompress(MODEL.read_bytes())))


def load():
    return Model(document())


def lower_camel(name):
    return name[:1].lower() + name[1:]


def shown(value):
    """As Java prints it; lists of structures as Spillway does."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            return "[…]"
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(key)}={shown(item)}" for key, item in value.items()) + "}"
    return str(value)


def cut(text):
    return text.encode()[:SHOWN_MAX].decode(errors="ignore")


class Model:
    def __init__(self, document):
        self.operations, self.shapes = document["operations"], document["shapes"]

    def input_of(self, operation):
        return self.operations[operation]["input"]["shape"]

    def errors_of(self, operation):
        return [error["shape"] for error in self.operations[operation].get("errors", [])]

    def kind(self, name):
        return self.shapes[name]["type"]

    def constraints(self, name):
        """(constraint, the API's words for it) of a shape by itself, in the API's order."""
        shape = self.shapes[name]
        number = shape["type"] in ("integer", "long")
        what = "value" if number else "length"
        if "pattern" in shape:
            yield "pattern", f"Member must satisfy regular expression pattern: {shape['pattern']}"
        if "enum" in shape:
            yield "enum", f"Member must satisfy enum value set: [{', '.join(shape['enum'])}]"
        if "max" in shape:
            yield f"{what} max", f"Member must have {what} less than or equal to {shape['max']}"
        if "min" in shape:
            yield f"{what} min", f"Member must have {what} greater than or equal to {shape['min']}"

    def satisfies(self, name, constraint, value):
        shape = self.shapes[name]
        if constraint == "pattern":
            return re.fullmatch(shape["pattern"], value, re.ASCII) is not None
        if constraint == "enum":
            return value in shape["enum"]
        if isinstance(value, str):  # Java counts UTF-16 units
            size = len(value.encode("utf-16-le")) // 2
        else:
            size = value if isinstance(value, int) else len(value)
        return size <= shape["max"] if constraint.endswith("max") else size >= shape["min"]

    def broken(self, name, value):
        return [words for constraint, words in self.constraints(name)
                if not self.satisfies(name, constraint, value)]

    def violations(self, name, value, path=""):
        """What the API has to say of a value, one by one: from the model alone."""
        def line(words, at=path, of=value):
            text = "null" if of is None else f"'{cut(shown(of))}'"
            return f"Value {text} at '{at}' failed to satisfy constraint: {words}"
        shape = self.shapes[name]
        found = [line(words) for words in self.broken(name, value)]
        if shape["type"] == "structure":
            for member, of in shape["members"].items():
                at = f"{path}.{lower_camel(member)}" if path else lower_camel(member)
                if value.get(member) is not None:
                    found += self.violations(of["shape"], value[member], at)
                elif member in shape.get("required", ()):
                    found.append(line("Member must not be null", at, None))
        if shape["type"] == "list":
            element = shape["member"]["shape"]
            if self.kind(element) == "structure":
                for index, item in enumerate(value):
                    found += self.violations(element, item, f"{path}.{index + 1}.member")
            elif any(self.broken(element, item) for item in value):
                found.append(line(f"Member must satisfy constraint: [{self.all_words(element)}]"))
        if shape["type"] == "map":
            for part, items, words in (("key", value.keys(), "Map keys"),
                                       ("value", value.values(), "Map value")):
                of = shape[part]["shape"]
                if any(self.broken(of, item) for item in items):
                    found.append(line(f"{words} must satisfy constraint: [{self.all_words(of)}]"))
        return found

    def all_words(self, name):
        return ", ".join(words for _, words in self.constraints(name))


def validation_message(violations):
    told = violations[:10]
    return f"{len(told)} validation error{'s' * (len(told) > 1)} detected: {'; '.join(told)}"
