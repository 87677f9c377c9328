#!/usr/bin/env python3
"""Holds src/ against the rooms of CMakeLists.txt.

- A room includes only from rooms that its USES names, or that those use.
- Threads, sockets, clocks and random devices appear only in io/ and base/ (and in tests).
- ARCHITECTURE.md names every room that there is, and no other, with the rooms that it may use.
`--self-test` plants one violation of each kind and requires that it is found.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BANNED = {
    r"\bstd::j?thread\b": "io::Workers or io::LoopThreads",
    r"this_thread::sleep_(for|until)": "io::Timer",
    r"(system|steady)_clock::now": "io::Clock",
    r"std::random_device": "io::Entropy",
    r"(?<!\w)::(open|socket)\(|\bfopen\(": "io::Disk or io::EventLoop",
}


def named_uses(cmake):
    """Room name → the rooms that its USES names."""
    uses = {}
    for name, rest in re.findall(r"^ *spillway_room\((\w+)([^)]*)\)", cmake, re.MULTILINE):
        named = re.search(r"USES ([\w ]+?)(?= LIBS|$)", rest.strip())
        uses[name] = named.group(1).split() if named else []
    return uses


def rooms_of(cmake):
    """Room name → the rooms that it may include from, itself included."""
    uses = {}
    for name, named in named_uses(cmake).items():
        allowed = {name}
        for room in named:
            if room not in uses:
                raise SystemExit(f"CMakeLists.txt: {name} uses {room}, which doesn't stand above it")
            allowed |= uses[room]
        uses[name] = allowed
    return uses


def violations(cmake, architecture, files):
    """files: path below src/ → text."""
    uses = rooms_of(cmake)
    for path, text in files.items():
        room = path.split("/")[0]
        if room not in uses:
            yield f"src/{path}: no room '{room}' in CMakeLists.txt"
            continue
        for number, line in enumerate(text.splitlines(), 1):
            include = re.match(r'#include "(\w+)/', line)
            if include and include.group(1) in uses and include.group(1) not in uses[room]:
                yield f"src/{path}:{number}: {room} may not include from {include.group(1)}"
            if room in ("base", "io") or re.search(r"_test\.cc$", path):
                continue
            code = line.split("//")[0]
            for pattern, instead in BANNED.items():
                if re.search(pattern, code):
                    yield f"src/{path}:{number}: {pattern} belongs into io/; use {instead}"
    for room in sorted({path.split("/")[0] for path in files}):
        if f"`{room}/`" not in architecture:
            yield f"ARCHITECTURE.md does not name the room {room}/"
    for room, named in named_uses(cmake).items():
        expected = ", ".join(named) or "–"
        row = re.search(rf"^\| `{room}/` \| ([^|]*) \|", architecture, re.MULTILINE)
        if row and row.group(1) != expected:
            yield f"ARCHITECTURE.md: {room}/ may use {expected}, not {row.group(1)}"
    for room in re.findall(r"^\| `(\w+)/`", architecture, re.MULTILINE):
        if not any(path.startswith(room + "/") for path in files):
            yield f"ARCHITECTURE.md names {room}/, which doesn't exist"


def main():
    cmake = (ROOT / "CMakeLists.txt").read_text("utf-8")
    architecture = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    files = {str(p.relative_to(ROOT / "src")): p.read_text("utf-8")
             for p in sorted((ROOT / "src").rglob("*")) if p.suffix in (".cc", ".h")}
    if "--self-test" in sys.argv:
        planted = {"base/x.h": '#include "io/disk.h"\n', "log/x.cc": "std::thread t;\n",
                   "nowhere/x.cc": ""}
        found = list(violations(cmake, "| `gone/` |\n| `log/` | base | |", files | planted))
        for expected in ("base may not include from io", "log/x.cc:1:", "no room 'nowhere'",
                         "does not name the room base/", "names gone/",
                         "log/ may use io, metrics, not base"):
            if not any(expected in line for line in found):
                raise SystemExit(f"self-test: nothing says '{expected}'")
        print("rooms_check: every planted violation was found")
        return
    found = list(violations(cmake, architecture, files))
    for line in found:
        print(line, file=sys.stderr)
    if found:
        raise SystemExit(1)
    print(f"rooms_check: {len(files)} files keep to the rooms")


if __name__ == "__main__":
    main()
