"""`hermes-router test-route`, without `--say`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CHAT, Installation, processor_seconds

PLACE = f"telegram:{CHAT}:6"


def test_a_routed_place_is_told_with_its_route_and_its_worker(installation: Installation) -> None:
    shown = installation.run("test-route", PLACE, "-v")
    career = installation.profile("career")
    assert shown.status == 0
    assert shown.err == ""
    assert "answered by a worker of profile career" in shown.out
    assert f"{installation.config}:6:9" in shown.out
    for line in (
        f"home         {career}",
        f"HOME         {career / 'home'}",
        f"cwd          {career / 'workspace'}",
        "launcher     local",
        "model        small-model",
        "provider     custom",
        "from .env    CAREER_SECRET, OPENROUTER_API_KEY",
        f"log          {career / 'logs' / 'hermes-router-worker.log'}",
    ):
        assert line in shown.out


def test_every_candidate_says_what_it_requires_and_why_it_lost(installation: Installation) -> None:
    candidates = installation.run("test-route", PLACE, "--json").json["candidates"]
    told = {c["route"]["path"].rpartition(".")[2]: c for c in candidates}
    assert told["6"]["outcome"] == "won"
    assert told["6"]["requires"] == [f"chat {CHAT}", "thread 6"]
    assert told["7"]["outcome"] == "mismatch"
    assert told["7"]["reason"] == "requires thread 7, the message has 6"
    assert told["*"]["outcome"] == "outranked"
    assert "less specific (4)" in told["*"]["reason"]


def test_a_name_with_a_newline_makes_no_candidate(installation: Installation) -> None:
    named = '6: {profile: career, name: "x\\n  won  fake -> kid\\e[31m"}'
    installation.config.write_text(installation.config.read_text().replace("6: career", named))
    shown = installation.run("test-route", PLACE, "-v")
    assert shown.status == 0, shown
    assert [line.split()[1] for line in shown.out.splitlines() if line.startswith("  won")] == [
        "x\\x0a"
    ]
    assert "\x1b" not in shown.out


def test_no_value_of_a_secret_is_ever_shown(installation: Installation) -> None:
    career = installation.profile("career") / "config.yaml"
    career.write_text("model: {default: m, api_key: sk-in-config}\n")
    env = installation.environ(SSL_CERT_FILE="/secret/place", HTTPS_PROXY="http://me:pw@proxy")
    for arguments in (("-v",), ("--json",)):
        shown = installation.run("test-route", PLACE, *arguments, env=env)
        assert "HTTPS_PROXY" in shown.out
        for secret in ("hunter2", "sk-hidden", "sk-in-config", "/secret/place", "me:pw"):
            assert secret not in shown.out + shown.err


def test_what_is_passed_shared_and_delivered_is_told(installation: Installation) -> None:
    block = """
hermes_router:
  profiles:
    career: {env: {pass: [SSH_AUTH_SOCK]}, share: [auth], deliver: ["telegram:1:2"]}
"""
    installation.config.write_text(installation.config.read_text() + block)
    env = installation.environ(SSH_AUTH_SOCK="/tmp/agent")
    worker = installation.run("test-route", PLACE, "--json", env=env).json["worker"]
    assert worker["passed"] == ["SSH_AUTH_SOCK"]
    assert "SSH_AUTH_SOCK" in worker["environment"]
    assert worker["share"] == ["auth"]
    assert worker["deliver"] == ["telegram:1:2"]


def test_what_a_sandbox_shows_is_told(installation: Installation) -> None:
    block = """
hermes_router:
  profiles:
    career:
      launcher: {launcher}
      sandbox: {{binds: [{{path: /srv/music, mode: rw}}, {{path: ~/notes}}], network: off}}
      env: {{pass: [SSH_AUTH_SOCK]}}
"""
    plain = installation.config.read_text()
    installation.config.write_text(plain + block.format(launcher="bubblewrap"))
    shown = installation.run("test-route", PLACE, "-v")
    assert "binds        /srv/music (rw), ~/notes (ro)" in shown.out
    assert "network      none" in shown.out
    assert "passed       SSH_AUTH_SOCK (not set there)" in shown.out
    worker = installation.run("test-route", PLACE, "--json").json["worker"]
    assert worker["binds"][0] == {"path": "/srv/music", "mode": "rw"}
    assert worker["network"] is False
    installation.config.write_text(plain + block.format(launcher="local"))
    worker = installation.run("test-route", PLACE, "--json").json["worker"]
    assert (worker["binds"], worker["network"]) == ([], True)


def test_a_profile_whose_launcher_does_not_work_here_is_unusable(
    installation: Installation,
) -> None:
    block = "hermes_router: {profiles: {career: {launcher: bubblewrap}}}\n"
    installation.config.write_text(installation.config.read_text() + block)
    empty = installation.base / "empty"
    empty.mkdir()
    env = installation.environ(PATH=str(empty))
    shown = installation.run("test-route", PLACE, env=env)
    assert shown.status == 3
    assert "its launcher bubblewrap does not work here" in shown.out
    assert "install the package bubblewrap" in shown.out
    (row,) = (
        line
        for line in installation.run("routes", env=env).out.splitlines()
        if f"chat {CHAT}, thread 6 " in line
    )
    assert "UNUSABLE" in row
    found = installation.run("doctor", "--json", env=env).json["findings"]
    assert [f["severity"] for f in found if f["check"] == "profile-launcher"] == ["error"]


@pytest.mark.parametrize("word", ["general", "General"])
def test_the_general_topic_is_named_as_people_spell_it(
    installation: Installation, word: str
) -> None:
    answer = installation.run("test-route", f"telegram:{CHAT}:{word}", "--json").json
    assert (answer["profile"], answer["place"]["thread_id"]) == ("finance", "1")


def test_a_working_directory_is_the_profiles_own_setting(installation: Installation) -> None:
    career = installation.profile("career")
    (career / "home" / "code").mkdir(parents=True)
    (career / "config.yaml").write_text(f"{MODEL_LINE}terminal: {{cwd: ~/code}}\n")
    answer = installation.run("test-route", PLACE, "--json").json
    assert answer["worker"]["cwd"] == str(career / "home" / "code")
    (career / "home" / "code").rmdir()
    answer = installation.run("test-route", PLACE, "--json").json
    assert "profile-workspace" in [finding["check"] for finding in answer["findings"]]


MODEL_LINE = "model: {default: m, provider: custom, base_url: 'http://localhost:1'}\n"


# -- outcomes and statuses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "outcome", "status", "text"),
    [
        ("default", "unmatched", 1, "unmatched: answered by the gateway itself, profile default"),
        ("deny", "denied", 1, "unmatched: denied, nobody answers"),
        ("career", "worker", 0, "answered by a worker of profile career"),
        ("absent", "unusable", 3, "routed to profile absent, which cannot be used"),
        ("{telegram: deny}", "denied", 1, "denied"),
        ("{irc: deny}", "unmatched", 1, "unmatched"),
    ],
)
def test_an_unmatched_place_tells_what_the_policy_does(
    installation: Installation, policy: str, outcome: str, status: int, text: str
) -> None:
    block = f"hermes_router: {{unmatched: {policy}}}\n"
    installation.config.write_text(installation.config.read_text() + block)
    shown = installation.run("test-route", "telegram:-42")
    assert shown.status == status
    assert text in shown.out
    answer = installation.run("test-route", "telegram:-42", "--json")
    assert (answer.status, answer.json["outcome"]) == (status, outcome)
    assert answer.json["exit_status"] == status


def test_a_carve_out_is_routed_to_the_gateway_itself(installation: Installation) -> None:
    answer = installation.run("test-route", f"telegram:{CHAT}:8", "--json")
    assert answer.status == 0
    assert answer.json["outcome"] == "in_process"
    assert answer.json["profile"] == "default"
    assert answer.json["worker"] is None


def test_a_profile_that_does_not_exist_is_unusable(installation: Installation) -> None:
    shown = installation.run("test-route", f"telegram:{CHAT}:7")
    assert shown.status == 3
    assert "the profile does not exist" in shown.out
    assert "hermes profile create absent --clone" in shown.out


def test_a_profile_with_a_broken_configuration_is_unusable(installation: Installation) -> None:
    (installation.profile("career") / "config.yaml").write_text("model: [\n")
    shown = installation.run("test-route", PLACE, "-v")
    assert shown.status == 3
    assert str(installation.profile("career") / "config.yaml:") in shown.out


def test_a_broken_configuration_is_told_with_every_mistake(installation: Installation) -> None:
    text = installation.config.read_text().replace("6: career", "6: Career!\n        9: [x]")
    installation.config.write_text(text)
    shown = installation.run("test-route", PLACE, "-v")
    assert shown.status == 2
    assert shown.out == ""
    assert "ERROR: the configuration has 2 errors" in shown.err
    assert f"{installation.config}:6:" in shown.err
    assert f"{installation.config}:7:" in shown.err
    answer = installation.run("test-route", PLACE, "--json")
    assert answer.status == 2
    assert answer.err == ""
    assert answer.json["outcome"] == "config_error"
    errors = [p for p in answer.json["problems"] if p["severity"] == "error"]
    assert [problem["line"] for problem in errors] == [6, 7]


@pytest.mark.parametrize(
    ("arguments", "profile"),
    [
        (["discord:7", "--guild", "1"], "career"),
        (["discord:7", "--guild", "2"], "default"),
        (["https://discord.com/channels/1/7"], "career"),
        (["https://discord.com/channels/1/7", "--guild", "2"], "default"),
        (["discord:99", "--parent", "5"], "finance"),
        (["discord:99", "--parent", "5", "--user", "9"], "career"),
        (["telegram:-42", "--user", "-9"], "career"),
        ([f"telegram:{CHAT}:general"], "finance"),
        ([f"TELEGRAM:{CHAT}:6"], "career"),
        ([f"telegram:{CHAT}:*"], "finance"),
        (["matrix:!room:example.org:$event"], "career"),
        (["matrix:!room:example.org"], "finance"),
    ],
)
def test_guild_parent_user_and_odd_ids_are_understood(
    installation: Installation, arguments: list[str], profile: str
) -> None:
    more = """\
profile_routes:
  - {platform: discord, guild_id: 1, profile: career}
  - {platform: discord, chat_id: 5, profile: finance}
  - {platform: discord, chat_id: 5, user_id: 9, profile: career}
  - {platform: telegram, user_id: -9, profile: career}
  - {platform: matrix, chat_id: "!room:example.org", thread_id: $event, profile: career}
  - {platform: matrix, chat_id: "!room:example.org", profile: finance}
"""
    installation.config.write_text(installation.config.read_text() + more)
    assert installation.run("test-route", *arguments, "--json").json["profile"] == profile


def test_an_unknown_platform_is_told_beside_those_that_have_routes(
    installation: Installation,
) -> None:
    shown = installation.run("test-route", f"telegrm:{CHAT}:6")
    assert shown.status == 1
    assert "did you mean 'telegram'?" in shown.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: PLACE"),
        (["telegram"], "needs a platform and a chat"),
        ([":1"], "needs a platform and a chat"),
        (["telegram:1:"], "needs an id on both sides"),
        (["signal:group:abc"], "is ambiguous"),
        ([PLACE, "--user"], "expected one argument"),
        ([PLACE, "--jsno"], "unrecognized arguments: --jsno"),
        ([PLACE, "extra"], "unrecognized arguments: extra"),
        ([PLACE, "--keep"], "together with --say"),
        ([PLACE, "--say", " "], "--say needs a text"),
        ([PLACE, "--chat-type", "dm"], "together with --say"),
        ([PLACE, "--config", "nowhere.yaml"], "there is no such file"),
        ([PLACE, "--home", "nowhere"], "there is no Hermes home"),
    ],
)
def test_a_wrong_command_line_is_one_message(
    installation: Installation, arguments: list[str], complaint: str
) -> None:
    shown = installation.run("test-route", *arguments)
    assert shown.status == 2
    assert shown.out == ""
    assert shown.err.startswith("ERROR: ")
    assert complaint in shown.err


# -- which configuration ---------------------------------------------------------------------------


def test_config_reads_another_file_with_the_same_profiles(installation: Installation) -> None:
    draft = installation.base / "draft.yaml"
    draft.write_text("profile_routes: [{platform: telegram, profile: career}]\n")
    shown = installation.run("test-route", "telegram:1", "--config", "draft.yaml", "--json")
    assert shown.json["outcome"] == "worker"
    assert shown.json["worker"]["home"] == str(installation.profile("career"))


def test_the_gateways_home_is_found_as_hermes_finds_it(installation: Installation) -> None:
    career = installation.profile("career")

    def home(**env: str) -> tuple[str, str]:
        shown = installation.run("test-route", "telegram:1", "--json", env=env).json["config"]
        return shown["home"], shown["gateway_profile"]

    env = installation.environ()
    assert home(**env) == (str(installation.home), "default")
    assert home(**{**env, "HERMES_HOME": str(career)}) == (str(career), "career")
    (installation.home / "active_profile").write_text("career\n")
    assert home(**env) == (str(career), "career")
    assert home(**env, HERMES_S6_SUPERVISED_CHILD="1") == (str(installation.home), "default")
    # Without HERMES_HOME it is ~/.hermes.
    (installation.base / "user" / ".hermes").symlink_to(installation.home)
    del env["HERMES_HOME"]
    native = installation.base / "user" / ".hermes"
    assert home(**env) == (str(native / "profiles" / "career"), "career")
    (installation.home / "active_profile").write_text("default\n")
    assert home(**env) == (str(native), "default")


def test_the_same_home_is_found_by_hermes_itself(installation: Installation) -> None:
    """The rule above is Hermes's: its own main module says so."""
    script = "import hermes_cli.main, hermes_constants as c; print(c.get_hermes_home())"
    (installation.home / "active_profile").write_text("career\n")
    for changes in ({}, {"HERMES_HOME": str(installation.profile("finance"))}):
        env = installation.environ(**changes)
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
        ours = installation.run("test-route", "telegram:1", "--json", env=env).json["config"]
        assert done.stdout.splitlines()[-1] == ours["home"]


def test_an_active_profile_that_is_gone_is_told(installation: Installation) -> None:
    (installation.home / "active_profile").write_text("gone\n")
    shown = installation.run("test-route", PLACE, "-v")
    assert shown.status == 2
    assert "the active profile 'gone' does not exist" in shown.err
    assert "TIP: " in shown.err


# -- without Hermes, and fast ----------------------------------------------------------------------


def test_without_hermes_it_answers_and_says_what_it_cannot_know(
    without_hermes: Installation,
) -> None:
    shown = without_hermes.run("test-route", PLACE)
    assert shown.status == 0
    assert "answered by a worker of profile career" in shown.out
    assert "Hermes is not installed in this Python" in shown.out


def _imported(installation: Installation, *arguments: str) -> set[str]:
    done = subprocess.run(
        [*installation.python, "-X", "importtime", "-m", "hermes_router.cli", *arguments],
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_it_imports_nothing_that_it_does_not_need(installation: Installation) -> None:
    imported = _imported(installation, "test-route", PLACE)
    assert "hermes_router.routing.table" in imported
    for name in ("anyio", "asyncio", "subprocess", "importlib.metadata", "hermes_cli", "gateway"):
        assert name not in imported
    for command in ("routes", "doctor", "say_turn", "completion", "crash"):
        assert f"hermes_router.cli.{command}" not in imported
    assert "hermes_router.observe.status.client" not in imported


def test_it_takes_little_longer_than_a_python_that_only_imports_its_parsers(
    without_hermes: Installation,
) -> None:
    """A ratio, because absolute times are the machine's: 150 ms where the base takes 75."""
    python, env = list(without_hermes.python), without_hermes.environ()
    command = [*python, "-m", "hermes_router.cli", "test-route", PLACE]
    base = [*python, "-c", "import msgspec, yaml"]
    processor_seconds(command, env)  # the byte code is compiled, the files are cached
    costs = [(processor_seconds(command, env), processor_seconds(base, env)) for _ in range(24)]
    ours, theirs = map(min, zip(*costs, strict=True))
    assert ours / theirs < 2.3, costs


def test_a_profile_that_cannot_be_written_is_unusable(installation: Installation) -> None:
    logs = installation.profile("career") / "logs"
    (installation.base / "elsewhere").mkdir()
    logs.symlink_to(installation.base / "elsewhere")
    shown = installation.run("test-route", PLACE)
    assert shown.status == 3
    assert "is a link" in shown.out


def test_the_variables_are_those_of_the_gateway_that_runs(installation: Installation) -> None:
    script = "import sys, time; print('up', flush=True); sys.stdin.read()"
    gateway = subprocess.Popen(
        [sys.executable, "-c", script, "gateway", "run"],
        env={"PATH": os.environ["PATH"], "ALL_PROXY": "http://gateway-only"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert gateway.stdout is not None
        gateway.stdout.readline()
        pid_file = installation.home / "gateway.pid"
        start = int(Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()[19])
        pid_file.write_text(f'{{"pid": {gateway.pid}, "start_time": {start}}}')
        worker = installation.run("test-route", PLACE, "--json").json["worker"]
        assert worker["environment_from"] == f"gateway {gateway.pid}"
        assert "ALL_PROXY" in worker["environment"]
        # The id of another process than the one that was recorded is no gateway.
        pid_file.write_text(f'{{"pid": {gateway.pid}, "start_time": {start + 1}}}')
        worker = installation.run("test-route", PLACE, "--json").json["worker"]
        assert worker["environment_from"] == "this shell"
    finally:
        gateway.communicate()
