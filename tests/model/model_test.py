"""Holds the tables of src/wire/kinesis_shapes.cc, the list of operations and the errors against the
service model: every operation, member, requirement, type, bound, pattern and enum, both ways.

Usage: model_test.py SHAPES_DUMP. It then changes every single thing in the tables, one at a time, and
requires that each change is noticed.
"""

import copy
import json
import subprocess
import sys

import service_model

# Errors that AWS gives for every service and that no model lists.
COMMON = {"SerializationException", "UnknownOperationException", "ValidationException"}
CONSTRAINTS = ("type", "min", "max", "pattern", "enum")


def compare(table, name, model, path):
    """What differs between a table's shape and the model's shape of that name."""
    shape = model["shapes"][name]
    for constraint in CONSTRAINTS:
        ours, theirs = table.get(constraint), shape.get(constraint)
        if constraint == "type" and theirs == "long":
            theirs = "integer"
        if ours != theirs:
            yield f"{path}: {constraint} is {ours!r}, in the model {theirs!r}"
    ours, theirs = set(table.get("required", ())), set(shape.get("required", ()))
    if ours != theirs:
        yield f"{path}: requires {sorted(ours)}, in the model {sorted(theirs)}"
    ours, theirs = table.get("members", {}), shape.get("members", {})
    for member in sorted(ours.keys() ^ theirs.keys()):
        yield f"{path}.{member}: only in the {'table' if member in ours else 'model'}"
    for member in ours.keys() & theirs.keys():
        yield from compare(ours[member], theirs[member]["shape"], model, f"{path}.{member}")
    for part in ("member", "key", "value"):
        if (part in table) != (part in shape):
            yield f"{path}: {part} is only in the {'table' if part in table else 'model'}"
        elif part in table:
            yield from compare(table[part], shape[part]["shape"], model, f"{path}.{part}")


def differences(dump, model):
    ours, theirs = dump["operations"], model["operations"]
    for name in sorted(ours.keys() ^ theirs.keys()):
        yield f"operation {name}: only in the {'list' if name in ours else 'model'}"
    allowed = set()
    for name in ours.keys() & theirs.keys():
        if ours[name]["input"] is None:
            yield f"operation {name}: no input"
            continue
        yield from compare(ours[name]["input"], theirs[name]["input"]["shape"], model, name)
        if ours[name]["offered"]:
            allowed |= {error["shape"] for error in theirs[name]["errors"]}
    for name in sorted(allowed - dump["errors"].keys()):
        yield f"error {name}: of offered operations, but unknown here"
    for name, error in dump["errors"].items():
        shape = model["shapes"].get(name)
        if name not in COMMON and (name not in allowed or not shape.get("exception")):
            yield f"error {name}: the model gives it to no offered operation"
        fault = bool(shape and shape.get("fault"))
        if error["status"] != (500 if fault else 400):
            yield f"error {name}: status {error['status']}"
        text = "Message" if name == "SerializationException" else "message"
        if error["body"] != {"__type": name, text: "text"}:
            yield f"error {name}: answers {error['body']}"


def changes(value, at=()):
    """Every path to a thing of the dump that can be changed, and the changed thing (None: left out)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner != {}:  # an input without members may as well say none
                yield at + (key,), None
            yield from changes(inner, at + (key,))
    elif isinstance(value, list):
        yield at, value + ["Another"]
        if len(value) > 1:
            yield at, value[1:]
    elif isinstance(value, bool):
        return  # whether an operation is offered is what this build decides
    elif isinstance(value, int):
        yield at, value + 1
        yield at, value - 1
    elif isinstance(value, str):
        yield at, value + "x"


def changed(dump, path, new):
    other = copy.deepcopy(dump)
    inner = other
    for key in path[:-1]:
        inner = inner[key]
    if new is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return other


def check_that_changes_are_noticed(dump, model):
    count = 0
    for path, new in changes(dump):
        # What the comparison itself steers by is not a thing of a table.
        if new is None and (path[-1] in ("offered", "input", "status", "body") or len(path) == 1):
            continue
        if new is None and path[0] == "errors" and path[1] in COMMON and len(path) == 2:
            continue
        other = changed(dump, path, new)
        if not any(True for _ in differences(other, model)):
            raise SystemExit(f"nothing notices that {'.'.join(path)} becomes {new!r}")
        count += 1
    if count < 500:
        raise SystemExit(f"only {count} changes were tried")
    return count


def main():
    model = service_model.document()
    dump = json.loads(subprocess.run([sys.argv[1]], check=True, stdout=subprocess.PIPE).stdout)
    found = list(differences(dump, model))
    for line in found:
        print(line, file=sys.stderr)
    if found:
        raise SystemExit(1)
    tried = check_that_changes_are_noticed(dump, model)
    offered = sum(operation["offered"] for operation in dump["operations"].values())
    print(f"service model: {len(dump['operations'])} operations ({offered} offered), "
          f"{len(dump['errors'])} errors: as in the model; {tried} changes of the tables: all noticed")


if __name__ == "__main__":
    main()
