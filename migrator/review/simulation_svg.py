"""A simulation as a picture: nodes with their pods and ports, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.review.simulation import group_losses, shorten, summarize, write_node_port, write_port
from migrator.simulation.simulate import NodeState, Simulation, State
from migrator.templates import read_part, render_template

COLUMNS = 4
CARD = 226
GAP = 12
WIDTH = COLUMNS * CARD + (COLUMNS - 1) * GAP
PADDING = 10
POD = 11
CHIP_HEIGHT = 18
CHARACTER = 6.7
"""Width of a character of a chip's text, in the picture's units."""

MOST_NODES = 24
MOST_PODS = 48
MOST_CHIPS = 8
COLOURS = 8


@record
class Mark:
    """A pod: its place in a card, and the number of its workload's colour; 0 is any other's."""

    x: float
    y: float
    colour: int
    title: str


@record
class Chip:
    """A port: its place in a card, its text, and whether it is a host port or a node port."""

    x: float
    y: float
    width: float
    text: str
    kind: str
    title: str


@record
class Card:
    """A node, or the pods that have none: its place in the picture and what stands in it."""

    x: float
    y: float
    height: float
    name: str
    note: str
    pods: tuple[Mark, ...]
    chips: tuple[Chip, ...]
    pending: bool = False


@record
class Panel:
    """One side of the picture."""

    y: float
    title: str
    summary: str
    cards: tuple[Card, ...]
    more: str
    bottom: float


def render_simulation_svg(simulation: Simulation, styled: bool = True) -> str:
    """Draw a simulation as an SVG element, for a file of its own or for a page.

    A page whose policy allows no other style than its own takes it without (`styled`), and has simulation.css itself.
    """
    colours = _choose_colours(simulation)
    before = _lay_out("Before", simulation.before, colours, 0)
    after = _lay_out("After", simulation.after, colours, before.bottom + 2 * GAP)
    legend = [(str(ref), colour) for ref, colour in colours.items() if colour]
    if len(legend) < len(colours):
        legend.append((f"{len(colours) - len(legend)} other workload(s)", 0))
    sides = (("Before", simulation.before), ("After", simulation.after))
    return render_template(
        "simulation.svg.j2",
        style=read_part("simulation.css") if styled else "",
        width=WIDTH,
        height=after.bottom + 26 + 18 * ((len(legend) + 1) // 2),
        panels=(before, after),
        legend=legend,
        card_width=CARD,
        pod=POD,
        chip_height=CHIP_HEIGHT,
        description=" ".join(f"{name} the plan: {summarize(state)}." for name, state in sides),
    )


def render_simulation_page(simulation: Simulation) -> str:
    """Write a simulation as one self-contained page: the picture, and what is wrong on either side."""
    return render_template(
        "simulation.html.j2",
        picture=render_simulation_svg(simulation),
        sides=(("Before", simulation.before), ("After", simulation.after)),
        summarize=summarize,
        group_losses=group_losses,
        shorten=shorten,
        write_port=write_port,
        write_node_port=write_node_port,
    )


def _choose_colours(simulation: Simulation) -> Mapping[ResourceRef, int]:
    """Number the workloads; those that hold ports or wait on either side come first."""
    refs: dict[ResourceRef, None] = {}
    for state in (simulation.before, simulation.after):
        refs.update(dict.fromkeys(item.resource for item in state.pending))
        refs.update(dict.fromkeys(use.resource for node in state.nodes for use in node.host_ports))
    for state in (simulation.before, simulation.after):
        refs.update(dict.fromkeys(ref for node in state.nodes for ref, _ in node.pods))
    return {ref: number if number <= COLOURS else 0 for number, ref in enumerate(refs, 1)}


def _lay_out(title: str, state: State, colours: Mapping[ResourceRef, int], top: float) -> Panel:
    shown = state.nodes[:MOST_NODES]
    cards = [_draw_node(node, colours) for node in shown]
    if state.pending:
        cards.append(_draw_pending(state, colours))
    placed: list[Card] = []
    y = top + 46
    for start in range(0, len(cards), COLUMNS):
        row = cards[start : start + COLUMNS]
        height = max(card.height for card in row)
        placed += [
            Card(column * (CARD + GAP), y, height, card.name, card.note, card.pods, card.chips, card.pending)
            for column, card in enumerate(row)
        ]
        y += height + GAP
    hidden = len(state.nodes) - len(shown)
    more = f"and {hidden} more nodes" if hidden else ""
    return Panel(top, title, summarize(state), tuple(placed), more, y + (18 if more else 0))


def _draw_node(node: NodeState, colours: Mapping[ResourceRef, int]) -> Card:
    names = [(ref, colours[ref]) for ref, count in node.pods for _ in range(count)]
    pods, bottom = _draw_pods(names)
    host = {
        write_port(use.host_port, use.protocol, use.host_ip): f"host port of {use.resource}"
        for use in node.host_ports
    }
    open_ports = {write_node_port(port): f"node port of {port.service}" for port in node.node_ports}
    chips = [*_list_chips(host, "host"), *_list_chips(open_ports, "node")]
    drawn, bottom = _draw_chips(chips, bottom)
    return Card(0, 0, bottom + PADDING, node.name, _count_pods(len(names)), pods, drawn)


def _draw_pending(state: State, colours: Mapping[ResourceRef, int]) -> Card:
    names = [(item.resource, colours[item.resource]) for item in state.pending for _ in range(item.count)]
    pods, bottom = _draw_pods(names)
    return Card(0, 0, bottom + PADDING, "Pending", _count_pods(len(names)), pods, (), pending=True)


def _count_pods(count: int) -> str:
    return f"{count} pod{'' if count == 1 else 's'}"


def _draw_pods(names: Sequence[tuple[ResourceRef, int]]) -> tuple[tuple[Mark, ...], float]:
    """Draw pods in rows below a card's name; give the lower end."""
    per_row = (CARD - 2 * PADDING) // (POD + 3)
    marks = tuple(
        Mark(PADDING + position % per_row * (POD + 3), 32 + position // per_row * (POD + 3), colour, str(ref))
        for position, (ref, colour) in enumerate(names[:MOST_PODS])
    )
    rows = -(-len(marks) // per_row)
    return marks, 32 + rows * (POD + 3)


def _list_chips(texts: Mapping[str, str], kind: str) -> Iterator[tuple[str, str, str]]:
    for text, title in list(texts.items())[:MOST_CHIPS]:
        yield text, kind, title
    rest = list(texts)[MOST_CHIPS:]
    if len(rest) == 1:
        yield rest[0], kind, texts[rest[0]]
    elif rest:
        yield f"+{len(rest)}", kind, ", ".join(rest)


def _draw_chips(chips: Iterable[tuple[str, str, str]], top: float) -> tuple[tuple[Chip, ...], float]:
    """Draw ports in lines, host ports and node ports apart; give the lower end."""
    drawn: list[Chip] = []
    x, y, last = float(PADDING), top + 6, ""
    for text, kind, title in chips:
        width = round(len(text) * CHARACTER + 12, 1)
        if drawn and (x + width > CARD - PADDING or kind != last):
            x, y = float(PADDING), y + CHIP_HEIGHT + 5
        drawn.append(Chip(x, y, width, text, kind, title))
        x, last = x + width + 5, kind
    return tuple(drawn), y + CHIP_HEIGHT if drawn else top
