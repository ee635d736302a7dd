"""Point 4: slash commands, and who may give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hermes_router.protocol.commands import GATEWAY_COMMANDS
from hermes_router.relay.commands import COMMANDS
from tests.kit import USER
from tests.tools.parity.registry import scenario
from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import COMMANDS as SETTING

ADMIN = USER

#: `/start` is not answered, `/sethome` changes where the others are, `/debug` and `/topup` ask
#: servers that are not there, `/learn` and `/moa` begin a turn on their own, `/version` looks at
#: the installation. The last ones wait for a click: see `prompts`.
_LEFT_OUT = GATEWAY_COMMANDS | {
    *("start", "sethome", "debug", "topup", "learn", "moa", "version"),
    *("model", "reasoning", "fast", "reload-mcp"),
}


def _gives(*texts: str, user: int | None = ADMIN) -> Callable[[Scene], None]:
    """Say these one after the other, as this user."""

    def play(scene: Scene) -> None:
        for text in texts:
            scene.ask(text, user_id=user or scene.user_id)
            scene.settle()

    return play


_TALKS: Sequence[tuple[str, tuple[str, ...], int | None]] = (
    ("/help and /commands", ("/help", "/commands", "/commands 2", "/commands 99"), ADMIN),
    ("a skill's command, by an admin", ("/of-the-topic now", "and on"), ADMIN),
    ("a quick command", ("/hi",), ADMIN),
    ("a command that there is not", ("/nonsense", "/nonsense with words"), ADMIN),
    ("a command by another name", ("/reset", "/bg", "/tasks", "/reload_skills"), ADMIN),
    ("commands in capitals and to the bot", ("/STATUS", "/status@kit_1234567_bot"), ADMIN),
    ("/whoami, by an admin and by others", ("/whoami",), None),
    ("/whoami, by an admin", ("/whoami",), ADMIN),
    (
        "commands that only admins may give",
        ("/model other-model", "/yolo", "/help", "/status", "/reasoning low", "and on"),
        None,
    ),
)
for _title, _texts, _user in _TALKS:
    scenario(_title, point=4, setting=SETTING)(_gives(*_texts, user=_user))


def _bare(first: str, last: str) -> Callable[[Scene], None]:
    names = sorted(name for name in COMMANDS if name not in _LEFT_OUT and first <= name < last)
    return _gives(*(f"/{name}" for name in names))


for _first, _last in (("a", "d"), ("d", "q"), ("q", "t"), ("t", "zz")):
    scenario(f"each command from {_first} on, without arguments", point=4, setting=SETTING)(
        _bare(_first, _last)
    )
