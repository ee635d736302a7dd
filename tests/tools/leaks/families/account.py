"""What is the account's: its logins, its keys, and who hears what was for a place that is gone."""

from __future__ import annotations

import shutil

from tests.kit import FORUM, Call
from tests.tools.leaks.row import NotApplicableError, Row
from tests.tools.leaks.side import Side, found
from tests.tools.leaks.world import BOB, World, plant_file

MARK = "login-of-the-account"
_GUARDED = "Hermes guards the home that its process has, and that is the account's"


def plant_logins(world: World) -> None:
    for name in (".docker/config.json", ".ssh/id_ed25519"):
        plant_file(world.home / name, MARK, 0o600)


def attached_logins(side: Side) -> str:
    """Have an answer attach them; say which ones were uploaded."""
    names = (".docker/config.json", ".ssh/id_ed25519")
    seq, mark = side.telegram.seq, side.mark()
    media = "\n".join(f"MEDIA:{side.world.home / name}" for name in names)
    side.turn(BOB, f"[[say done {mark}\n{media}]]", contains=f"done {mark}")
    side.wait(lambda: any(call.files for call in side.telegram.calls(after=seq)), 3)
    uploads = [file for call in side.telegram.calls(after=seq) for file in call.files]
    return (
        f"{len(uploads)} uploaded"
        if any(MARK.encode() in (f.content or b"") for f in uploads)
        else ""
    )


def written_logins(side: Side) -> str:
    path = side.world.home / ".git-credentials"
    side.call(BOB, "write_file", path=str(path), content="https://of:bob@host")
    return "bob's in .git-credentials" if path.exists() else ""


def keys_of_ssh(side: Side) -> str:
    """Ask ssh itself which keys it would offer."""
    if shutil.which("ssh") is None:
        raise NotApplicableError("there is no ssh on this machine")
    shown = side.run(BOB, "ssh -G somewhere | grep '^identityfile '; true")
    if "identityfile" not in shown:
        side.unsure(f"ssh does not say: {shown[:400]}")
    home = side.world.home
    own = side.world[BOB].path / "home"
    account = [f"{home}/.ssh", "~/.ssh"]
    return "" if str(own) in shown and not found(shown, *account) else "the account's keys"


def lost_topic(side: Side) -> str:
    """Delete a topic in mid-turn; look for the answer in the rest of the chat."""
    mark, seen = side.mark(), side.model.seq
    held = side.hold(f"hold {mark}")
    topic, seq = side.say(BOB, f"hold {mark}"), side.telegram.seq
    try:
        side.model.wait_chat(f"hold {mark}", after=seen, timeout=150)
        side.telegram.delete_topic(topic)
    finally:
        held.set()

    def tried() -> bool:
        calls = side.telegram.calls("sendMessage", after=seq)
        return any(call.error is not None and mark in _plain(call) for call in calls)

    if not side.wait(tried, 60):
        side.unsure("nothing was sent to the topic that is gone")
    side.wait(lambda: _outside(side, seq, mark), 10)
    return "the answer is in General" if _outside(side, seq, mark) else ""


def _outside(side: Side, seq: int, mark: str) -> bool:
    sent = (call for call in side.telegram.calls("sendMessage", after=seq) if call.error is None)
    return any(call.place == (FORUM, None) and mark in _plain(call) for call in sent)


def _plain(call: Call) -> str:
    """Return what was sent, without what the platform's markup escapes."""
    return (call.text or "").replace("\\", "")


ROWS = (
    Row(
        key="G1m",
        what="outbound `MEDIA:` of the account's logins and keys",
        plant=plant_logins,
        probe=attached_logins,
        unseen=_GUARDED,
    ),
    Row(
        key="G1w",
        what="the account's logins written by `write_file`",
        probe=written_logins,
        unseen=_GUARDED,
    ),
    Row(
        key="G4",
        what="the answer for a topic that was deleted, in the rest of the chat",
        probe=lost_topic,
    ),
    Row(key="G5", what="the account's ssh keys and settings", probe=keys_of_ssh),
)
