"""Numbers: what each request gets, and what it may not have."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.model.policy import Cluster
from migrator.model.reference import ResourceRef
from migrator.publishing.node_ports import NumberRequest, allocate_node_ports, static_band_end


def request(name: str, port: int, **more: int | None) -> NumberRequest:
    return NumberRequest(ResourceRef("apps/v1", "Deployment", "shop", name), port, **more)  # type: ignore[arg-type]


def allocate(
    *requests: NumberRequest, taken: Iterable[int] = (), leaving: Iterable[int] = (), **cluster: object
) -> dict[str, int | None]:
    numbers = allocate_node_ports(requests, Cluster(**cluster), taken, frozenset(leaving))  # type: ignore[arg-type]
    return {f"{ref.name}:{port}": number.node_port for (ref, port), number in numbers.items()}


@pytest.mark.parametrize(
    ("port", "number"),
    [
        (1, 30001),
        (80, 30080),
        (2767, 32767),
        (2768, None),
        (9000, None),
        (30000, 30000),
        (32767, 32767),
        (32768, None),
    ],
)
def test_one_port_gets_its_number(port: int, number: int | None) -> None:
    assert allocate(request("web", port)) == {f"web:{port}": number}


@pytest.mark.parametrize(
    ("node_ports", "number"),
    [((20000, 32767), 30080), ((30080, 30080), 30080), ((30081, 32767), None), ((1, 65535), 80)],
)
def test_other_ranges(node_ports: tuple[int, int], number: int | None) -> None:
    assert allocate(request("web", 80), node_ports=node_ports) == {"web:80": number}


def test_what_is_taken_is_passed_over() -> None:
    assert allocate(request("web", 80), taken=[30080], used_node_ports=frozenset((30081,))) == {"web:80": 30082}
    assert allocate(request("web", 2767), taken=[32767]) == {"web:2767": None}
    assert allocate(request("web", 30080), taken=[30080]) == {"web:30080": 30081}


def test_a_leaving_host_port_is_its_own_workloads_only() -> None:
    assert allocate(request("a", 80), request("b", 30080), leaving=[80, 30080]) == {"a:80": 30081, "b:30080": 30080}


def test_the_first_by_name_is_served_first_whatever_the_order() -> None:
    requests = [request("c", 80), request("a", 80), request("b", 81)]
    for order in itertools.permutations(requests):
        assert allocate(*order) == {"a:80": 30080, "b:81": 30081, "c:80": 30082}


def test_pinned_numbers_go_first() -> None:
    assert allocate(request("a", 80), request("b", 443, pinned=30080)) == {"a:80": 30081, "b:443": 30080}


def test_members_stand_in_a_row() -> None:
    assert allocate(request("db", 92, count=3), request("x", 93)) == {"db:92": 30092, "x:93": 30095}
    assert allocate(request("db", 92, count=3), taken=[30093]) == {"db:92": 30094}
    assert allocate(request("db", 92, count=2, first_ordinal=5), taken=[30097]) == {"db:92": 30093}
    assert allocate(request("db", 2766, count=3)) == {"db:2766": None}


def test_a_base_of_several_overlays_gets_no_number() -> None:
    assert allocate(request("web", 80, overlays=2)) == {"web:80": None}
    assert allocate(request("web", 80, overlays=1)) == {"web:80": 30080}


@pytest.mark.parametrize(
    ("node_ports", "end"), [((30000, 32767), 30085), ((30000, 30100), 30015), ((20000, 60000), 20127)]
)
def test_the_static_band(node_ports: tuple[int, int], end: int) -> None:
    assert static_band_end(Cluster(node_ports=node_ports)) == end


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"), st.sampled_from((53, 80, 81, 443, 2767, 9000, 30080, 30081)), st.integers(1, 4)
        ),
        max_size=12,
        unique_by=lambda item: item[:2],
    ),
    st.sets(st.integers(30050, 30100)),
)
def test_no_number_is_given_twice(wanted: list[tuple[str, int, int]], taken: set[int]) -> None:
    requests = [request(name, port, count=count) for name, port, count in wanted]
    numbers = allocate_node_ports(requests, Cluster(), taken)
    given_numbers = [
        number
        for item in requests
        if (first := numbers[(item.workload, item.host_port)].node_port) is not None
        for number in item.numbers(first)
    ]
    assert len(given_numbers) == len(set(given_numbers))
    assert taken.isdisjoint(given_numbers)
    assert all(30000 <= number <= 32767 for number in given_numbers)
