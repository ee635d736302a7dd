"""A profile's ssh, scp and git use the profile's keys and settings, not those of the account."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FakeModel, FakeTelegram
from tests.kit.roots import ordinary_user

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="NOT SHOWN: no ssh here")


@pytest.fixture(scope="module", params=["local", "bubblewrap", "bubblewrap of an ordinary user"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def ordinary(way: str) -> bool:
    """In an ordinary user's sandbox nothing is root's, and ssh is particular about owners."""
    return "ordinary" in way


@pytest.fixture(scope="module")
def prepared(
    way: str,
    ordinary: bool,
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
) -> Stage:
    """Career has keys of its own; systems shares the account's."""
    launcher = way.partition(" ")[0]
    obstacle = launchers.check(launcher) or (ordinary_user.obstacle() if ordinary else None)
    if obstacle:
        pytest.skip(f"NOT SHOWN: {obstacle}")
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    settings = {"launcher": launcher}
    stage.root.configure(
        {"hermes_router": {"defaults": settings, "profiles": {"systems": {"share": ["ssh"]}}}}
    )
    for home in stage.root.profiles.values():
        home.configure({"approvals": {"mode": "off"}})
    if ordinary:
        accounts = Path(accounts_keys(stage, ordinary=True))
        accounts.mkdir(parents=True)
        (accounts / "config").write_text("Host work\n  User of-the-account\n")
        (accounts / "id_ed25519").write_text("no key")
    keys = keys_of(stage)
    keys.mkdir(exist_ok=True)
    (keys / "id_ed25519").write_text("no key")
    (keys / "config").write_text("Host work\n  User of-career\n  IdentityFile ~/.ssh/special\n")
    return stage


def keys_of(stage: Stage) -> Path:
    return stage.root.profiles["career"].path / "home" / ".ssh"


def accounts_keys(stage: Stage, *, ordinary: bool) -> str:
    if ordinary:
        return f"{stage.root.base / 'home'}/.ssh"
    return f"{pwd.getpwuid(os.getuid()).pw_dir}/.ssh"


def settings_of(answer: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in answer.replace("\\n", "\n").splitlines():
        name, _, value = line.strip().partition(" ")
        found.setdefault(name, []).append(value)
    return found


@contextmanager
def listener() -> Iterator[int]:
    """Take connections and say nothing: ssh names its keys once it is connected."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_ssh_uses_the_profiles_files(stage: Stage, ordinary: bool) -> None:
    command = "ssh -G work | grep -E '^(user|identityfile|userknownhostsfile) '"
    found = settings_of(stage.run(command))
    keys = str(keys_of(stage))
    assert found["user"] == ["of-career"]
    assert f"{keys}/special" in found["identityfile"]
    assert f"{keys}/id_ed25519" in found["identityfile"]
    assert found["userknownhostsfile"][0].startswith(f"{keys}/known_hosts")
    assert accounts_keys(stage, ordinary=ordinary) not in str(found)


@pytest.mark.parametrize(
    "command",
    [
        "ssh -v -o BatchMode=yes -o ConnectTimeout=2 -p {port} 127.0.0.1 true",
        "ssh -v -F /dev/null -o BatchMode=yes -o ConnectTimeout=2 -p {port} 127.0.0.1 true",
        "scp -v -o BatchMode=yes -o ConnectTimeout=2 -P {port} 127.0.0.1:x .",
        "sftp -v -o BatchMode=yes -o ConnectTimeout=2 -P {port} 127.0.0.1",
        (
            "git -c core.sshCommand='ssh -v -o BatchMode=yes -o ConnectTimeout=2' ls-remote "
            "ssh://git@127.0.0.1:{port}/x"
        ),
    ],
    ids=["ssh", "ssh -F", "scp", "sftp", "git"],
)
def test_what_connects_offers_the_profiles_keys_alone(
    stage: Stage, ordinary: bool, command: str
) -> None:
    with listener() as port:
        answer = stage.run(f"timeout 5 {command.format(port=port)} 2>&1 | grep 'identity file'")
    assert f"identity file {keys_of(stage)}/id_ed25519" in answer
    assert accounts_keys(stage, ordinary=ordinary) not in answer


def test_the_accounts_keys_are_shared_where_the_settings_say_so(
    stage: Stage, ordinary: bool
) -> None:
    accounts = accounts_keys(stage, ordinary=ordinary)
    found = stage.run("ssh -G work | grep -E '^(user|identityfile) '", SYSTEMS)
    assert f"{accounts}/" in found.replace("~", str(Path(accounts).parent))
    if ordinary:
        assert settings_of(found)["user"] == ["of-the-account"]
    with listener() as port:
        connect = f"ssh -v -o BatchMode=yes -o ConnectTimeout=2 -p {port} 127.0.0.1 true"
        offered = stage.run(f"timeout 5 {connect} 2>&1 | grep 'identity file'", SYSTEMS)
    assert f"identity file {accounts}/id_ed25519" in offered
    assert str(keys_of(stage)) not in found + offered


def test_a_sandbox_has_the_profiles_home_in_its_list_of_users(stage: Stage) -> None:
    asked = "import os, pwd; print('listed=' + pwd.getpwuid(os.getuid()).pw_dir)"
    answer = stage.run(f'python3 -c "{asked}"', CAREER)
    own = f"listed={stage.root.profiles['career'].path / 'home'}"
    assert (own in answer) == ("launcher=bubblewrap" in stage.worker_log("career"))
