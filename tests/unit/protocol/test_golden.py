"""docs/protocol.md and the bytes of each message: what another worker would be written from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes_router.protocol import messages, template
from hermes_router_worker import __main__ as worker_main
from tests.tools import protocol_page

HOW = "run python -m tests.tools.protocol_page, and raise PROTOCOL_VERSION if bytes changed"
VECTORS = json.loads(protocol_page.VECTORS.read_text("utf-8"))

DECODERS: dict[str, Callable[[bytes], messages.Message]] = {
    "from_worker": messages.decode_from_worker,
    "to_worker": messages.decode_to_worker,
    "from_child": messages.decode_from_child,
    "to_child": messages.decode_to_child,
    "from_template": template.decode_from_template,
    "to_template": template.decode_to_template,
    "to_sandbox": template.decode_to_keeper,
}
ALL = [
    pytest.param(direction, vector, id=f"{direction}-{vector['message']['op']}")
    for direction, listed in VECTORS.items()
    for vector in listed
]


@pytest.mark.parametrize(("direction", "vector"), ALL)
def test_the_bytes_mean_the_message_and_the_message_has_the_bytes(
    direction: str, vector: dict[str, Any]
) -> None:
    data = bytes.fromhex(vector["bytes"])
    message = DECODERS[direction](data)
    assert protocol_page.content(message) == vector["message"]
    assert messages.encode(message) == data


@pytest.mark.parametrize(("direction", "vector"), ALL)
def test_a_field_that_is_not_known_is_refused(direction: str, vector: dict[str, Any]) -> None:
    content = msgspec.msgpack.decode(bytes.fromhex(vector["bytes"]))
    with pytest.raises(msgspec.ValidationError):
        DECODERS[direction](msgspec.msgpack.encode({**content, "unheard_of": 1}))


def test_every_message_of_every_direction_has_its_bytes_written_down() -> None:
    assert protocol_page.vectors() == VECTORS, HOW


def test_the_page_lists_every_message_with_its_fields() -> None:
    page = protocol_page.PAGE.read_text("utf-8")
    assert page == protocol_page.with_tables(page), HOW


def test_the_page_names_every_argument_of_a_worker() -> None:
    page = protocol_page.PAGE.read_text("utf-8")
    source = Path(worker_main.__file__).read_text("utf-8")
    arguments = re.findall(r'add_argument\([^)]*?"(--[a-z-]+)"', source)
    assert len(arguments) > 5
    assert [name for name in arguments if f"`{name}" not in page] == []


def test_the_page_names_every_variable_of_the_project() -> None:
    page = protocol_page.PAGE.read_text("utf-8")
    root = protocol_page.ROOT
    names = {
        name
        for folder in ("hermes_router", "worker/hermes_router_worker")
        for file in (root / folder).rglob("*.py")
        for name in re.findall(r'"(HERMES_ROUTER_[A-Z_]+)"', file.read_text("utf-8"))
    }
    assert len(names) > 3
    assert sorted(name for name in names if f"`{name}`" not in page) == []
