"""What is measured: one module for each figure, listed in `FIGURES` in the order of measuring.

Figures of one setup share a gateway, and are measured in this order: the first turn after its start
has to come first.
"""

from __future__ import annotations

from tests.tools.bench.figures import (
    burst,
    busy_turns,
    first_minute,
    first_turn,
    idle,
    memory,
    neighbour,
    new_session,
    throughput,
    turn_cpu,
    warm_turn,
)
from tests.tools.bench.figures.figure import Figure, Row

FIGURES: tuple[Figure, ...] = (
    first_turn.PREPARED,
    warm_turn.SHIPPED,
    new_session.SHIPPED,
    busy_turns.FIGURE,
    turn_cpu.FIGURE,
    memory.FIGURE,
    warm_turn.PACED,
    warm_turn.UNBATCHED,
    new_session.UNBATCHED,
    throughput.INSTANT,
    throughput.SLOW_MODEL,
    throughput.BUSY,
    burst.FIGURE,
    neighbour.SPIN,
    neighbour.HOLD,
    first_turn.COLD,
    *first_minute.ROUTED,
    *first_minute.DEFAULT,
    first_minute.START,
    first_minute.CATCH_UP,
    *idle.FIGURES,
)

__all__ = ["FIGURES", "Figure", "Row"]
