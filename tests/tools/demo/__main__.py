"""`python -m tests.tools.demo`: a bot, four places, three profiles. Exit 0 when all was right."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from hermes_router.protocol.system.versions import hermes_version
from tests.kit import FakeModel, FakeTelegram, Gateway, GatewayFailedError, HermesRoot
from tests.tools.demo import play, stage
from tests.tools.demo.outside import Footprint
from tests.tools.demo.screen import Screen
from tests.tools.demo.verdict import Check, World, judge

TALK_SECONDS = 500.0
"""Longest duration of all conversations together."""

VARIABLE = "HERMES_ROUTER_DEMO_SECRET"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo in a folder of its own; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the demo's folder")
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="hermes-router-demo-")).resolve()
    screen = Screen(folder)
    try:
        return perform(folder, screen)
    except KeyboardInterrupt:
        print("\nInterrupted.")
        return 130
    except GatewayFailedError as error:
        print(f"\nERROR: the gateway did not start: {error}", file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"Kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def perform(folder: Path, screen: Screen) -> int:
    """Build, play, show and judge; return 0 when every check is ok."""
    secret = uuid.uuid4().hex
    words = (folder.name.encode(), secret.encode())
    footprint = Footprint(time.time(), words, folder)
    _introduce(screen)
    with FakeTelegram() as telegram, FakeModel() as model:
        screen.begin("writing a Hermes root with the profiles default, career, systems")
        root = stage.build(folder, telegram, model)
        root.extra_environ[VARIABLE] = secret
        screen.done("done")
        screen.begin("starting the gateway: hermes gateway run")
        with Gateway(root) as gateway:
            screen.done(f"{gateway.started_in:.1f} s")
            checks = _act(root, gateway, screen)
    strays = tuple(f"left outside: {path}" for path in footprint.strays())
    checks.append(Check("no file was written outside the demo's folder", strays))
    screen.line()
    for check in checks:
        screen.check(check)
    screen.verdict(checks)
    return exit_status(checks)


def exit_status(checks: Sequence[Check]) -> int:
    """Return what the process ends with: 0 only when there are checks and all are ok."""
    return 0 if checks and all(check.ok for check in checks) else 1


def _introduce(screen: Screen) -> None:
    screen.line("hermes-router: one bot, four places, three profiles.")
    screen.line(
        f"Hermes {hermes_version()}, its gateway and its Telegram adapter are real; Telegram"
        " and the model are\nfakes on this machine. Nothing leaves it.\n"
    )


def _act(root: HermesRoot, gateway: Gateway, screen: Screen) -> list[Check]:
    """Hold the conversations, show them and their table; return the checks."""
    world = World(root.base, root.token, gateway.pid)
    deadline = time.monotonic() + TALK_SECONDS
    talks = _talk(root, screen, deadline)
    screen.line()
    screen.begin("waiting for the workers to end")
    left = play.wait_for_workers(root)
    seen = [play.look(root, place, exchanges) for place, exchanges in talks.items()]
    screen.done("done")
    screen.begin("stopping the gateway")
    left += play.stop(gateway)
    screen.done("done")
    screen.table(seen)
    screen.line(
        f"\nThe gateway was process {world.gateway_pid}; every routed message has a process of its"
        f" own. pid, HOME and cwd\nare what a terminal in that place said, paths inside the demo's"
        f' folder; reply: the time to "{stage.WHO}".'
    )
    return [*judge(world, seen), Check("no process is left", tuple(left))]


def _talk(
    root: HermesRoot, screen: Screen, deadline: float
) -> dict[stage.Place, list[play.Exchange]]:
    """Say one line in each place, then the next line in each."""
    talks: dict[stage.Place, list[play.Exchange]] = {place: [] for place in stage.PLACES}
    rounds = zip(*(play.lines(place) for place in stage.PLACES), strict=True)
    for said_by_place in rounds:
        screen.line()
        for place, said in zip(stage.PLACES, said_by_place, strict=True):
            screen.said(place, said)
            exchange = play.ask(root, place, said, deadline)
            screen.answered(exchange)
            talks[place].append(exchange)
    return talks


if __name__ == "__main__":
    sys.exit(main())
