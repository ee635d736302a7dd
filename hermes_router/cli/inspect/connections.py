"""Find the platforms to which the running gateway has no connection: no message arrives from there.

Hermes keeps the state of each platform in ``gateway_state.json`` in its home. An error message in
that file may hold a token, so only the state and the error's code are ever shown.
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
#: What Hermes's states and codes of errors look like. A token has digits or capitals.
_WORD = re.compile(r"[a-z]+([_-][a-z]+)*")


class Unconnected(msgspec.Struct, frozen=True, kw_only=True):
    """A platform without a connection; ``state`` and ``code`` are Hermes's words, ``code`` or "".

    ``bot`` is the profile whose own bot is not connected; None for the gateway's bot.
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
        """A sentence for people."""
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
        logs = home.path / "logs" / "errors.log"
        setup = home.hermes("gateway setup", found.bot)
        yield Finding(
            check="platform-connection",
            severity="error",
            what=found.what,
            where=str(home.path / STATE_FILE),
            mend=f"see the reason in {logs}; if the token is wrong: {setup}",
        )


def closed(home: GatewayHome, pid: int, uptime: float) -> list[str]:
    """Return a line for people for each routed platform to which gateway ``pid`` is not connected.

    A gateway that has run only some seconds, its ``uptime``, may still connect: no line says so.
    """
    starts = uptime < _STARTING_SECONDS
    found = unconnected(home.path, pid)
    found = [one for one in found if not (starts and one.state in _CONNECTING)]
    if not found:
        return []
    from hermes_router.cli.inspect import loading  # noqa: PLC0415 - slow, and rarely needed

    config, _ = loading.read(home.config, None)
    return [] if config is None else [one.what for one in _of_routes(found, config)]


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


def _word(value: object) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _state(home: Path) -> dict[str, Any]:
    try:
        state = msgspec.json.decode((home / STATE_FILE).read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return state if isinstance(state, dict) else {}
