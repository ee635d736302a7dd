"""The ledger of messages: what it knows after any crash, and what a broken disk costs."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from hermes_router.protocol.files import whole_file
from hermes_router.state import kept_event
from hermes_router.state.append_log import AppendLog
from hermes_router.state.ledger import KNOWN_SECONDS, Entry, Identity, Ledger, Step

SOURCE = {"platform": "telegram", "chat_id": "-100"}


def test_what_replaces_the_ledger_is_on_the_disk_before_it_has_its_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AppendLog(file, str)
    log.append("old")
    old, synced = file.read_bytes(), []
    sync = whole_file.sync_file

    def noted(descriptor: int) -> None:
        synced.append((file.read_bytes(), os.pread(descriptor, 99, 0)))
        sync(descriptor)

    monkeypatch.setattr(whole_file, "sync_file", noted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _folder: synced.append((file.read_bytes(), b"")))
        log.replace(["new"])
    assert synced == [(old, b'"new"\n'), (b'"new"\n', b"")]
    assert log.read() == ["new"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hermes-router" / "ledger.jsonl"


def identity(*ids: str, mark: str = "") -> Identity:
    parts = tuple((number, mark) for number in ids)
    return Identity(platform="telegram", chat_id="-100", parts=parts)


def entered(ledger: Ledger, *ids: str, mark: str = "") -> Entry:
    entry = ledger.accept(identity(*ids, mark=mark), profile="career", session="s", source=SOURCE)
    ledger.record(entry)
    return entry


def known(ledger: Ledger, *ids: str, mark: str = "") -> bool:
    return ledger.known(identity(*ids, mark=mark))


def test_the_next_gateway_knows_how_far_each_message_had_come(file: Path) -> None:
    ledger = Ledger(file)
    entries = {name: entered(ledger, name) for name in "abcdefg"}
    entries["b"].begun()
    entries["c"].said()
    entries["d"].trying("a text")
    entries["e"].trying("a text")
    entries["e"].failed()
    entries["f"].answered()
    entries["g"].settle()
    steps = [entry.step for entry in Ledger(file).open]
    assert steps == [
        Step.ACCEPTED, Step.BEGUN, Step.SAID, Step.TRYING, Step.ACCEPTED, Step.ANSWERED,
    ]  # fmt: skip
    again = Ledger(file)
    assert again.open[3].names == ["a text"]
    assert again.open[0].source == SOURCE
    assert (again.open[0].profile, again.open[0].session) == ("career", "s")


def test_the_next_gateway_knows_which_turn_a_message_was_given_to(file: Path) -> None:
    ledger = Ledger(file)
    begun, again, waits, none = (entered(ledger, name) for name in "abcd")
    begun.turn = again.turn = waits.turn = "1f0c2a9b"
    begun.begun()
    again.begun()
    again.turn = "7d31e0c4"
    again.said()
    none.begun()
    for _gateway in range(3):  # each writes the file anew when it has read it
        turns = [entry.turn for entry in Ledger(file).open]
        assert turns == ["1f0c2a9b", "7d31e0c4", "", ""]


def steps_of(entry: Entry, *names: str) -> list[Step]:
    steps = []
    for name in names:
        getattr(entry, name)(*(["a text"] if name == "trying" else []))
        steps.append(entry.step)
    return steps


def test_steps_never_go_back_but_for_a_reply_that_failed(file: Path) -> None:
    entry = entered(Ledger(file), "1")
    assert steps_of(entry, "said", "begun", "trying", "trying", "stalled", "failed") == [
        Step.SAID, Step.SAID, Step.TRYING, Step.TRYING, Step.STALLED, Step.SAID,
    ]  # fmt: skip
    assert steps_of(entry, "answered", "settle", "begun", "trying", "answered") == [
        Step.ANSWERED, Step.SETTLED, Step.SETTLED, Step.SETTLED, Step.SETTLED,
    ]  # fmt: skip


def test_what_a_stop_cut_off_is_gone_on_with_once(file: Path) -> None:
    entered(Ledger(file), "1").cut_off()  # nobody had begun it: it is served as it is
    [entry] = Ledger(file).open
    assert steps_of(entry, "resumed", "begun", "cut_off", "begun", "said") == [
        Step.ACCEPTED, Step.BEGUN, Step.CUT_OFF, Step.CUT_OFF, Step.CUT_OFF,
    ]  # fmt: skip
    [entry] = Ledger(file).open
    assert steps_of(entry, "resumed", "cut_off", "trying", "failed") == [
        Step.RESUMED, Step.RESUMED, Step.TRYING, Step.RESUMED,
    ]  # fmt: skip
    assert [entry.step for entry in Ledger(file).open] == [Step.RESUMED]


def test_a_message_is_known_when_it_comes_again_also_to_the_next_gateway(file: Path) -> None:
    ledger = Ledger(file)
    entered(ledger, "1", "2").settle()
    entered(ledger, "3", mark="edited")
    for one in (ledger, Ledger(file), Ledger(file)):
        assert known(one, "1")
        assert known(one, "1", "2")
        assert not known(one, "1", "4")
        assert known(one, "3", mark="edited")
        assert not known(one, "3")
        assert not known(one)


def test_an_old_message_is_forgotten(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered(Ledger(file), "1").settle()
    monkeypatch.setattr("hermes_router.state.ledger.KNOWN_SECONDS", -1.0)
    assert KNOWN_SECONDS > 24 * 3600
    assert not known(Ledger(file), "1")


@pytest.mark.parametrize("rest", [b'{"id":"x","st', b"\xff\xfe\n", b"[]\n\n{}\n", b""])
def test_a_file_that_is_cut_off_or_garbage_costs_only_that_line(file: Path, rest: bytes) -> None:
    entered(Ledger(file), "1")
    with file.open("ab") as target:
        target.write(rest)
    ledger = Ledger(file)
    assert len(ledger.open) == 1
    entered(ledger, "2")
    assert len(Ledger(file).open) == 2


def test_a_line_that_was_cut_by_a_full_disk_costs_no_other(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AppendLog(file, dict[str, int])
    log.append({"first": 1})
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda target, data: write(target, data[:4]))
        with pytest.raises(OSError, match="full"):
            log.append({"second": 2})
    log.append({"third": 3})
    assert AppendLog(file, dict[str, int]).read() == [{"first": 1}, {"third": 3}]


def test_a_line_is_whole_although_the_disk_was_full_when_the_broken_one_before_was_to_be_ended(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AppendLog(file, dict[str, int])
    log.append({"first": 1})
    write, room = os.write, [4]

    def limited(target: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        data, room[0] = data[: room[0]], max(0, room[0] - len(data))
        return write(target, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", limited)
        for number in (2, 3):
            with pytest.raises(OSError, match=r"full|No space"):
                log.append({"lost": number})
    log.append({"fourth": 4})
    assert AppendLog(file, dict[str, int]).read() == [{"first": 1}, {"fourth": 4}]


def test_a_broken_line_that_a_full_disk_lets_nobody_end_costs_no_other(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier gateway left the line, and the disk is still full when the next one starts."""
    AppendLog(file, dict[str, int]).append({"first": 1})
    with file.open("ab") as target:
        target.write(b'{"sec')
    log = AppendLog(file, dict[str, int])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="full"):
            log.append({"third": 3})
    log.append({"fourth": 4})
    assert AppendLog(file, dict[str, int]).read() == [{"first": 1}, {"fourth": 4}]


def test_steps_that_a_full_disk_did_not_take_are_written_when_there_is_room(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(file)
    answered, begun = entered(ledger, "1"), entered(ledger, "2")
    with monkeypatch.context() as patch:
        patch.setattr(AppendLog, "append", full)
        for entry in (answered, begun):
            entry.begun()
        answered.answered()
        answered.settle()
        assert not entered(ledger, "3").recorded
    assert Step.BEGUN not in file.read_text()
    entered(ledger, "4")
    assert [entry.step for entry in Ledger(file).open] == [Step.BEGUN, Step.ACCEPTED]


def test_steps_that_the_disk_takes_again_are_written_once_also_by_two_threads(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread records a new message while the event loop notes the step of another one."""
    ledger = Ledger(file)
    missed, noted = [entered(ledger, str(number)) for number in range(3)], entered(ledger, "9")
    with monkeypatch.context() as patch:
        patch.setattr(AppendLog, "append", full)
        for entry in missed:
            entry.settle()
    append, loop = AppendLog.append, threading.Thread(target=noted.begun)

    def meanwhile(log: AppendLog[Any], line: Any, *, sync: bool = False) -> None:
        append(log, line, sync=sync)
        if loop.ident is None:
            loop.start()
            loop.join(timeout=0.5)

    monkeypatch.setattr(AppendLog, "append", meanwhile)
    assert entered(ledger, "10").recorded
    loop.join(timeout=20)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["id"] for line in lines if line["step"] == "settled"] == [e.id for e in missed]
    assert [line["id"] for line in lines if line["step"] == "begun"] == [noted.id]


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_a_folder_that_is_a_file_costs_the_note_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hermes-router").write_text("in the way")
    ledger = Ledger(tmp_path / "hermes-router" / "ledger.jsonl")
    entry = entered(ledger, "1")
    assert not entry.recorded
    assert known(ledger, "1")
    entry.begun()
    entry.settle()
    assert ledger.open == []
    entered(ledger, "2")
    warnings = [r for r in caplog.records if "cannot be written" in r.message and r.levelno >= 30]
    assert len(warnings) == 1
    (tmp_path / "hermes-router").unlink()
    assert entered(ledger, "3").recorded


def test_a_long_life_keeps_the_file_small(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermes_router.state.ledger.COMPACT_BYTES", 20_000)
    ledger = Ledger(file)
    waiting = entered(ledger, "waits")
    waiting.begun()
    for number in range(500):
        entry = entered(ledger, str(number))
        entry.answered()
        entry.settle()
    assert file.stat().st_size < 60_000
    again = Ledger(file)
    assert [entry.step for entry in again.open] == [Step.BEGUN]
    assert known(again, "499")
    assert known(again, "waits")


def test_only_the_owner_can_read_it(file: Path) -> None:
    entered(Ledger(file), "1")
    assert file.stat().st_mode & 0o777 == 0o600
    Ledger(file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_words_lie_in_the_profiles_home_and_no_link_is_followed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "career", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    kept_event.keep(home, "a", {"text": "secret words"}, files=False)
    kept = kept_event.read(home, "a")
    assert kept is not None
    assert kept.text == "secret words"
    kept_event.forget(home, "a")
    assert kept_event.read(home, "a") is None
    (home / "hermes-router" / "waiting").rmdir()
    (home / "hermes-router" / "waiting").symlink_to(elsewhere)
    with pytest.raises(OSError, match=r"directory|symbolic"):
        kept_event.keep(home, "b", {"text": "x"}, files=False)
    assert list(elsewhere.iterdir()) == []
