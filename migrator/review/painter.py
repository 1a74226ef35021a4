"""Columns and sentences for a terminal: aligned, wrapped, coloured there alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

SHOWN = 200
"""Rows of a table that text shows; JSON shows all."""


class Painter:
    """Colours words on a terminal; on anything else it leaves them as they are."""

    def __init__(self, colour: bool, width: int) -> None:
        self.colour = colour
        self.width = max(width, 60)

    def paint(self, text: str, style: str) -> str:
        """Colour a text: bold, dim, red, green, yellow, cyan."""
        codes = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
        return f"\033[{codes[style]}m{text}\033[0m" if self.colour and text else text

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Write rows in aligned columns; on a terminal as rich draws tables."""
        shown = [header, *rows[:SHOWN]]
        widths = [max(len(row[column]) for row in shown) for column in range(len(header))]
        if self.colour:
            fits = sum(widths) + 3 * len(widths) <= self.width
            yield from self._draw(header, rows) if fits else self._stack(header, rows)
            return
        for row in shown:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        yield from self.say_rest(rows)

    def _draw(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in header:
            table.add_column(name, overflow="fold")
        for row in rows[:SHOWN]:
            table.add_row(*(Text(cell) for cell in row))
        console = Console(width=self.width, force_terminal=True)
        with console.capture() as capture:
            console.print(table)
        yield from capture.get().rstrip("\n").split("\n")
        yield from self.say_rest(rows)

    def _stack(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Write rows that are wider than the terminal below what they are about, which is named once."""
        yield self.paint(f"{header[0]}: {', '.join(header[1:])}", "dim")
        named = None
        for first, *others in rows[:SHOWN]:
            if first != named:
                yield self.paint(first, "cyan")
                named = first
            yield from self.wrap("  ".join(cell for cell in others if cell), "      ", "    ")
        yield from self.say_rest(rows)

    def say_rest(self, rows: Sequence[object]) -> Iterator[str]:
        """Say how many rows are not shown."""
        if len(rows) > SHOWN:
            yield f"… and {len(rows) - SHOWN} more; -o json lists all"

    def wrap(self, text: str, indent: str, first: str | None = None) -> list[str]:
        """Wrap a sentence below its heading."""
        return textwrap.wrap(
            text,
            width=min(self.width, 110),
            initial_indent=indent if first is None else first,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
