"""What `hermes-router doctor` finds, with an answer of Hermes that the test makes up."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from hermes_router.cli import parser
from hermes_router.cli.commands import doctor, enable
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.checks import ask
from hermes_router.cli.inspect.checks.ask import Answer
from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.homes import gateway_home
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.cli.status import CommandError

ROUTES = """\
profile_routes:
  - {platform: telegram, chat_id: 1, profile: career}
  - {platform: telegram, chat_id: 2, profile: absent}
  - {platform: telegram, chat_id: 3, profile: linked}
"""
FINE: dict[str, Any] = {
    "hermes": "0.22.2",
    "missing": [],
    "swapped": True,
    "plugin": {"source": "entry point", "error": ""},
    "isolation": "",
    "unreadable": {},
    "newer": {},
    "libraries": {"telegram": True, "discord": False},
    "platforms": ["telegram", "discord"],
}
TAG = "could not determine a constructor for the tag '!secret'"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "profiles" / "career").mkdir(parents=True)
    (root / "profiles" / "career" / "SOUL.md").write_text("")
    (root / "profiles" / "linked").symlink_to("career")
    (root / "config.yaml").write_text(ROUTES)
    return root


@pytest.fixture
def loaded(home: Path) -> Loaded:
    return loading.load(str(home), offline=True)


def answers(**changes: Any) -> dict[str, Answer]:
    return {"gateway": Answer({**FINE, **changes}), "worker": Answer({})}


def wrong(found: list[Finding], check: str) -> Finding:
    (finding,) = (f for f in found if f.check == check and f.severity in {"error", "warning"})
    return finding


def test_nothing_is_wrong_with_a_hermes_that_is_fine(loaded: Loaded) -> None:
    assert {finding.severity for finding in ask.look(loaded, answers())} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "check", "what", "mend"),
    [
        (
            {"isolation": "host", "swapped": False},
            "plugin-loads",
            "plugins.isolation is host: plugins run in another process",
            "HERMES_HOME={home} hermes config set plugins.isolation off",
        ),
        (
            {"libraries": {"telegram": False}},
            "platform-library",
            "the library of the platform telegram is missing: no message can arrive",
            "HERMES_HOME={home} hermes gateway setup",
        ),
        (
            {"swapped": False, "plugin": None},
            "plugin-loads",
            "Hermes does not find the plugin",
            "install it again: ",
        ),
        (
            {"swapped": False, "plugin": {"source": "", "error": "ValueError: no such thing"}},
            "plugin-loads",
            "Hermes does not load the plugin: ValueError: no such thing",
            "hermes-router enable --home {home}; else see {home}/logs/agent.log",
        ),
        (
            {"swapped": False},
            "plugin-loads",
            "Hermes does not load the plugin: Hermes gives no reason",
            "hermes-router enable --home {home}; else see {home}/logs/agent.log",
        ),
        (
            {"missing": ["gateway.run.GatewayRunner._gone"]},
            "seams",
            "this Hermes (0.22.2) lacks gateway.run.GatewayRunner._gone; routing is off",
            "install a Hermes that hermes-router supports",
        ),
        (
            {"platforms": ["discord"]},
            "config-unknown-platform",
            "'telegram'",
            "discord",
        ),
    ],
)
def test_an_answer_of_hermes_that_is_wrong_is_told(
    loaded: Loaded, home: Path, changes: dict[str, Any], check: str, what: str, mend: str
) -> None:
    finding = next(f for f in ask.look(loaded, answers(**changes)) if f.check == check)
    assert finding.severity == "error"
    assert what in finding.what
    assert mend.format(home=home) in finding.mend
    assert finding.where
    assert finding.profile is None


@pytest.mark.parametrize(
    ("file", "profile"), [("config.yaml", None), ("profiles/career/config.yaml", "career")]
)
def test_a_file_that_hermes_ignores_because_of_a_tag_is_told_with_its_profile(
    loaded: Loaded, home: Path, file: str, profile: str | None
) -> None:
    path = str(home / file)
    finding = wrong(list(ask.look(loaded, answers(unreadable={path: TAG}))), "config-ignored")
    assert (finding.severity, finding.where, finding.profile) == ("error", path, profile)
    assert finding.what == f"Hermes cannot read it and ignores all of it: {TAG}"


def test_long_words_of_hermes_about_a_file_are_cut_and_a_known_mistake_is_not_told_again(
    loaded: Loaded, home: Path
) -> None:
    path = home / "config.yaml"
    long = {str(path): f"{TAG} " * 9}
    finding = wrong(list(ask.look(loaded, answers(unreadable=long))), "config-ignored")
    assert len(finding.what) < 210
    assert finding.what.endswith(" …")
    path.write_text("profile_routes: [\n")
    assert all(f.check != "config-ignored" for f in ask.look(loaded, answers(unreadable=long)))


def test_a_process_that_gives_no_answer_is_told(loaded: Loaded, home: Path) -> None:
    silent = {"gateway": Answer(trouble="no answer within 120 s"), "worker": Answer({})}
    (finding,) = ask.look(loaded, silent)
    assert finding.what == "Hermes could not be checked: no answer within 120 s"
    assert finding.mend.startswith(f"HERMES_HOME={home} hermes doctor")


def test_a_home_that_is_a_link_is_told_with_both_steps_of_the_fix(
    loaded: Loaded, home: Path
) -> None:
    found = [f for f in doctor.look(loaded, answers()) if f.profile == "linked"]
    (finding,) = found
    assert (finding.check, finding.severity) == ("profile-exists", "error")
    assert "a link to another profile's home or to the root" in finding.what
    create = f"HERMES_HOME={home} hermes profile create linked --clone"
    assert finding.mend == f"rm {home / 'profiles' / 'linked'}; {create}"


def test_what_was_left_of_a_home_is_to_be_moved_aside(loaded: Loaded, home: Path) -> None:
    (home / "profiles" / "absent" / "cache").mkdir(parents=True)
    found = [f for f in doctor.look(loaded, answers()) if f.profile == "absent"]
    (finding,) = (f for f in found if f.check == "profile-exists")
    assert "does not exist any more" in finding.what
    left = home / "profiles" / "absent"
    assert (
        finding.mend
        == f"mv {left} {left}.left; HERMES_HOME={home} hermes profile create absent --clone"
    )


# -- the fixes -------------------------------------------------------------------------------------

#: A command of Hermes with the words before it, and a command of ours.
_HERMES = re.compile(r"(?:HERMES_HOME=\S+ )?\bhermes (?:-p \S+ )?(?!home|root)[a-z]+")
_OURS = re.compile(r"\bhermes-router [a-z]+[^;&,]*")


@pytest.mark.parametrize("config", [ROUTES, "plugins: {enabled: [other]}\n", "a: [\n"])
def test_every_command_of_a_fix_names_the_home_that_was_named(home: Path, config: str) -> None:
    (home / "config.yaml").write_text(config)
    loaded = loading.load(str(home), offline=True)
    changes: dict[str, Any] = {"swapped": False, "libraries": {"telegram": False}}
    found = [
        *doctor.look(loaded, answers(**changes)),
        *doctor.look(loaded, answers(isolation="host")),
    ]
    hermes = [text for f in found for text in _HERMES.findall(f.mend)]
    ours = [text for f in found for text in _OURS.findall(f.mend)]
    assert all(text.startswith(f"HERMES_HOME={home} hermes ") for text in hermes), hermes
    assert all(f" --home {home}" in text for text in ours), ours
    assert ours


def test_no_route_is_told_with_the_command_for_this_home(home: Path) -> None:
    (home / "config.yaml").write_text("{}\n")
    loaded = loading.load(str(home), offline=True)
    finding = wrong(list(doctor.look(loaded, answers())), "routes")
    assert f"hermes-router route add PLACE PROFILE --home {home}, or" in finding.mend


# -- what is printed -------------------------------------------------------------------------------


def test_findings_are_grouped_by_profile_and_errors_come_first(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    career = home / "profiles" / "career"
    career.chmod(0o755)
    file = str(career / "config.yaml")
    monkeypatch.setattr(ask, "probe", lambda _: answers(unreadable={file: TAG}))
    options = parser.build_parser().parse_args(["doctor", "--home", str(home), "--offline"])
    assert doctor.run(options) == 1
    _, *groups = re.split(r"\n\n(?=gateway|profile )", capsys.readouterr().out)
    heads = [group.splitlines()[0] for group in groups]
    assert heads == ["gateway", "profile career", "profile absent", "profile linked"]
    for group in groups:
        words = re.findall(r"^  (error|warning) ", group, re.MULTILINE)
        assert words == sorted(words), group
    assert TAG in groups[1]
    assert "its mode is 0755" in groups[1]
    assert TAG not in groups[0] + groups[2] + groups[3]


def test_the_answer_for_programs_counts_what_it_lists(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ask, "probe", lambda _: answers())
    options = parser.build_parser().parse_args(
        ["doctor", "--home", str(home), "--offline", "--json"]
    )
    doctor.run(options)
    answer = json.loads(capsys.readouterr().out)
    listed = [finding["severity"] for finding in answer["findings"]]
    assert answer["counts"] == {word: listed.count(word) for word in answer["counts"]}
    assert sum(answer["counts"].values()) == len(listed)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("not enabled in config (run `hermes plugins enable hermes-router`)", []),
        ("disabled via config", []),
        ("ValueError: no such thing", ["plugin-loads"]),
    ],
)
def test_a_plugin_that_is_only_switched_off_is_one_error(
    home: Path, reason: str, told: list[str]
) -> None:
    loaded = loading.load(str(home), offline=True)
    off = answers(swapped=False, plugin={"source": "", "error": reason})
    found = [finding.check for finding in doctor.look(loaded, off) if finding.severity == "error"]
    assert [check for check in found if check.startswith("plugin-")] == ["plugin-enabled", *told]
    (home / "config.yaml").write_text(f"{ROUTES}plugins: {{enabled: [hermes-router]}}\n")
    loaded = loading.load(str(home), offline=True)
    assert "plugin-loads" in [f.check for f in doctor.look(loaded, off) if f.severity == "error"]


@pytest.mark.parametrize("lists", ["{disabled: [hermes-router]}", "{enabled: []}"])
def test_a_plugin_that_hermes_does_not_load_is_told_with_commands_that_make_it(
    home: Path, lists: str
) -> None:
    (home / "config.yaml").write_text(f"{ROUTES}plugins: {lists}\n")
    loaded = loading.load(str(home), offline=True)
    finding = wrong(list(doctor.look(loaded, answers())), "plugin-enabled")
    assert finding.mend == (
        f"hermes-router enable --home {home} && HERMES_HOME={home} hermes gateway restart"
    )


@pytest.mark.parametrize("config", ["plugins: [\n", None])
def test_a_file_that_cannot_be_read_is_one_error_and_not_a_plugin_to_enable(
    home: Path, config: str | None
) -> None:
    """``hermes-router enable`` would meet the same error."""
    file = home / "config.yaml"
    file.unlink()
    if config is None:
        file.mkdir()
    else:
        file.write_text(config)
    off = {"source": "entry point", "error": "not enabled in config (run ...)"}
    answer = answers(swapped=False, plugin=off)
    found = list(doctor.look(loading.load(str(home), offline=True), answer))
    told = [finding.check for finding in found if finding.severity == "error"]
    assert len(told) == 1, found
    assert told[0].startswith("config-")


def test_a_dangling_link_is_told_as_the_reason(home: Path) -> None:
    (home / "config.yaml").unlink()
    (home / "config.yaml").symlink_to(home / "gone" / "config.yaml")
    found = list(doctor.look(loading.load(str(home), offline=True), answers()))
    finding = wrong(found, "plugin-enabled")
    assert f"is a link to {home / 'gone' / 'config.yaml'}, which does not exist" in finding.what
    with pytest.raises(CommandError, match="the folder of that file does not exist") as caught:
        enable.switch_on(gateway_home(str(home)))
    assert caught.value.hint.endswith(f"rm {home / 'config.yaml'}")


@pytest.mark.parametrize("blocked", ["", "profiles/career"])
def test_hermes_is_not_asked_about_a_file_that_it_would_wait_for(
    home: Path, blocked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(_environment: object, _module: str, *files: str) -> Answer:
        asked.extend(files)
        return Answer()

    monkeypatch.setattr(ask, "_ask", answer)
    file = home / blocked / "config.yaml"
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    loaded = loading.load(str(home), offline=True)
    found = ask.probe(loaded)
    assert str(file) not in asked
    assert (found == {}) is (blocked == "")
    assert (asked == []) is (blocked == "")
    if not found:
        checks = [finding.check for finding in doctor.look(loaded, found)]
        assert "hermes" not in checks
        assert "not-checked" in checks


def test_a_missing_profile_is_told_also_where_the_file_has_another_error(home: Path) -> None:
    """The profiles are not looked at then: without this, it is the next error."""
    (home / "config.yaml").write_text(f"{ROUTES}hermes_router: {{unmatch: deny}}\n")
    found = list(doctor.look(loading.load(str(home), offline=True), answers()))
    told = [finding.check for finding in found if finding.severity == "error"]
    assert told.count("config-missing-profile") == 2
    assert "config-unknown-key" in told
