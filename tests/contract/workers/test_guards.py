"""Hermes's own guards are never weaker in a worker than in an unrouted conversation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_router.profiles.model import Profile, worker_environment
from tests.kit.probes.asked_guards import ALLOWED, REFUSES
from tests.kit.roots.homes import LOGIN_KEYS, create_profile_layout
from tests.kit.roots.ordinary_user import ROOT, as_ordinary_user, obstacle

Question = tuple[str, str]

IN_THE_USERS_HOME = (
    *(".ssh/id_ed25519", ".ssh/id_rsa", LOGIN_KEYS, ".ssh/config", ".ssh/known_hosts"),
    *(".aws/credentials", ".aws/config", ".gnupg/private.key", ".kube/config"),
    *(".docker/config.json", ".azure/token.json", ".config/gh/hosts.yml"),
    *(".config/gcloud/credentials.db", ".netrc", ".pgpass", ".npmrc", ".pypirc"),
    *(".git-credentials", ".bashrc", ".profile", ".zshrc", "project/.env"),
)
IN_A_HERMES_HOME = (
    *(".env", "config.yaml", "auth.json", ".anthropic_oauth.json", "state.db"),
    *("google_token.json", "mcp-tokens/server.json", "pairing/telegram.json"),
    *("sessions/one.json", "auth/google_oauth.json", "webhook_subscriptions.json"),
)
FILE_WAYS = ("media", "write", "read", "reference")
COMMANDS = (
    *(f"echo x >> {{user}}/{LOGIN_KEYS}", "echo x >> {user}/.bashrc"),
    *("tee {user}/.netrc < x", "echo x > {user}/.npmrc", "cp x {user}/.ssh/config"),
    *("rm -rf {user}", "rm -rf {user}/", "rm -rf {user}/*", "sed -i s/a/b/ {user}/.profile"),
    *("sed -i s/a/b/ {hermes}/.env", "echo approvals >> {hermes}/config.yaml"),
    *("cp x {hermes}/.env", "tee {hermes}/config.yaml < x", "sed -i s/a/b/ {hermes}/config.yaml"),
    *("hermes gateway restart", "hermes gateway stop", "pkill -f hermes", "rm -fr /"),
)


class Machine:
    """An account with a HOME, and in it a Hermes root with two profiles."""

    def __init__(self, base: Path, *, ordinary: bool) -> None:
        self.base = base
        self.ordinary = ordinary
        self.user = base / "users" / "alice"
        self.root = self.user / ".hermes"
        self.career = self.root / "profiles" / "career"
        self.systems = self.root / "profiles" / "systems"
        for home in (self.career, self.systems):
            create_profile_layout(home)
        for home in (self.root, self.career, self.systems):
            (home / "config.yaml").write_text("model: {}\n")
            self._fill(home, IN_A_HERMES_HOME)
        for user in (self.user, self.career / "home", self.systems / "home"):
            self._fill(user, IN_THE_USERS_HOME)
        (base / "tmp").mkdir()

    def move_homes(self) -> None:
        """Put the homes of both profiles on another disk, and links in their place."""
        for home in (self.career, self.systems):
            moved = self.base / "disk" / f"of-{home.name}"
            moved.parent.mkdir(exist_ok=True)
            home.rename(moved)
            home.symlink_to(moved)

    def _fill(self, folder: Path, names: tuple[str, ...]) -> None:
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text("{}")

    def unrouted(self, questions: list[Question]) -> list[int]:
        """Ask in a process like the gateway's: its home is the root's, its HOME the account's."""
        environment = {"HERMES_HOME": str(self.root), "HOME": str(self.user)}
        return self._ask([], environment, questions)

    def routed(self, questions: list[Question]) -> list[int]:
        """Ask in a process like a worker's of `career`, with the environment of a worker."""
        environment = worker_environment(
            Profile("career", self.career),
            worker_id="test",
            tmpdir=self.base / "tmp",
            initial={"HOME": str(self.user)},
        )
        return self._ask(["career"], environment, questions)

    def _ask(
        self, arguments: list[str], environment: dict[str, str], questions: list[Question]
    ) -> list[int]:
        command = [sys.executable, "-m", "tests.kit.probes.asked_guards", *arguments]
        if self.ordinary:
            command = as_ordinary_user(command, self.base)
        done = subprocess.run(
            command,
            input=json.dumps(questions),
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(self.base / "tmp"), **environment},
        )
        assert done.returncode == 0, done.stderr
        answers: list[int] = json.loads(done.stdout.splitlines()[-1])
        return answers


class Answers:
    """What both kinds of process say to all the questions of this module, asked once."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.gateways = questions_about(machine.user, machine.root)
        self.others = questions_about(machine.systems / "home", machine.systems)
        self.own = questions_about(machine.career / "home", machine.career)
        self.foreign = _made_media(machine.systems, machine.root)
        self.usable = _made_usable(machine)
        self.unrouted = dict(zip(self.gateways, machine.unrouted(self.gateways), strict=True))
        asked = [*self.gateways, *self.others, *self.own, *self.foreign, *self.usable]
        self.routed = dict(zip(asked, machine.routed(asked), strict=True))

    def weaker(self, asked: list[Question]) -> list[str]:
        """Return where a worker allows more than the gateway does with the same of its own."""
        pairs = [
            (question, self.unrouted[as_gateways], self.routed[question])
            for question, as_gateways in zip(asked, self.gateways, strict=True)
        ]
        return [f"{question}: {was} -> {now}" for question, was, now in pairs if now < was]


@pytest.fixture(scope="module", params=["as it is", "ordinary user", "homes are links"])
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    ordinary = request.param == "ordinary user"
    if ordinary and (reason := obstacle()):
        pytest.skip(reason)
    machine = Machine(tmp_path_factory.mktemp("machine"), ordinary=ordinary)
    if request.param == "homes are links":
        machine.move_homes()
    return Answers(machine)


@pytest.fixture
def in_shared_memory() -> Iterator[Path]:
    """A folder below `/dev`, which Hermes attaches nothing from."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        pytest.skip("there is no /dev/shm here")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def questions_about(user: Path, hermes: Path) -> list[Question]:
    files = [user / name for name in IN_THE_USERS_HOME] + [hermes / n for n in IN_A_HERMES_HOME]
    found = [(way, str(path)) for path in files for way in FILE_WAYS]
    commands = [command.format(user=user, hermes=hermes) for command in COMMANDS]
    return found + [("command", command) for command in commands]


def _made_media(*homes: Path) -> list[Question]:
    folders = ("cache/images", "workspace", "skills", "logs", "home", "")
    files = [home / folder / "a.png" for home in homes for folder in folders]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of somebody else")
    return [("media", str(path)) for path in files]


def _made_usable(machine: Machine) -> list[Question]:
    report, shared = machine.career / "workspace" / "report.pdf", machine.user / "work.pdf"
    for path in (report, shared):
        path.write_text("%PDF")
    ways = ("media", "write", "reference")
    files: list[Question] = [(way, str(path)) for path in (report, shared) for way in ways]
    return [*files, ("command", f"cat {report}"), ("command", f"cp x {report}")]


def test_hermes_refuses_most_of_what_is_asked(answers: Answers) -> None:
    refused = [way for (way, _), answer in answers.unrouted.items() if answer == REFUSES]
    assert {"media", "write", "read", "reference", "command"} <= set(refused)


def test_the_accounts_home_and_the_root_are_guarded_as_in_an_unrouted_place(
    answers: Answers,
) -> None:
    assert answers.weaker(answers.gateways) == []


def test_every_other_profiles_home_is_guarded_like_the_gateways(answers: Answers) -> None:
    assert answers.weaker(answers.others) == []


def test_the_profiles_own_home_is_guarded_like_the_gateways(answers: Answers) -> None:
    assert answers.weaker(answers.own) == []


def test_no_file_of_another_profile_or_of_the_gateway_is_attached(answers: Answers) -> None:
    assert {answers.routed[question] for question in answers.foreign} == {REFUSES}


def test_what_is_the_profiles_own_stays_usable(answers: Answers) -> None:
    assert {answers.routed[question] for question in answers.usable} == {ALLOWED}


def test_own_files_are_attached_where_hermes_attaches_nothing_else(in_shared_memory: Path) -> None:
    machine = Machine(in_shared_memory, ordinary=False)
    report, secret = machine.career / "workspace" / "report.pdf", machine.career / ".env"
    report.write_text("%PDF")
    elsewhere = in_shared_memory / "elsewhere.pdf"
    elsewhere.write_text("%PDF")
    asked = [("media", str(path)) for path in (report, secret, elsewhere)]
    assert machine.routed(asked) == [ALLOWED, REFUSES, REFUSES]
