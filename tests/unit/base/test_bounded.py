from __future__ import annotations

from hermes_router.base.bounded import BoundedMap


def test_the_oldest_is_forgotten_and_what_is_set_again_is_new() -> None:
    known: BoundedMap[str, int] = BoundedMap(2)
    known["a"] = 1
    known["b"] = 2
    known["a"] = 3
    known["c"] = 4
    assert known == {"a": 3, "c": 4}
