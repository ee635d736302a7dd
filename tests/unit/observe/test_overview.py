"""What `status` and the metrics tell of a router, with values that the tests make up."""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import parser as classic_parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from hermes_router.cli.commands import metrics as metrics_command
from hermes_router.cli.commands import status as status_command
from hermes_router.config.model import load
from hermes_router.config.settings import Settings
from hermes_router.observe.closed import ClosedRouting
from hermes_router.observe.figures import Figures
from hermes_router.observe.metrics import classic
from hermes_router.observe.overview import Overview
from hermes_router.observe.status import messages
from hermes_router.profiles.model import Profile
from hermes_router.relay.relay import refused_calls
from hermes_router.turns.gate import Waiting
from hermes_router.turns.story import OUTCOMES, TurnReport
from hermes_router.workers.memory.memory_watch import Memory, MemoryWatch
from hermes_router.workers.pool import WorkerPool

CHAT = "-1003961179976"
ROOT = Path(__file__).parents[3]
MEGABYTE = 1_000_000


@dataclass
class Router:
    """A router whose parts are real, except that no turn runs and nobody sends a message."""

    home: Path
    pool: WorkerPool = field(default_factory=lambda: WorkerPool({}, budget=0))
    figures: Figures = field(default_factory=Figures)
    waiting: list[Waiting] = field(default_factory=list)
    turns: list[Any] = field(default_factory=list)
    held: list[str] = field(default_factory=list)

    def overview(self) -> Overview:
        dispatcher = SimpleNamespace(turns=self.turns, waiting=self._waiting)
        config = load(self.home / "config.yaml", profile_exists=self._exists)
        watcher = SimpleNamespace(snapshot=config, error=None)
        versions = {"router": "1.0", "hermes": "0.22.2"}
        return Overview(
            self.home,
            cast("Any", watcher),
            cast("Any", dispatcher),
            self.pool,
            self.figures,
            lambda: versions,
            self._holds,
        )

    def _waiting(self, profile: str) -> list[Waiting]:
        return self.waiting if profile == "career" else []

    def _exists(self, profile: str) -> bool:
        return (self.home / "profiles" / profile).is_dir()

    def _holds(self, names: Sequence[str]) -> list[str]:
        return [f"places of {name}: held" for name in self.held if name in names]

    async def profile(self, name: str = "career") -> messages.Profile:
        now = await self.overview().now()
        return next(profile for profile in now.profiles if profile.name == name)

    async def shown(self, capsys: pytest.CaptureFixture[str]) -> str:
        """Return what `hermes-router status` prints; the state crosses the socket's JSON."""
        answer = messages.encode(messages.Answer(status=await self.overview().now()))
        status_command.show(cast("messages.Status", messages.decode_answer(answer).status))
        return capsys.readouterr().out


@pytest.fixture
def router(tmp_path: Path) -> Router:
    for name in ("career", "systems"):
        (tmp_path / "profiles" / name).mkdir(parents=True)
        (tmp_path / "profiles" / name / "SOUL.md").write_text("")
    routes = f"telegram: {{'{CHAT}': {{6: career, 13: systems}}}}"
    (tmp_path / "config.yaml").write_text(f"gateway: {{profile_routes: {{{routes}}}}}\n")
    made = Router(tmp_path)
    made.pool.memory = MemoryWatch(lambda: Memory(free=900 * MEGABYTE, total=1000 * MEGABYTE))
    return made


@pytest.fixture(autouse=True)
def no_refusals() -> Iterator[None]:
    refused_calls.clear()
    yield
    refused_calls.clear()


def report(
    turn: str, outcome: str = "answered", profile: str = "career", **fields: Any
) -> TurnReport:
    at = datetime.now(UTC).isoformat()
    return TurnReport(turn=turn, profile=profile, outcome=outcome, at=at, **fields)


# -- figures ---------------------------------------------------------------------------------------


async def test_waiting_messages_are_counted_with_the_longest_wait(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.monotonic()
    router.waiting = [Waiting(now - 95, "telegram:1:6"), Waiting(now - 4, "telegram:1:7")]
    oldest, newest = (await router.profile()).waiting
    assert 95 <= oldest < 97
    assert 4 <= newest < 6
    shown = await router.shown(capsys)
    assert re.search(r"^career +1 +0/\d+ +2, 9[56]\.\d s", shown, re.MULTILINE), shown
    assert (await router.profile("systems")).waiting == []


async def test_the_places_are_listed_in_which_messages_wait(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.monotonic()
    router.waiting = [Waiting(now - 95 + n, f"telegram:1:{n}") for n in range(12)]
    career = await router.profile()
    told = career.waiting_places
    assert [each.place for each in told] == [f"telegram:1:{n}" for n in range(12)]
    assert 95 <= told[0].seconds < 97
    assert [each.seconds for each in told] == career.waiting
    shown = await router.shown(capsys)
    rows = re.findall(r"^career +(telegram:1:\d+) +(\d\d\.\d) s$", shown, re.MULTILINE)
    assert [place for place, _ in rows] == [f"telegram:1:{n}" for n in range(10)]
    assert shown.splitlines()[-1] == "2 more"
    router.waiting = router.waiting[:10]
    assert " more" not in await router.shown(capsys)


def turn_that(*, waits: bool = False, sends: bool = False) -> Any:
    """Return what the status looks at in a turn that has asked the model."""
    story = SimpleNamespace(
        report=TurnReport(turn="1f0c2a9b", profile="career", place="telegram:1:6"),
        phases=lambda phases: phases,
    )
    return SimpleNamespace(
        id="1f0c2a9b",
        pid=None,
        story=story,
        phases={"start": 0.1, "ready": 0.2, "model_request": 0.3},
        conversation=SimpleNamespace(profile=SimpleNamespace(name="career")),
        resident=False,
        answered=asyncio.Event(),
        age=12.0,
        waits_for_person=waits,
        sends_reply=sends,
    )


@pytest.mark.parametrize(
    ("waits", "phase", "busy"), [(True, "asks a person", 0), (False, "model_request", 1)]
)
async def test_a_turn_that_waits_for_a_person_is_told_from_one_that_works(
    router: Router, capsys: pytest.CaptureFixture[str], waits: bool, phase: str, busy: int
) -> None:
    router.turns = [turn_that(waits=waits)]
    [worker] = (await router.profile()).workers
    assert (worker.waits_for_person, worker.phase) == (waits, "model_request")
    shown = await router.shown(capsys)
    assert re.search(rf"1f0c2a9b +telegram:1:6 +{phase} ", shown), shown
    assert re.search(rf"^career +1 +{busy}/\d", shown, re.MULTILINE), shown


async def test_a_turn_whose_reply_is_being_sent_is_told_from_one_that_asks_the_model(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    router.turns = [turn_that(sends=True)]
    [worker] = (await router.profile()).workers
    assert (worker.role, worker.phase) == ("busy", "sending")
    assert re.search(r"1f0c2a9b +telegram:1:6 +sending ", await router.shown(capsys))


async def test_the_last_failure_is_shown_with_the_turn_whose_log_tells_why(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    router.figures.add(report("0000000a", "timeout", error="silence: 60 s"))
    router.figures.add(report("0000000b", "worker_failed", error="it ended with signal 9"))
    router.figures.add(report("0000000c"))
    failure = (await router.profile()).last_failure
    assert failure is not None
    assert (failure.turn, failure.error) == ("0000000b", "it ended with signal 9")
    shown = await router.shown(capsys)
    assert re.search(r"last failure of career: .* turn 0000000b: .*signal 9", shown)
    assert "hermes-router logs --turn 0000000b" in shown
    assert "0000000a" not in shown


async def test_failures_and_the_slowest_answers_of_today_are_shown(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    for second in range(1, 101):
        router.figures.add(report(f"{second:08x}", seconds=float(second) / 10))
    for second in range(3):
        router.figures.add(report(f"f{second:07x}", "model_failed"))
    today = (await router.profile()).today
    assert (today.turns, today.failed, today.median, today.p95) == (103, 3, 5.1, 9.6)
    shown = await router.shown(capsys)
    assert re.search(r"^career +1 +0/\d+ +103 +3 +5\.1 ?s +9\.6 ?s", shown, re.MULTILINE), shown


async def test_the_last_row_holds_the_sums_of_all_profiles(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    router.waiting = [Waiting(time.monotonic() - 95, "telegram:1:6")]
    router.turns = [turn_that(waits=False)]
    router.figures.add(report("0000000a"))
    router.figures.add(report("0000000b", "model_failed", profile="systems"))
    shown = await router.shown(capsys)
    row = re.search(r"^all +2 +1 +1, 9[56]\.\d s +2 +1 +(\d+ \S+)$", shown, re.MULTILINE)
    assert row, shown
    assert f"{row[1]} in all" in shown
    assert shown.index("\nsystems ") < row.start() < shown.index("kept warm")


async def test_a_single_profile_needs_no_sums(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = f"telegram: {{'{CHAT}': {{6: career}}}}"
    (router.home / "config.yaml").write_text(f"gateway: {{profile_routes: {{{routes}}}}}\n")
    assert not re.search(r"^all ", await router.shown(capsys), re.MULTILINE)


# -- places without an answer ----------------------------------------------------------------------


async def closed(router: Router) -> list[str]:
    return (await router.overview().now()).closed


async def test_nothing_is_closed_while_all_is_well(router: Router) -> None:
    assert await closed(router) == []


async def test_places_are_closed_while_their_workers_cannot_be_started(router: Router) -> None:
    profile = Profile("career", router.home / "profiles" / "career")
    order = router.pool.order(profile, Settings())
    await router.pool.never_ready(order, "the worker ended with status 3")
    assert await closed(router) == []  # a single failure may be chance, and refuses nothing
    await router.pool.never_ready(order, "the worker ended with status 3")
    why = "places of career: its workers cannot be started: the worker ended with status 3"
    assert await closed(router) == [why]
    router.pool.works(profile)
    assert await closed(router) == []


def usable_in(text: str) -> dict[str, float]:
    samples = families(text)["hermes_router_profile_usable"].samples
    return {sample.labels["profile"]: sample.value for sample in samples}


async def test_places_are_closed_while_the_profiles_configuration_cannot_be_read(
    router: Router, caplog: pytest.LogCaptureFixture
) -> None:
    config, overview = router.home / "profiles" / "career" / "config.yaml", router.overview()
    config.write_text("model:\n\tdefault: x\n")
    why = "has a config.yaml that cannot be read; not valid YAML: a tab: YAML allows only spaces"
    for _ in range(3):
        [line] = (await overview.now()).closed
        assert line == f"places of career: the profile {why} here; {config}:2:1"
    assert len(caplog.records) == 1  # the file is read, and its problem logged, once
    assert usable_in(await overview.metrics()) == {"career": 0, "systems": 1}
    config.write_text("model: {default: x}\n")
    assert (await overview.now()).closed == []


@pytest.mark.parametrize("folder", ["home", "workspace", "logs"])
async def test_places_are_closed_while_the_profiles_home_cannot_be_written(
    router: Router, folder: str
) -> None:
    path = router.home / "profiles" / "career" / folder
    path.write_text("a file, where a folder has to be")
    [line] = await closed(router)
    assert line.startswith("places of career: the profile has a home that cannot be written; ")
    assert str(path) in line
    assert usable_in(await router.overview().metrics()) == {"career": 0, "systems": 1}
    path.unlink()
    path.mkdir()
    assert await closed(router) == []


async def test_places_are_closed_while_the_worker_log_is_a_link(router: Router) -> None:
    log = router.home / "profiles" / "career" / "logs" / "hermes-router-worker.log"
    log.parent.mkdir()
    assert await closed(router) == []
    log.write_text("")
    assert await closed(router) == []
    log.rename(router.home / "elsewhere")
    log.symlink_to(router.home / "elsewhere")
    why = "places of career: the profile has a worker log that cannot be written"
    assert await closed(router) == [f"{why}; {log}"]


async def test_every_routed_place_is_closed_while_memory_is_short(router: Router) -> None:
    router.pool.memory = MemoryWatch(lambda: Memory(free=7 * MEGABYTE, total=1000 * MEGABYTE))
    assert await closed(router) == [
        "every routed place: memory is short, only 7 MB are free",
    ]


async def test_what_hermes_holds_back_comes_first(router: Router) -> None:
    router.pool.memory = MemoryWatch(lambda: Memory(free=7 * MEGABYTE, total=1000 * MEGABYTE))
    router.held = ["career", "nobody's"]
    first, second = await closed(router)
    assert first == "places of career: held"
    assert second.startswith("every routed place: memory is short")


def configure(router: Router, text: str) -> None:
    with (router.home / "config.yaml").open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    ("unmatched", "shown", "lines"),
    [
        ("deny", "deny", ["places without a route: unmatched is deny"]),
        ("{irc: deny}", "default; irc: deny", ["irc"]),
        ("{irc: deny, slack: career}", "default; irc: deny; slack: career", ["irc"]),
        ("{irc: deny, slack: deny}", "default; irc: deny; slack: deny", ["irc", "slack"]),
        (
            "{default: deny, irc: career, slack: deny}",
            "deny; irc: career; slack: deny",
            ["places without a route, except on irc: unmatched is deny"],
        ),
        ("{irc: career}", "default; irc: career", []),
    ],
)
async def test_places_without_a_route_are_closed_where_unmatched_is_deny(
    router: Router,
    capsys: pytest.CaptureFixture[str],
    unmatched: str,
    shown: str,
    lines: list[str],
) -> None:
    configure(router, f"hermes_router: {{unmatched: {unmatched}}}\n")
    of_one = "places of {0} without a route: unmatched is deny for {0}"
    wanted = [line if " " in line else of_one.format(line) for line in lines]
    assert await closed(router) == wanted
    printed = await router.shown(capsys)
    assert f"config.yaml: 2 routes, unmatched: {shown}\n" in printed
    assert re.findall(r"^closed: (.*)$", printed, re.MULTILINE) == wanted


async def test_what_is_doubtful_in_the_configuration_is_shown(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "warning" not in await router.shown(capsys)
    configure(router, "hermes_router: {profiles: {carer: {}}}\n")
    shown = await router.shown(capsys)
    assert re.search(r"config\.yaml:2:\d+: warning: .*'carer', but no route leads to it", shown)
    assert "did you mean 'career'?" in shown
    assert " more: " not in shown


async def test_a_profile_that_does_not_exist_is_told_once_and_only_as_long_as_that_holds(
    router: Router,
) -> None:
    home = router.home / "profiles" / "systems"
    home.rename(router.home / "elsewhere")
    overview = router.overview()  # it keeps the configuration that it has read now
    now = await overview.now()
    assert now.configuration.problems == []
    [line] = now.closed
    assert line.startswith(f"places of systems: the profile does not exist; {home}")
    (router.home / "elsewhere").rename(home)
    now = await overview.now()
    assert (now.configuration.problems, now.closed) == ([], [])


async def test_of_many_problems_the_first_are_shown(
    router: Router, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ", ".join(f"other-{number}: {{}}" for number in range(8))
    configure(router, f"hermes_router: {{profiles: {{{names}}}}}\n")
    shown = await router.shown(capsys)
    assert re.findall(r"profile '(other-\d)'", shown) == [f"other-{number}" for number in range(5)]
    assert "\n3 more: hermes-router routes\n" in shown


# -- metrics ---------------------------------------------------------------------------------------


def families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


async def test_the_page_lists_the_metrics_that_there_are_and_no_others(router: Router) -> None:
    emitted = set(families(await router.overview().metrics()))
    page = (ROOT / "docs" / "operating.md").read_text()
    assert set(re.findall(r"^\| `(hermes_router_\w+)`", page, re.MULTILINE)) == emitted


async def test_the_page_lists_the_labels_of_the_metrics(router: Router) -> None:
    router.figures.add(report("0000000a", seconds=1.0, phases={"start": 0.1}))
    found = families(await router.overview().metrics())
    page = (ROOT / "docs" / "operating.md").read_text()
    rows = re.findall(r"^\| `(hermes_router_\w+)`[^|]*\|([^|]*)\|", page, re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    emitted = {
        name: {label for sample in family.samples for label in sample.labels} - {"le"}
        for name, family in found.items()
    }
    assert documented == emitted


async def test_restarts_and_refused_calls_are_counted_for_each_profile(router: Router) -> None:
    router.pool.unexpected_ends.add("career")
    router.pool.unexpected_ends.add("career")
    refused_calls["systems"] += 3
    found = families(await router.overview().metrics())
    counted = {
        (name, sample.labels["profile"]): sample.value
        for name in ("hermes_router_restarts", "hermes_router_refused_calls")
        for sample in found[name].samples
    }
    assert counted == {
        ("hermes_router_restarts", "career"): 2,
        ("hermes_router_restarts", "systems"): 0,
        ("hermes_router_refused_calls", "career"): 0,
        ("hermes_router_refused_calls", "systems"): 3,
    }
    assert found["hermes_router_restarts"].type == "counter"


async def test_what_did_not_happen_yet_is_counted_from_zero(router: Router) -> None:
    """An alert sees no increase in a count that begins with its first failure."""
    router.figures.add(report("0000000a", "timeout", input_tokens=700))
    router.figures.add(report("0000000b", profile="gone"))
    found = families(await router.overview().metrics())
    turns = {
        (sample.labels["profile"], sample.labels["outcome"]): sample.value
        for sample in found["hermes_router_turns"].samples
    }
    zeros = {(name, outcome): 0.0 for name in ("career", "systems") for outcome in OUTCOMES}
    assert turns == zeros | {("career", "timeout"): 1.0, ("gone", "answered"): 1.0}
    tokens = [
        (sample.labels["profile"], sample.labels["kind"], sample.value)
        for sample in found["hermes_router_tokens"].samples
        if sample.labels["profile"] != "gone"
    ]
    assert tokens == [
        *(("career", "input", 700.0), ("career", "output", 0.0)),
        *(("systems", "input", 0.0), ("systems", "output", 0.0)),
    ]


async def test_the_older_text_format_holds_the_same_figures_of_the_same_types(
    router: Router,
) -> None:
    for turn in ("0000000a", "0000000b"):
        router.figures.add(
            report(turn, seconds=1.3, phases={"start": 0.1}, input_tokens=700, output_tokens=20)
        )
    router.pool.unexpected_ends.add("career")
    text = await router.overview().metrics()
    assert "# UNIT " not in text
    open_, older = (
        families(text),
        {
            family.name: family
            for family in classic_parser.text_string_to_metric_families(classic(text))
        },
    )
    assert "EOF" not in classic(text)
    assert older.keys() == open_.keys()
    for name, family in open_.items():
        assert older[name].type == family.type
        assert older[name].documentation == family.documentation
        assert older[name].samples == family.samples
    assert {family.type for family in older.values()} == {"counter", "gauge", "histogram"}


def test_only_lines_that_describe_a_counter_change_in_the_older_format() -> None:
    label = 'hermes_router_turns_total{profile="# TYPE hermes_router_turns counter"} 1'
    text = f"""# TYPE hermes_router_turns counter
# UNIT hermes_router_turns turns
# HELP hermes_router_turns Of hermes_router_turns # EOF
{label}
# TYPE hermes_router_routes gauge
# EOF
"""
    assert (
        classic(text)
        == f"""# TYPE hermes_router_turns_total counter
# HELP hermes_router_turns_total Of hermes_router_turns # EOF
{label}
# TYPE hermes_router_routes gauge
"""
    )


def test_the_file_has_the_older_format_and_the_output_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "# TYPE hermes_router_turns counter\nhermes_router_turns_total 1\n# EOF\n"
    answer = messages.Answer(metrics=text)
    monkeypatch.setattr(metrics_command, "ask", lambda _home, _what: answer)
    file = tmp_path / "hermes_router.prom"
    for output in (str(file), None):
        assert metrics_command.run(argparse.Namespace(home=str(tmp_path), output=output)) == 0
    assert file.read_text() == classic(text)
    assert capsys.readouterr().out == text


# -- a gateway without a router --------------------------------------------------------------------


async def test_a_gateway_without_a_router_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = await ClosedRouting(tmp_path, "this Hermes lacks x")._answer(messages.Ask())
    now = answered.status
    assert now is not None
    assert now.routing_closed == "this Hermes lacks x"
    assert now.closed == ["every routed place: this Hermes lacks x"]
    status_command.show(now)
    shown = capsys.readouterr().out
    assert "running for" in shown
    assert "routing is closed: this Hermes lacks x" in shown
    assert "no profile is routed yet" not in shown


async def test_the_metrics_say_whether_routing_is_closed(router: Router) -> None:
    closed_router = ClosedRouting(router.home, "this Hermes lacks x")
    text = (await closed_router._answer(messages.Ask(ask="metrics"))).metrics
    assert text is not None
    alive = families(await router.overview().metrics())
    told = [
        all_["hermes_router_routing_closed"].samples[0].value for all_ in (families(text), alive)
    ]
    assert told == [1, 0]
    assert set(families(text)) == set(alive)


def test_a_status_of_an_older_router_can_be_read() -> None:
    old = msgspec.json.encode({"status": {"pid": 1, "home": "/h", "uptime": 2.0}})
    assert messages.decode_answer(old).status == messages.Status(pid=1, home="/h", uptime=2.0)


async def test_a_client_of_an_older_router_can_read_the_status(router: Router) -> None:
    """It knows the fields of the first version; further ones must not disturb it."""
    worker = msgspec.defstruct("Worker", [("pid", int), ("role", str), ("phase", str)])
    fields = [("name", str), ("workers", list[worker]), ("waiting", list[float])]  # type: ignore[valid-type]
    profile = msgspec.defstruct("Profile", fields)
    status = msgspec.defstruct("Status", [("pid", int), ("profiles", list[profile])])  # type: ignore[valid-type]
    answer = msgspec.defstruct("Answer", [("status", status)])
    router.waiting = [Waiting(time.monotonic() - 3, "telegram:1:6")]
    router.turns = [turn_that(waits=True)]
    told = messages.encode(await router.overview().answer(messages.Ask()))
    read: Any = msgspec.json.decode(told, type=answer)
    career = read.status.profiles[0]
    assert (career.name, career.workers[0].phase) == ("career", "model_request")
    assert 3 <= career.waiting[0] < 5
