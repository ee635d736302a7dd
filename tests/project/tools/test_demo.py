"""The demo does what `make demo` promises, and says so when it does not."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.demo.__main__ import exit_status
from tests.tools.demo.outside import Footprint
from tests.tools.demo.play import Exchange, Observation, lines
from tests.tools.demo.stage import KEYS, MODELS, PLACES, WHERE, WHO, Place
from tests.tools.demo.verdict import World, judge

REPOSITORY = Path(__file__).parents[3]
WORLD = World(Path("/demo"), "token", gateway_pid=100)


@pytest.mark.timeout(900)
def test_the_demo_succeeds_and_leaves_nothing(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "me"), "TMPDIR": str(tmp_path)}
    (tmp_path / "me").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.tools.demo"],
        cwd=REPOSITORY,
        env={**environ, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\033" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["me"]
    assert list((tmp_path / "me").iterdir()) == []
    assert_table(done.stdout)


def assert_table(output: str) -> None:
    """The table has a row per place, with what belongs there."""
    rows = {row[0]: row[1:] for row in (re.split(r"\s{2,}", line) for line in output.splitlines())}
    assert rows["place"] == ["profile", "pid", "model", "HOME", "cwd", "reply"]
    for place in PLACES:
        profile, _pid, model, home, cwd, reply = rows[place.label]
        assert (profile, model) == (place.profile, MODELS[profile])
        if place.routed:
            assert home == f"hermes/profiles/{profile}/home"
            assert cwd == f"hermes/profiles/{profile}/workspace"
        assert re.fullmatch(r"\d+\.\d s", reply)
    pids = [rows[place.label][1] for place in PLACES]
    assert len(set(pids)) == 3
    assert pids[2] == pids[3]


def right(place: Place, pid: int) -> Observation:
    """What is seen in a place when everything is right."""
    said = lines(place)
    answers = {
        "/profile": f"Profile: {place.profile}\nHome: {WORLD.home(place.profile)}",
        next(text for text in said if text.endswith(WHERE)): "My terminal says:\n"
        f"pid={pid}\nHOME={WORLD.tool_home(place.profile)}\ncwd={WORLD.cwd(place.profile)}",
        WHO: f"You are {place.name}.",
    }
    asked = frozenset({(MODELS[place.profile], KEYS[place.profile])})
    return Observation(
        place=place,
        exchanges=[Exchange(place, text, answers[text], 1.0, asked) for text in said],
        posted=tuple(answers[text] for text in said),
        bots=frozenset({WORLD.token}),
        worker_pids=frozenset({pid, pid + 1, pid + 2}) if place.routed else frozenset(),
    )


def all_right() -> list[Observation]:
    return [right(p, 200 + 10 * n if p.routed else 100) for n, p in enumerate(PLACES)]


def wrong_answer(old: str, new: str) -> Callable[[list[Observation]], None]:
    def spoil(seen: list[Observation]) -> None:
        one = seen[0]
        one.exchanges = [
            dataclasses.replace(e, answer=e.answer.replace(old, new)) for e in one.exchanges
        ]

    return spoil


def wrong_key(seen: list[Observation]) -> None:
    stranger = frozenset({("career-model", "key-of-default")})
    seen[0].exchanges[1] = dataclasses.replace(seen[0].exchanges[1], asked=stranger)


def silence(seen: list[Observation]) -> None:
    seen[1].exchanges[0] = dataclasses.replace(seen[1].exchanges[0], answer="")


def one_more_message(seen: list[Observation]) -> None:
    seen[2].posted += ("And by the way",)


def an_answer_twice(seen: list[Observation]) -> None:
    seen[2].posted += seen[2].posted[:1]


def another_bot(seen: list[Observation]) -> None:
    seen[3].bots |= {"other"}


def one_worker_for_all(seen: list[Observation]) -> None:
    seen[0].worker_pids = frozenset({200})


def a_shared_worker(seen: list[Observation]) -> None:
    seen[0].worker_pids |= {seen[1].pid or 0}


def test_right_answers_pass() -> None:
    checks = judge(WORLD, all_right())
    assert [check for check in checks if not check.ok] == []
    assert exit_status(checks) == 0


@pytest.mark.parametrize(
    ("spoil", "claim"),
    [
        (wrong_answer("Profile: career", "Profile: default"), "/profile names"),
        (
            wrong_answer("Home: /demo/hermes/profiles/career", "Home: /demo/hermes"),
            "/profile names",
        ),
        (wrong_answer("career/home", "systems/home"), "HOME and working"),
        (wrong_answer("cwd=", "cwd=/tmp"), "HOME and working"),
        (wrong_answer("pid=200", "pid=100"), "routed places run"),
        (wrong_answer("You are Heron", "You are Heron and Otter"), "each place remembers"),
        (wrong_key, "each profile asked"),
        (silence, "every message was answered"),
        (one_more_message, "every message was answered"),
        (an_answer_twice, "every message was answered"),
        (another_bot, "every message was answered"),
        (one_worker_for_all, "routed places run"),
        (a_shared_worker, "no two places share"),
    ],
)
def test_one_wrong_observation_fails_its_check(
    spoil: Callable[[list[Observation]], None], claim: str
) -> None:
    seen = all_right()
    spoil(seen)
    checks = judge(WORLD, seen)
    failed = [check for check in checks if not check.ok]
    assert failed[0].claim.startswith(claim)
    assert exit_status(checks) == 1


def test_a_demo_without_checks_is_no_success() -> None:
    assert exit_status([]) == 1


def test_only_fresh_files_of_this_run_count_as_strays(tmp_path: Path) -> None:
    folder = tmp_path / "demo-folder"
    folder.mkdir()
    old = tmp_path / "old"
    old.write_text("demo-folder")
    os.utime(old, (1, 1))
    begun = time.time() + 3600  # a change of the inode's time counts as well: look from later on
    footprint = Footprint(begun, (b"demo-folder", b"s3cret"), folder)
    for path in (tmp_path / "snap.sh", tmp_path / "foreign", folder / "own"):
        path.write_text("nothing" if path.name == "foreign" else "export X=s3cret")
        os.utime(path, (begun + 1, begun + 1))
    named = tmp_path / "cache-demo-folder"
    named.touch()
    os.utime(named, (begun + 1, begun + 1))
    assert set(footprint.strays({tmp_path: 2})) == {tmp_path / "snap.sh", named}
