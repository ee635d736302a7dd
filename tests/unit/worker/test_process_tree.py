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
