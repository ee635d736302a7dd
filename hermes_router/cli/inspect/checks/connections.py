"""Find the platforms to which the running gateway has no connection: no message arrives from there.

Hermes keeps the state of each platform in ``gateway_state.json`` in its home. It reads which
platforms there are only when it starts: it has no state of one that was configured later. An error
message in that file may hold a token, so only the state and the error's code are ever shown.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.protocol.system.pids import start_time

if TYPE_CHECKING:
    from hermes_router.cli.inspect.loading import Loaded
    from hermes_router.config.model import RouterConfig

#: Hermes's file, below the gateway's home.
STATE_FILE = "gateway_state.json"

_CONNECTED = "connected"
#: States of a platform that connects. A quiet Telegram is ``retrying`` until its first long poll
#: has returned, so they are no errors in the first seconds of a gateway.
_CONNECTING = frozenset({"connecting", "retrying"})
_STARTING_SECONDS = 60.0
#: The platform through which Hermes gets the messages of others, which then have no state.
_RELAY = "relay"
#: What Hermes's states and codes of errors look like. A token has digits or capitals.
_WORD = re.compile(r"[a-z]+([_-][a-z]+)*")


class Unconnected(msgspec.Struct, frozen=True, kw_only=True):
    """A platform without a connection; ``state`` and ``code`` are Hermes's words, ``code`` or "".

    ``state`` is "" if the gateway does not have the platform at all. ``bot`` is the profile whose
    own bot is not connected; None for the gateway's bot.
    """

    platform: str
    bot: str | None
    state: str
    code: str

    @property
    def who(self) -> str:
        """The platform for people, with the profile whose own bot it is."""
        return f"{self.platform} (the bot of {self.bot})" if self.bot else self.platform

    @property
    def what(self) -> str:
        """A sentence for people: which platform the gateway is not connected to, and why."""
        if not self.state:
            return (
                f"the running gateway was started without {self.who}: no message arrives from there"
            )
        code = f", {self.code}" if self.code else ""
        return f"{self.who} is not connected ({self.state}{code}): no message arrives from there"


def look(loaded: Loaded) -> Iterator[Finding]:
    """Yield an error for each routed platform without a connection; no error while it starts."""
    if loaded.serving.state == "offline" or loaded.gateway is None or loaded.config is None:
        return
    home, record = loaded.home, loaded.serving.record
    starts = record is not None and time.time() - record.since < _STARTING_SECONDS
    for found in _of_routes(unconnected(home.path, loaded.gateway), loaded.config):
        if starts and found.state in _CONNECTING:
            yield Finding(
                check="platform-connection",
                severity="info",
                what=f"{found.who} is not connected yet: the gateway has just been started",
            )
            continue
        yield _error(home, found)
    if not starts:
        for found in absent(home.path, loaded.gateway, loaded.config):
            yield _error(home, found)


def _error(home: GatewayHome, found: Unconnected) -> Finding:
    return Finding(
        check="platform-connection",
        severity="error",
        what=found.what,
        where=str(home.path / STATE_FILE),
        mend=_mend(home, found),
    )


def _mend(home: GatewayHome, found: Unconnected) -> str:
    setup = home.hermes("gateway setup", found.bot)
    if not found.state:
        return f"{home.restart}; if the platform is not set up yet, before that: {setup}"
    logs = home.path / "logs" / "errors.log"
    return f"see the reason in {logs}; if the token is wrong: {setup}"


def closed(home: GatewayHome, pid: int, uptime: float) -> list[str]:
    """Return a line for people for each routed platform to which gateway ``pid`` is not connected.

    ``status`` shows them. ``uptime`` is for how many seconds the gateway has run: one that has just
    started may still connect, so there is no line then.
    """
    from hermes_router.cli.inspect import loading  # noqa: PLC0415 - it imports this package's rest

    config, _ = loading.read(home.config, None)
    if config is None:
        return []
    starts = uptime < _STARTING_SECONDS
    found = list(_of_routes(unconnected(home.path, pid), config))
    found = [one for one in found if not (starts and one.state in _CONNECTING)]
    return [one.what for one in (*found, *([] if starts else absent(home.path, pid, config)))]


def absent(home: Path, pid: int, config: RouterConfig) -> Iterator[Unconnected]:
    """Yield each routed platform that gateway ``pid`` does not have at all.

    Only routes for the gateway's bot count. Nothing is known of a gateway that has written no file
    of states, nor of one behind Hermes's relay; then nothing is yielded.
    """
    state = _state(home)
    if not _is_of({}, state, pid) or not isinstance(state.get("platforms", {}), dict):
        return
    platforms = state.get("platforms", {})
    has = {key for key, entry in platforms.items() if _is_of(_mapping(entry), state, pid)}
    if _RELAY in has:
        return
    routed = {r.platform for r in config.table.routes if r.enabled and r.bot_profile is None}
    for platform in sorted(routed - has):
        yield Unconnected(platform=platform, bot=None, state="", code="")


def unconnected(home: Path, pid: int) -> list[Unconnected]:
    """Return each platform that gateway ``pid`` calls not connected in Hermes's file of states."""
    state = _state(home)
    platforms = state.get("platforms")
    entries = platforms.items() if isinstance(platforms, dict) else ()
    return [
        _converted(key, entry)
        for key, entry in entries
        if isinstance(entry, dict)
        and entry.get("state") not in (_CONNECTED, None)
        and _is_of(entry, state, pid)
    ]


def _converted(key: str, entry: dict[str, Any]) -> Unconnected:
    """Convert an entry of the file. The key is ``platform``, or ``profile:platform`` for a bot."""
    bot, _, platform = key.rpartition(":")
    state, code = _word(entry["state"]), _word(entry.get("error_code"))
    return Unconnected(platform=platform, bot=bot or None, state=state or "unknown", code=code)


def _of_routes(found: list[Unconnected], config: RouterConfig) -> Iterator[Unconnected]:
    """Yield those from which a message would get to a profile with a worker."""
    routed = {(r.platform, r.bot_profile) for r in config.table.routes if r.enabled}
    for one in found:
        unmatched = config.unmatched.policy(one.platform) not in {"default", "deny"}
        if (one.platform, one.bot) in routed or (unmatched and one.bot is None):
            yield one


def _is_of(entry: dict[str, Any], state: dict[str, Any], pid: int) -> bool:
    """Return True if gateway ``pid`` wrote an entry; an entry of an earlier gateway says nothing.

    An older Hermes names the writer only once, in ``state``, the whole file.
    """
    if entry.get("writer_pid", state.get("pid")) != pid:
        return False
    written, started = entry.get("writer_start_time", state.get("start_time")), start_time(pid)
    return written is None or started is None or written == started


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _state(home: Path) -> dict[str, Any]:
    try:
        state = msgspec.json.decode((home / STATE_FILE).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return state if isinstance(state, dict) else {}
