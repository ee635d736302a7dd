"""What becomes of the files of a message on its way to a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermes_router.hermes.compat.events import inbound_of


@dataclass
class Source:
    platform: str = "telegram"
    chat_id: str = "1"


@dataclass
class Event:
    text: str | None
    media_urls: list[str]
    media_types: list[str]
    message_type: str = "document"
    source: Source = field(default_factory=Source)
    raw_message: Any = None


def file(folder: Path, name: str, size: int) -> str:
    path = folder / name
    path.write_bytes(bytes(size))
    return str(path)


def test_a_file_that_is_not_there_does_not_shift_the_others(tmp_path: Path) -> None:
    page, here = "https://example.org/a.png", file(tmp_path, "here.ogg", 5)
    gone = str(tmp_path / "gone.pdf")
    inbound = inbound_of(
        Event("hi", [gone, page, here], ["application/pdf", "image/png", "audio/ogg"])
    )
    assert inbound.fields["media_urls"] == [page, here]
    assert inbound.fields["media_types"] == ["image/png", "audio/ogg"]
    assert inbound.files == [Path(here)]
    assert inbound.fields["text"] == "hi"


def test_of_a_file_above_the_limit_the_text_says_so(tmp_path: Path) -> None:
    large, small = file(tmp_path, "large.bin", 5000), file(tmp_path, "small.bin", 100)
    event = Event("look", [large, small], ["a/b", "c/d"])
    assert inbound_of(event, largest=5000).too_large == []
    inbound = inbound_of(event, largest=4999)
    assert inbound.too_large == ["large.bin (4.9 kB)"]
    assert inbound.files == [Path(small)]
    assert inbound.fields["media_types"] == ["c/d"]
    assert "large.bin (4.9 kB)" in inbound.fields["text"]
    assert inbound.fields["message_type"] == "document"


def test_without_any_file_left_the_message_is_a_text(tmp_path: Path) -> None:
    inbound = inbound_of(Event(None, [file(tmp_path, "l.bin", 9)], ["a/b"]), largest=8)
    assert inbound.files == []
    assert inbound.fields["message_type"] == "text"
    assert inbound.fields["text"].startswith("[Not passed on")


def test_types_that_are_missing_are_empty(tmp_path: Path) -> None:
    inbound = inbound_of(Event("", [file(tmp_path, "x", 1)], []))
    assert inbound.fields["media_types"] == [""]
