"""What the kernel says of a tree of processes, while some of them end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

import pytest

from hermes_router_worker.process import process_tree


def test_the_children_of_a_process_are_listed() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in (process_tree.children_of(os.getpid()) or [])


def test_a_process_that_ends_while_it_is_looked_at_has_no_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(_path: str) -> NoReturn:
        raise ProcessLookupError(3, "No such process")

    monkeypatch.setattr(os, "listdir", gone)
    assert process_tree.children_of(os.getpid()) == []


def test_a_thread_that_ends_while_it_is_looked_at_hides_no_child_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = os.listdir("/proc/self/task")
    monkeypatch.setattr(os, "listdir", lambda _path: [*threads, "999999999"])
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in (process_tree.children_of(os.getpid()) or [])


def test_a_kernel_that_lists_no_children_is_told_from_one_that_has_none_to_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "listdir", lambda _path: ["999999999"])
    assert process_tree.children_of(os.getpid()) == []
    monkeypatch.setattr(process_tree, "has_children_files", lambda: False)
    assert process_tree.children_of(os.getpid()) is None
