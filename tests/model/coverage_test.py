"""Every operation, against every constraint of every member of its input and every error that it lists:
generated from the pinned service model, asked of real regions in each of the API's formats.
docs/coverage.md has what was covered, and is held against it.

Usage: coverage_test.py [--write]; the latter renews the page.
"""

import contextlib
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import api  # noqa: E402
import constraints  # noqa: E402
import errors  # noqa: E402
import order  # noqa: E402
import regions  # noqa: E402
import service_model  # noqa: E402
import table  # noqa: E402

PAGE = service_model.ROOT / "docs/coverage.md"


def constraint_cells(model, operations):
    values = constraints.Values(model)
    return {(operation, constraint, node.name) for operation in operations
            for node in constraints.nodes(model, model.input_of(operation))
            for constraint, *_ in values.cases(node)}


def section(operations, by_error, by_constraint):
    return "\n".join([
        "## Operations and errors", "",
        "`✓`: caused, and answered as it has to be. `e`: explained below. `·`: not in the model.", "",
        *by_error.marks(operations), "", f"{by_error.summary()}.", "", *by_error.explanations(), "",
        "## Operations and constraints", "",
        "How many constraints of that kind the members of an operation's input have that were broken "
        "one by one;", "`e`: explained below.", "",
        *by_constraint.counts(operations), "", f"{by_constraint.summary()}.", "",
        *by_constraint.explanations()])


def renew_or_check(text):
    page = PAGE.read_text(encoding="utf-8")
    renewed = table.with_section(page, text)
    if "--write" in sys.argv:
        PAGE.write_text(renewed, encoding="utf-8")
    elif renewed != page:
        raise SystemExit(f"{PAGE} is out of date: renew it with coverage_test.py --write")


def main():
    began = time.monotonic()
    table.self_test()
    model = service_model.load()
    by_constraint = table.Coverage(constraints.COLUMNS)
    by_error = table.Coverage(errors.COLUMNS)
    with contextlib.ExitStack() as stack:
        region = stack.enter_context(regions.configured())
        way = api.Api(region.port)
        operations = sorted(model.operations)
        checker = constraints.Checker(model, way, by_constraint)
        for operation in operations:
            checker.check(operation)
        out_of_order = list(order.check(region.port))
        errors.check(model, operations, by_error, errors.Causes(stack))
    by_constraint.check(constraint_cells(model, operations))
    by_error.check(errors.cells(model, operations))
    text = section(operations, by_error, by_constraint)
    print(text)
    problems = by_error.problems + by_constraint.problems + out_of_order
    if problems:
        raise SystemExit("\n".join(p[:1000] for p in problems))
    renew_or_check(text)
    print(f"coverage: {len(operations)} operations, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
