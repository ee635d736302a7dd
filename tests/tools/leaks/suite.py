"""Running the rows: the three sides at the same time, and what wants quiet afterwards."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.tools.leaks.row import Cell, NotApplicableError, ProbeError, Row, State
from tests.tools.leaks.side import Side
from tests.tools.leaks.world import ALL_WARM

Results = dict[str, dict[str, Cell]]
"""Cells by row key and side."""


def run(
    rows: Sequence[Row],
    planted: Sequence[Row],
    obstacles: Mapping[str, str | None],
    progress: Callable[[str], None],
    *,
    warm: int = ALL_WARM,
) -> Results:
    """Probe each row on each side, in homes that hold what all `planted` rows plant.

    `obstacles` has the sides; where one cannot be had, it says why, and its cells too. The router
    prepares workers ahead for `warm` profiles, as it does for eight unless it is told otherwise.
    """
    results: Results = {row.key: {} for row in rows}
    lock = threading.Lock()

    def probe(side: Side, row: Row) -> None:
        cell = _cell(side, row)
        with lock:
            results[row.key][side.name] = cell
        progress(f"{side.name:<10} {row.key:<4} {cell.seconds:5.1f} s  {str(cell)[:150]!r}")

    with ExitStack() as stack:
        sides = []
        for name, obstacle in obstacles.items():
            if obstacle is None:
                sides.append(stack.enter_context(Side(name, planted, warm=warm)))
                progress(f"{name:<10} its gateway runs")
            for row in rows if obstacle is not None else ():
                results[row.key][name] = Cell(State.NOT_APPLICABLE, obstacle or "")
        with ThreadPoolExecutor(len(sides) or 1) as pool:
            list(pool.map(lambda side: _probe_all(probe, side, rows, alone=False), sides))
        for side in sides:
            _probe_all(probe, side, rows, alone=True)
        for side in sides:
            if starts := side.starts():
                progress(f"{side.name:<10} workers: {dict(sorted(starts.items()))}")
    return results


def _probe_all(
    probe: Callable[[Side, Row], None], side: Side, rows: Sequence[Row], *, alone: bool
) -> None:
    for row in rows:
        if row.alone == alone:
            probe(side, row)


def _cell(side: Side, row: Row) -> Cell:
    begun = time.monotonic()
    state, text = State.ISOLATED, ""
    if side.name in row.absent:
        return Cell(State.NOT_APPLICABLE, row.absent[side.name])
    try:
        side.ensure_running()
        text = row.probe(side)
        state = State.LEAKS if text else State.ISOLATED
    except NotApplicableError as why:
        state, text = State.NOT_APPLICABLE, str(why)
    except (ProbeError, TimeoutError) as error:
        state, text = State.FAILED, str(error)
    except Exception:  # noqa: BLE001 - a broken probe must not end the others'
        state, text = State.FAILED, traceback.format_exc()
    return Cell(state, text, time.monotonic() - begun)
