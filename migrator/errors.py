"""What can be wrong with what a person gives to migrator, each with its place and what to do about it."""

from __future__ import annotations


class MigratorError(Exception):
    """Trouble that ends a run with exit code 2: bad input, bad policy, stale plan."""


class TextError(MigratorError):
    """A text that cannot be read: `index` counts code points from the start of that text."""

    def __init__(self, problem: str, index: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.index = index


class InputError(MigratorError):
    """A file that cannot be used, with the place in it and what to do.

    `line` and `column` count from 1; None where the file as a whole is meant.
    """

    def __init__(
        self, path: str, problem: str, *, line: int | None = None, column: int | None = None, hint: str = ""
    ) -> None:
        self.path = path
        self.problem = problem
        self.line = line
        self.column = column
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        place = self.path
        if self.line is not None:
            place += f":{self.line}"
            if self.column is not None:
                place += f":{self.column}"
        return f"{place}: {self.problem}" + (f"\n  {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel from the reading processes to the one that reports them.
        return _rebuild_input_error, (self.path, self.problem, self.line, self.column, self.hint)


def _rebuild_input_error(path: str, problem: str, line: int | None, column: int | None, hint: str) -> InputError:
    return InputError(path, problem, line=line, column=column, hint=hint)


class PolicyError(MigratorError):
    """A policy, option or plan file that cannot be used."""
