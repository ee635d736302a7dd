"""What values become as plain data, which can always be encoded."""

from __future__ import annotations

import msgspec
import pytest

from hermes_router.protocol.serialize import plain

HALF = "\ud83d"


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (f"a {HALF} b", "a \ufffd b"),
        ("a whole \U0001f600", "a whole \U0001f600"),
        ([{HALF: (HALF, 1)}], [{"\ufffd": ["\ufffd", 1]}]),
    ],
)
def test_half_a_character_is_replaced_because_nothing_can_encode_it(
    value: object, data: object
) -> None:
    assert plain(value) == data
    for encoding in (msgspec.json, msgspec.msgpack):
        assert encoding.decode(encoding.encode(plain(value))) == data
