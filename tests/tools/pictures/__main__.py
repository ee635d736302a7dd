"""`python -m tests.tools.pictures [FOLDER]`: the demo and the main commands, light and dark."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.kit import FakeModel, FakeTelegram, Gateway, HermesRoot
from tests.tools.demo import play, stage
from tests.tools.pictures.drawing import THEMES, draw
from tests.tools.pictures.terminal import Line, record

REPOSITORY = Path(__file__).resolve().parents[3]
_COMMAND = (sys.executable, "-m", "hermes_router.cli")
_NARROW, _WIDE = 80, 120
_TALK_SECONDS = 120.0

_CAREER = stage.PLACES[0]
#: The commands that are drawn, by the name of their picture.
SCREENS = {
    "routes": ("routes",),
    "test-route": ("test-route", f"telegram:{_CAREER.chat_id}:{_CAREER.thread_id}"),
    "doctor": ("doctor",),
    "status": ("status",),
    "turns": ("turns",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw all pictures into a folder; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.pictures", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY / "docs" / "pictures")
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    demo = record([sys.executable, "-m", "tests.tools.demo"], os.environ, REPOSITORY, _WIDE, {0})
    _write(folder, "demo", demo, title="make demo", columns=_WIDE, plays=True)
    for name, lines in _screens().items():
        title = " ".join(("hermes-router", *SCREENS[name]))
        _write(folder, name, lines, title=title, columns=_NARROW)
    return 0


def _screens() -> dict[str, list[Line]]:
    """Run each command beside the gateway of a demo in which somebody has talked."""
    with (
        tempfile.TemporaryDirectory(prefix="hr-") as name,
        FakeTelegram() as telegram,
        FakeModel() as model,
    ):
        base = Path(name).resolve()
        root = stage.build(base, telegram, model)
        _as_people_have_it(root)
        with Gateway(root) as gateway:
            deadline = time.monotonic() + _TALK_SECONDS
            for place in stage.PLACES:
                play.ask(root, place, stage.WHO, deadline)
            play.wait_for_workers(root)
            environ = root.gateway_environ()
            screens = {
                name: [
                    line._replace(text=line.text.replace(str(base), "~"))
                    for line in record([*_COMMAND, *words], environ, REPOSITORY, _NARROW, {0, 5})
                ]
                for name, words in SCREENS.items()
            }
            play.stop(gateway)
    return screens


def _as_people_have_it(root: HermesRoot) -> None:
    """Close the root home to other users, as Hermes makes it, and enable the router."""
    root.path.chmod(0o700)
    record([*_COMMAND, "enable"], root.gateway_environ(), REPOSITORY, _NARROW)


def _write(
    folder: Path, name: str, lines: list[Line], *, title: str, columns: int, plays: bool = False
) -> None:
    for theme in THEMES:
        svg = draw(lines, title=title, theme=theme, columns=columns, plays=plays)
        (folder / f"{name}-{theme}.svg").write_text(svg, "utf-8")
        print(f"written: {folder / f'{name}-{theme}.svg'}")


if __name__ == "__main__":
    sys.exit(main())
