"""What README and docs show is true: the YAML loads, the commands run, the texts are the code's."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes_router.base.errors import (
    HermesUpdated,
    ProfileError,
    RouterError,
    WorkerDied,
    WorkerOverLimit,
    WorkerStartError,
)
from hermes_router.base.errors import WorkerTimeout as Timeout
from hermes_router.config import model
from hermes_router.protocol import messages as msg
from hermes_router.protocol.system.versions import NEWEST_TESTED
from hermes_router.routing.table import Place
from hermes_router.turns.notices import notice
from hermes_router.turns.story import FAILED, OUTCOMES
from hermes_router.turns.worker.worker_state import TRANSITIONS, Step
from hermes_router.workers.worker_log import parse_turns
from tests.tools.demo.stage import PLACES
from tests.tools.settings_table import PAGE, with_table

ROOT = PAGE.parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
HOW = ROOT / "docs" / "how-it-works.md"


def blocks(language: str, page: Path) -> list[str]:
    """Return a page's code blocks of a language."""
    text = page.read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def table(head: str, page: Path) -> list[list[str]]:
    """Return the cells of the table below this head, a list for each row."""
    below = page.read_text("utf-8").partition(f"{head}\n")[2].splitlines()[1:]
    rows = itertools.takewhile(lambda line: line.startswith("|"), below)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


# -- configuration -----------------------------------------------------------------------------

START = ROOT / "docs" / "start.md"
ROUTING = ROOT / "docs" / "routing.md"


def loaded(tmp_path: Path, *, containing: str) -> model.RouterConfig:
    (text,) = [block for block in blocks("yaml", START) if containing in block]
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    return model.load(path, known_platforms={"telegram", "discord"})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_yaml_block_of_the_docs_is_a_configuration(path: Path, tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("telegram: {1: kid}\n", "utf-8")
    for block in blocks("yaml", path):
        (tmp_path / "config.yaml").write_text(block, "utf-8")
        problems = model.load(tmp_path / "config.yaml").problems
        assert {problem.code for problem in problems} <= {"unused-settings"}


def test_the_shapes_of_the_docs_may_be_mixed_and_mean_what_is_said(tmp_path: Path) -> None:
    nested, flattened, listed, _, policies, _ = blocks("yaml", ROUTING)
    path = tmp_path / "config.yaml"
    # The flattened one repeats a route of the nested one: on purpose, so that it is left out here.
    flattened = flattened[flattened.index("matrix:") :]
    path.write_text(nested + flattened + listed + policies, "utf-8")
    found = model.load(path)
    forum = "-1003961179976"
    assert found.decide(Place("telegram", forum, "6")).profile == "career"
    assert found.decide(Place("telegram", forum, "9")).profile == "assistant"
    assert found.decide(Place("telegram", "5550001")).profile == "kid"
    assert found.decide(Place("telegram", "5550002")).profile == "lobby"
    assert found.decide(Place("matrix", "!room:example.org", "$any")).profile == "team"
    assert found.decide(Place("discord", "1", guild_id="333")).profile == "team"
    assert found.decide(Place("discord", "444", user_id="555")).profile == "ann"
    assert found.decide(Place("signal", "x")).profile == "assistant"
    assert found.decide(Place("irc", "#x")).action == "deny"


def test_the_nested_example_routes_as_its_comments_say(tmp_path: Path) -> None:
    found = loaded(tmp_path, containing="a forum:")
    forum = "-1001234567890"
    wanted = {
        "6": "career",
        "13": "systems",
        "1": "assistant",
        "99": "assistant",
        None: "assistant",
    }
    for thread, profile in wanted.items():
        place = Place("telegram", chat_id=forum, thread_id=thread)
        assert found.decide(place).profile == profile
    assert found.decide(Place("telegram", chat_id="5550001")).profile == "kid"
    assert found.decide(Place("telegram", chat_id="5550002")).action == "in_process"


def test_the_list_example_routes_as_its_names_say(tmp_path: Path) -> None:
    found = loaded(tmp_path, containing="- name: our server")
    guild, finance = "333333333333333333", "444444444444444444"
    thread_of_finance = Place("discord", "9", guild_id=guild, parent_chat_id=finance)
    assert found.decide(Place("discord", "8", guild_id=guild)).profile == "team"
    assert found.decide(thread_of_finance).profile == "finance"
    assert found.decide(Place("telegram", "-1", user_id="5550002")).profile == "kid"


def test_the_routes_win_that_the_table_of_places_and_senders_names(tmp_path: Path) -> None:
    (text,) = [block for block in blocks("yaml", ROUTING) if "U0ANN" in block]
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    found = model.load(tmp_path / "config.yaml")
    assert not found.problems
    rows = table(
        "| workspace | channel | thread | somebody writes | Ann (`U0ANN`) writes |", ROUTING
    )
    assert len(rows) == 6
    winners = set()
    for guild, chat, thread, *cells in rows:
        for sender, cell in zip(("U0BOB", "U0ANN"), cells, strict=True):
            profile, weights = re.fullmatch(r"(\S+) \(([\d +]+)\)", cell).groups()  # type: ignore[union-attr]
            place = Place("slack", chat, None if thread == "-" else thread, sender, guild)
            decision = found.decide(place)
            assert decision.match is not None
            assert decision.profile == profile, place
            assert decision.match.route.specificity == sum(map(int, weights.split("+"))), place
            winners.add(profile)
    assert winners == {route.profile for route in found.table.routes}


def test_the_settings_example_changes_what_it_shows(tmp_path: Path) -> None:
    found = loaded(tmp_path, containing="unmatched:")
    assert found.settings("career").limits.concurrent_turns == 2
    assert found.settings("career").timeouts.turn == 1800
    assert found.settings("other").limits.concurrent_turns == 4


def test_the_table_of_settings_is_the_codes() -> None:
    text = PAGE.read_text("utf-8")
    assert with_table(text) == text, "run: python -m tests.tools.settings_table"


# -- commands ----------------------------------------------------------------------------------


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of somebody with a fresh Hermes home."""
    home = tmp_path / ".hermes"
    home.mkdir()
    (home / "config.yaml").write_text("model: {default: any}\n", "utf-8")
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "HOME": str(tmp_path),
        "HERMES_HOME": str(home),
        "HERMES_DISABLE_LAZY_INSTALLS": "1",
        "NO_COLOR": "1",
    }


def run(command: str, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=environ,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shown_by(*tests: str) -> Callable[[], None]:
    """Return a check of a command that other tests, or CI, run: that these still exist."""

    def check() -> None:
        for place in tests:
            path, _, text = place.partition("::")
            assert text in (ROOT / path).read_text("utf-8")

    return check


COMMANDS: dict[str, Callable[[], None]] = {
    "make demo": shown_by(
        "Makefile::-m tests.tools.demo", "tests/project/tools/test_demo.py::tests.tools.demo"
    ),
    "make test": shown_by(".ci/run::make test"),
    "hermes plugins install file:///path/to/hermes-router --enable --yes-deps": shown_by(
        "tests/contract/seams/test_plugin_folder.py::test_the_scan_before_an_installation_lets_us_in"
    ),
    "hermes router init": shown_by(
        "tests/cli/homes/test_managed_layout.py::test_init_makes_a_profile_and_its_route"
    ),
    "hermes gateway restart": shown_by("tests/gateway/operate/test_init.py::gateway.restart()"),
}


@pytest.mark.parametrize(
    "command", [line for block in blocks("sh", README) for line in block.strip().splitlines()]
)
def test_every_command_of_the_readme_works(command: str) -> None:
    assert command in COMMANDS, f"nothing runs {command!r}"
    COMMANDS[command]()


def test_the_first_line_of_the_hermes_command_names_its_python(environ: dict[str, str]) -> None:
    command = 'head -1 "$(command -v hermes)"'
    assert command in (ROOT / "docs" / "install.md").read_text("utf-8")
    first = run(command, environ)
    assert Path(first.removeprefix("#!").strip()).parent == Path(sys.executable).parent


# -- samples and texts -------------------------------------------------------------------------


OPERATING = ROOT / "docs" / "operating.md"


def test_the_sample_of_the_worker_log_is_one() -> None:
    (sample,) = [one for one in blocks("text", OPERATING) if " hermes-router begin " in one]
    (turn,) = parse_turns(sample.splitlines())
    assert (turn.profile, turn.exit, turn.hermes) == ("career", "status 0", NEWEST_TESTED)
    assert turn.pid is not None
    assert set(turn.phases) >= {"start", "ready", "reply", "gone"}


def test_the_sample_of_the_demo_has_its_places() -> None:
    index = ROOT / "docs" / "index.md"
    (sample,) = [block for block in blocks("text", index) if block.startswith("place ")]
    rows = [re.split(r"\s{2,}", line) for line in sample.splitlines()[1:]]
    assert [row[:2] for row in rows] == [[place.label, place.profile] for place in PLACES]


def test_the_table_of_outcomes_has_all_and_says_which_are_told_by_hermes() -> None:
    rows = {
        name.strip("`"): meaning
        for name, meaning in table("| outcome | what it means |", OPERATING)
    }
    assert rows.keys() == OUTCOMES.keys()
    by_hermes = {name for name in FAILED if "Hermes" in rows[name]}
    assert by_hermes == {"model_failed", "no_model", "hermes_failed", "job_failed"}


def test_the_drawn_states_of_a_worker_are_the_codes() -> None:
    arrow = re.compile(r"^ (\w+) ─+ ([\w, ]+) ─+> (\w+)", re.MULTILINE)
    drawn = [found for block in blocks("text", HOW) for found in arrow.findall(block)]
    moves = {
        (before.value, step.value, after.value)
        for (before, step), after in TRANSITIONS.items()
        if step is not Step.ENDS and before is not after
    }
    assert len(drawn) == len(moves)
    assert set(drawn) == moves


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_message_of_the_protocol_is_explained() -> None:
    explained = set(re.findall(r"`(\w+?)`", HOW.read_text("utf-8")))
    ops = {
        kind.__struct_config__.tag
        for union in (msg.FromWorker, msg.ToWorker)
        for kind in union.__args__
    }
    assert ops - explained == set()


@pytest.mark.parametrize(
    "failure",
    [
        ProfileError("has a home that cannot be written: …", profile="x"),
        WorkerStartError("any"),
        HermesUpdated("any"),
        Timeout("any", phase="start", seconds=60),
        WorkerDied("any"),
        WorkerOverLimit("any", limit="memory_bytes", allowed=600_000_000),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_the_notices_are_the_codes(failure: RouterError) -> None:
    text = notice(failure, "id").removesuffix(" [id]").removesuffix(".")
    assert text in HOW.read_text("utf-8")


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("hermes/message_handler.py", "Nobody answers here until that is fixed."),
        ("turns/notices.py", "⚠️ Too many messages are waiting (limits.queue: "),
        ("hermes/message_handler.py", "⏳ This agent is draining for a maintenance action"),
        ("hermes/install.py", "routing is CLOSED"),
        ("turns/worker/watchdog.py", "the worker exceeded timeouts."),
        ("turns/worker/watchdog.py", "the worker exceeded limits."),
        ("turns/notifier.py", "reached limits.open_files"),
        ("turns/notices.py", "could not open more files"),
        ("workers/process.py", "the worker broke the protocol: "),
        ("config/watcher.py", "nothing is routed"),
        ("config/watcher.py", "the last good one stays in force"),
    ],
)
def test_quoted_texts_are_the_codes(module: str, text: str) -> None:
    assert text in HOW.read_text("utf-8")
    assert text in (ROOT / "hermes_router" / module).read_text("utf-8")
