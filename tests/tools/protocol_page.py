"""`python -m tests.tools.protocol_page`: write docs/protocol.md's tables and the golden vectors.

Both come from the structs that the two sides share. A vector that changes means that a peer of
the old code does not understand the new one: `PROTOCOL_VERSION` goes up with it.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.profiles.model import INHERITED_NAMES
from hermes_router.protocol import limits, messages, template
from hermes_router.protocol.framing import MAX_FRAME_BYTES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol.md"
VECTORS = ROOT / "tests" / "unit" / "protocol" / "vectors.json"
BEGIN = "<!-- messages: written by `python -m tests.tools.protocol_page` -->\n"
END = "<!-- end of messages -->\n"

#: Each direction: its key in the vectors, its title on the page, and what may be sent.
DIRECTIONS: dict[str, tuple[str, Any]] = {
    "from_worker": ("Worker to gateway", messages.FromWorker),
    "to_worker": ("Gateway to worker", messages.ToWorker),
    "from_child": ("A worker's own process to the worker", messages.FromChild),
    "to_child": ("Worker to a process of its own", messages.ToChild),
    "from_template": ("Template or sandbox to gateway", template.FromTemplate),
    "to_template": ("Gateway to template", template.Fork),
    "to_sandbox": ("Gateway to sandbox", template.Spawn),
}
#: What messages hold.
PARTS = (
    messages.FileRef,
    messages.Place,
    messages.DeliveryScope,
    messages.DeliveredText,
    messages.Sticker,
)


def main() -> int:
    """Write both."""
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", "utf-8")
    return 0


def members(union: Any) -> tuple[type[messages.Message], ...]:
    """Return the messages of a direction."""
    return typing.get_args(union) or (union,)


# -- the page ------------------------------------------------------------------------------------


def with_tables(page: str) -> str:
    """Return the page's text with the tables as they must be."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{tables()}\n{END}{tail}"


def tables() -> str:
    """Return the numbers, and each message with its fields."""
    return "\n".join([*_numbers(), *_messages()])


def _numbers() -> Iterator[str]:
    yield "### Numbers and names\n"
    yield "| what | value |\n|---|---|"
    yield f"| protocol version | {messages.PROTOCOL_VERSION} |"
    yield f"| bytes of one frame, at most | {MAX_FRAME_BYTES} |"
    yield f"| bytes of one `chunk`, at most | {messages.CHUNK_BYTES} |"
    yield f"| bytes of one packet of a template, at most | {template.PACKET_BYTES} |"
    for name, status in limits.EXITS.items():
        yield f"| exit status after the limit `{name}` | {status} |"
    names = ", ".join(f"`{name}`" for name in sorted(INHERITED_NAMES))
    yield f"| environment from the gateway's start | {names}, `LC_*` |\n"


def _messages() -> Iterator[str]:
    shown: set[type] = set()
    for title, union in DIRECTIONS.values():
        yield f"### {title}\n"
        again = [f"`{_op(cls)}`" for cls in members(union) if cls in shown]
        for cls in members(union):
            if cls not in shown:
                shown.add(cls)
                yield from _struct(cls, _op(cls))
        if again:
            yield f"Also {', '.join(again)}, as above.\n"
    yield "### What messages hold\n"
    for part in PARTS:
        yield from _struct(part, part.__name__)


def _op(cls: type[msgspec.Struct]) -> str:
    return str(cls.__struct_config__.tag)


def _struct(cls: type[msgspec.Struct], name: str) -> Iterator[str]:
    text, described = _described(cls)
    yield f"#### `{name}`\n\n{text}\n"
    fields = msgspec.structs.fields(cls)
    if not fields:
        return
    yield (
        "| field | type | if left out | meaning |\n|---|---|---|---|"
        if described
        else ("| field | type | if left out |\n|---|---|---|")
    )
    for field in fields:
        cells = [f"`{field.name}`", _kind(cls, field.name), _default(field)]
        cells += [described.get(field.name, "")] if described else []
        yield f"| {' | '.join(cells)} |"
    yield ""


def _kind(cls: type, name: str) -> str:
    written: str = cls.__annotations__[name]
    choices = re.match(r"Literal\[(.*)\]", written)
    text = f"one of {choices[1]}" if choices else written.replace(" | ", " or ")
    return text.replace("'", '"')


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        return f"`{json.dumps(field.default)}`"
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{json.dumps(field.default_factory())}`"
    return "an error"


def _described(cls: type) -> tuple[str, dict[str, str]]:
    """Return what a docstring says, and what its section on attributes says of each."""
    text, _, attributes = inspect.getdoc(cls).partition("\n\nAttributes:\n")  # type: ignore[union-attr]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w+: )", f"\n{attributes}"):
        name, colon, meaning = entry.strip().partition(": ")
        if colon:
            found[name] = _plain(" ".join(meaning.split()))
    return _plain(text), found


def _plain(text: str) -> str:
    """Return a docstring's text as Markdown."""
    text = re.sub(r":class:`(?:Start\.)?(\w+)`", lambda found: f"`{_name(found[1])}`", text)
    return re.sub(r":\w+:`([^`]*)`", r"`\1`", text).replace("``", "`")


def _name(name: str) -> str:
    cls: Any = getattr(messages, name, None) or getattr(template, name, None)
    is_message = isinstance(cls, type) and issubclass(cls, messages.Message)
    return _op(cls) if is_message else name


# -- the vectors ---------------------------------------------------------------------------------


def vectors() -> dict[str, list[dict[str, Any]]]:
    """Return, for each direction, one example of each message: its content and its msgpack bytes.

    Bytes within a message stand as base64.
    """
    return {key: [_vector(cls) for cls in members(union)] for key, (_, union) in DIRECTIONS.items()}


def _vector(cls: type[messages.Message]) -> dict[str, Any]:
    example = _struct_example(cls)
    return {"message": content(example), "bytes": messages.encode(example).hex()}


def content(message: messages.Message) -> Any:
    """Return what a message holds, as JSON has it."""
    return msgspec.json.decode(msgspec.json.encode(message))


def _struct_example(cls: Any) -> Any:
    hints = typing.get_type_hints(cls)
    return cls(**{name: _example(hints[name], name) for name in cls.__struct_fields__})


def _example(kind: Any, name: str) -> Any:
    """Return a value of a type; the same every time, and not what is there if it is left out."""
    simple = {str: name, int: 7, float: 1.5, bool: True, bytes: b"\x00\xff", type(None): None}
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return name
    if kind in simple:
        return simple[kind]
    if origin is typing.Literal or origin is types.UnionType:
        return inside[0] if origin is typing.Literal else _example(inside[0], name)
    if origin is dict:
        return {f"a {name}": _example(inside[1], name)}
    if origin is tuple:
        return tuple(_example(one, name) for one in inside)
    return [_example(inside[0], name)] if origin is list else _struct_example(kind)


if __name__ == "__main__":
    sys.exit(main())
