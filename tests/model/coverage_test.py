"""Every operation, against every constraint of every member of its input: generated from the pinned
service model, asked of a real region in each of the API's formats. docs/coverage.md has what was
covered, and is held against it.

Usage: coverage_test.py [--write]; the latter renews the page.
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import api  # noqa: E402
import constraints  # noqa: E402
import raw  # noqa: E402
import service_model  # noqa: E402
import table  # noqa: E402
from region import Region  # noqa: E402

PAGE = service_model.ROOT / "docs/coverage.md"


def configured_region(settings=""):
    """With the key that raw requests are signed by."""
    region = Region()
    config = region.directory / "spillway.toml"
    config.write_text(f'[serve]\n{settings}\n[[serve.keys]]\naccess_key = "{raw.ACCESS_KEY}"\n'
                      f'secret_key = "{raw.SECRET_KEY}"\n')
    region.arguments = ("--config", str(config))
    return region


def offered(model, region_api):
    for operation in sorted(model.operations):
        answer = region_api.ask(operation, {})
        if answer.error == "UnknownOperationException":
            print(f"not offered, so not covered: {operation}")
        else:
            yield operation


def constraint_cells(model, operations):
    values = constraints.Values(model)
    return {(operation, constraint, node.name) for operation in operations
            for node in constraints.nodes(model, model.input_of(operation))
            for constraint, *_ in values.cases(node)}


def section(operations, by_constraint):
    return "\n".join([
        "### Operations and constraints", "",
        "How many constraints of that kind the members of an operation's input have that were broken "
        "one by one;", "`e`: explained below.", "",
        *by_constraint.counts(operations), "", f"{by_constraint.summary()}.", "",
        *by_constraint.explanations()])


def main():
    began = time.monotonic()
    model = service_model.load()
    by_constraint = table.Coverage(constraints.COLUMNS)
    with configured_region() as region:
        region_api = api.Api(region.port)
        operations = list(offered(model, region_api))
        checker = constraints.Checker(model, region_api, by_constraint)
        for operation in operations:
            checker.check(operation)
        by_constraint.check(constraint_cells(model, operations))
        requests = region_api.count
        region_api.close()
        assert region.stop() == 0
    text = section(operations, by_constraint)
    print(text)
    if by_constraint.problems:
        raise SystemExit("\n".join(by_constraint.problems))
    page = PAGE.read_text(encoding="utf-8")
    renewed = table.with_section(page, text)
    if "--write" in sys.argv:
        PAGE.write_text(renewed, encoding="utf-8")
    elif renewed != page:
        raise SystemExit(f"{PAGE} is out of date: renew it with coverage_test.py --write")
    print(f"coverage: {len(operations)} operations, {requests} requests, "
          f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
