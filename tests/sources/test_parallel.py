"""Work shared among processes: each task once, results in order, the first failure told."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from migrator.errors import InputError, MigratorError
from migrator.parallel import can_fork, map_in_processes

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes cannot be forked here")


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 25_000])
def test_results_come_in_the_order_of_tasks(jobs: int, count: int) -> None:
    assert map_in_processes(lambda task: task * 2, range(count), jobs) == [task * 2 for task in range(count)]


def test_each_task_is_done_once(tmp_path: Path) -> None:
    def leave_mark(task: int) -> int:
        with (tmp_path / str(task)).open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.001)
        return task

    map_in_processes(leave_mark, range(40), 3)
    marks = [(tmp_path / str(task)).read_text().split() for task in range(40)]
    assert all(len(mark) == 1 for mark in marks)
    assert len({mark[0] for mark in marks}) == 3


def test_who_is_done_takes_the_next(tmp_path: Path) -> None:
    """The first task ends when all others are done, so others have to do these."""

    def wait_for_others(task: int) -> int:
        if task:
            (tmp_path / str(task)).touch()
        while not task and len(list(tmp_path.iterdir())) < 9:
            time.sleep(0.001)
        return os.getpid()

    done_by = map_in_processes(wait_for_others, range(10), 2)
    assert done_by[0] not in done_by[1:]
    assert len(set(done_by[1:])) == 1


def test_the_first_failure_is_told_whoever_met_it() -> None:
    def fail(task: int) -> int:
        time.sleep(0.001 * (5 - task % 5))
        if task >= 3:
            raise InputError(f"{task}.yaml", "is wrong")
        return task

    for jobs in (1, 2, 4):
        with pytest.raises(InputError, match=r"^3\.yaml: is wrong"):
            map_in_processes(fail, range(20), jobs)


def test_a_process_that_ends_without_a_word_is_told() -> None:
    parent = os.getpid()

    def end(task: int) -> int:
        if os.getpid() != parent:
            os._exit(9)
        time.sleep(0.05)
        return task

    with pytest.raises(MigratorError, match="ended before its work was done"):
        map_in_processes(end, range(4), 2)
