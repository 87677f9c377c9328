#!/usr/bin/env python3
"""Holds the documentation against what it speaks of.

- Links between pages resolve, to a heading too; every page of docs/ can be reached from README.md.
- A path in backticks (`src/…`, `tests/…`, `tools/…`, `docs/…`) exists.
- A page of docs/formats names the files that own the format, and one of them names the page.
- docs/configuration.md has exactly the keys of src/server/config.cc.
`--self-test` plants one violation of each kind and requires that it is found.
"""

import os.path
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATH = re.compile(r"`((?:src|tests|tools|docs|bench|fuzz|cmake)/[\w./-]+)`")


def outside_of_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(text):
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", outside_of_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page, text):
    """(target as written, path from the root, anchor) of every link to another page or file."""
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", outside_of_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        yield target, os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page, anchor


def broken(pages, exists):
    """pages: path → text of each; exists: whether a path below the root does."""
    reached, todo = set(), ["README.md"]
    while todo:
        page = todo.pop()
        if page in reached or page not in pages:
            continue
        reached.add(page)
        for _, path, _ in links(page, pages[page]):
            if exists(path) and path not in pages:  # a folder stands for the page in it
                path = os.path.join(path, "README.md")
            todo.append(path)
    for page, text in pages.items():
        if page.startswith("docs/") and page not in reached:
            yield f"{page}: no link leads here from README.md"
        for target, path, anchor in links(page, text):
            if not exists(path):
                yield f"{page}: the link to {target} leads nowhere"
            elif anchor and path in pages and anchor not in anchors(pages[path]):
                yield f"{page}: {path} has no heading for #{anchor}"
        for path in PATH.findall(outside_of_code(text)):
            if not exists(path.rstrip("/")):
                yield f"{page}: `{path}` does not exist"


def unowned(pages, sources):
    """sources: path → text of each file below src/."""
    for page, text in pages.items():
        if not page.startswith("docs/formats/") or page.endswith("/README.md"):
            continue
        owners = [path for path in PATH.findall(text) if path in sources]
        if not any(page in sources[path] for path in owners):
            yield f"{page}: none of the files that it names ({', '.join(owners)}) names it"
    for path, text in sources.items():
        for page in set(re.findall(r"docs/[\w./-]+\.md", text)):
            if page not in pages:
                yield f"{path}: {page} does not exist"


def untold_tokens(page, sources):
    """Kinds of tokens that the page about them leaves out."""
    for path, text in sources.items():
        for kind in re.findall(r'k\w*Kind = "([\w-]+-\d+)"', text):
            if f"`{kind}`" not in page:
                yield f"docs/formats/tokens.md does not have {kind} ({path})"


def wrong_versions(pages):
    """Rows of docs/formats/README.md whose version isn't that of the page."""
    for name, version in re.findall(r"\]\(([\w-]+\.md)\) \|[^|]*\| (\d+) \|",
                                    pages.get("docs/formats/README.md", "")):
        if f"Version {version}" not in pages.get(f"docs/formats/{name}", ""):
            yield f"docs/formats/README.md says version {version} of {name}, which doesn't"


def undocumented(config, page):
    keys = set(re.findall(r'\.name = "([\w.]+)"', config))
    documented = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    for key in sorted(keys - documented):
        yield f"docs/configuration.md does not have {key}"
    for key in sorted(documented - keys):
        yield f"docs/configuration.md has {key}, which does not exist"


def self_test():
    sources = {"src/log/a.h": "// docs/formats/gone.md"}
    pages = {"README.md": "[a](docs/a.md#nothing) [b](docs/none.md)", "docs/a.md": "# Head\n`src/none.cc`",
             "docs/alone.md": "", "docs/formats/b.md": "`src/log/a.h` Version 2",
             "docs/formats/README.md": "| [b](b.md) | there | 1 |"}
    found = [*broken(pages, lambda path: path in pages or path == "src/log/a.h"),
             *unowned(pages, sources),
             *untold_tokens("`kept-1`", {"src/x.cc": 'kOne = "kept-1" kTokenKind = "new-1"'}),
             *wrong_versions(pages),
             *undocumented('{.name = "a.one"}', "| `a.two` | x |")]
    for expected in ("README.md: the link to docs/none.md leads nowhere",
                     "README.md: docs/a.md has no heading for #nothing",
                     "docs/a.md: `src/none.cc` does not exist",
                     "docs/alone.md: no link leads here from README.md",
                     "docs/formats/b.md: none of the files that it names (src/log/a.h) names it",
                     "src/log/a.h: docs/formats/gone.md does not exist",
                     "docs/formats/tokens.md does not have new-1 (src/x.cc)",
                     "docs/formats/README.md says version 1 of b.md, which doesn't",
                     "docs/configuration.md does not have a.one",
                     "docs/configuration.md has a.two, which does not exist"):
        if expected not in found:
            raise SystemExit(f"self-test: nothing says '{expected}', but {found}")
    print("docs_check: every planted violation was found")


def main():
    if "--self-test" in sys.argv:
        self_test()
        return
    pages = {str(path.relative_to(ROOT)): path.read_text("utf-8")
             for path in [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]}
    sources = {str(path.relative_to(ROOT)): path.read_text("utf-8")
               for path in sorted((ROOT / "src").rglob("*")) if path.suffix in (".cc", ".h")}
    found = [*broken(pages, lambda path: (ROOT / path).exists()), *unowned(pages, sources),
             *untold_tokens(pages["docs/formats/tokens.md"], sources), *wrong_versions(pages),
             *undocumented(sources["src/server/config.cc"], pages["docs/configuration.md"])]
    for line in found:
        print(line, file=sys.stderr)
    if found:
        raise SystemExit(1)
    print(f"docs_check: {len(pages)} pages hold")


if __name__ == "__main__":
    main()
