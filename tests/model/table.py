"""What was tested and what is only explained, as tables for people; and what went wrong."""

import re

BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"
EXPLAINED_MAX = 0.05  # of the cells of each table


class Coverage:
    """Of one table: its cells are (operation, column, place within that)."""

    def __init__(self, columns):
        self.columns = columns
        self.done, self.reasons, self.problems = set(), {}, []

    def tested(self, operation, column, place=""):
        self.done.add((operation, column, place))

    def explained(self, operation, column, place, reason):
        self.reasons[operation, column, place] = reason

    def wrong(self, problem):
        self.problems.append(problem)

    def check(self, cells):
        """`cells`: what there is to test."""
        for cell in sorted(cells - self.done - self.reasons.keys()):
            self.wrong(f"{' '.join(cell)}: neither tested nor explained")
        for cell in sorted(self.done & self.reasons.keys()):
            self.wrong(f"{' '.join(cell)}: explained, and tested all the same")
        for cell in sorted((self.done | self.reasons.keys()) - cells):
            self.wrong(f"{' '.join(cell)}: not in the model")
        if len(self.reasons) > EXPLAINED_MAX * len(cells):
            self.wrong(f"{len(self.reasons)} of {len(cells)} cells are explained: more than "
                       f"{EXPLAINED_MAX:.0%}")

    def summary(self):
        total = len(self.done) + len(self.reasons)
        return (f"{len(self.done)} of {total} tested, {len(self.reasons)} explained "
                f"({len(self.reasons) / total:.1%})")

    def explanations(self):
        """The reasons, each with the cells that it is for."""
        for reason in sorted(set(self.reasons.values())):
            cells = [f"{operation} {place or column}" for (operation, column, place), why
                     in sorted(self.reasons.items()) if why == reason]
            yield f"- {reason}: {', '.join(cells)}."

    def counts(self, operations):
        """A table that counts: `3`, or `3 + 1 e` where one more is explained."""
        yield "| operation | " + " | ".join(self.columns) + " |"
        yield "| --- |" + " --- |" * len(self.columns)
        for operation in operations:
            row = []
            for column in self.columns:
                done = sum(cell[:2] == (operation, column) for cell in self.done)
                said = sum(cell[:2] == (operation, column) for cell in self.reasons)
                row.append(" + ".join([str(done)] * (done > 0) + [f"{said} e"] * (said > 0)) or "·")
            yield f"| {operation} | " + " | ".join(row) + " |"

    def marks(self, operations):
        """A table of single cells: ✓ tested, e explained, · not in the model. `columns` has its heads."""
        yield "| operation | " + " | ".join(self.columns.values()) + " |"
        yield "| --- |" + " --- |" * len(self.columns)
        for operation in operations:
            row = ["✓" if (operation, column, "") in self.done else
                   "e" if (operation, column, "") in self.reasons else "·" for column in self.columns]
            yield f"| {operation} | " + " | ".join(row) + " |"


def self_test():
    """Each thing that may be wrong with what was covered is noticed."""
    cells = {("Operation", "error", str(i)) for i in range(100)}

    def problems(explained, left_out=0, tested_too=0, unknown=0):
        coverage = Coverage(())
        ordered = sorted(cells)
        for cell in ordered[:explained]:
            coverage.explained(*cell, "why")
        for cell in ordered[explained - tested_too:100 - left_out]:
            coverage.tested(*cell)
        for i in range(unknown):
            coverage.tested("Operation", "another error", str(i))
        coverage.check(cells)
        return len(coverage.problems)
    assert problems(explained=5) == 0
    assert problems(explained=6) == 1
    assert problems(explained=5, left_out=2) == 2
    assert problems(explained=5, tested_too=2) == 2
    assert problems(explained=5, unknown=2) == 2


def with_section(page, text):
    """The page with `text` between the marks."""
    assert BEGIN in page and END in page, "the page has no marks"
    return re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL)
