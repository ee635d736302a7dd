"""A profile's ssh, scp, rsync and git use the profile's keys and settings, not the account's."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.roots import ordinary_user

pytestmark = [
    pytest.mark.skipif(shutil.which("ssh") is None, reason="NOT SHOWN: no ssh here"),
    pytest.mark.timeout(300),  # a cold start takes most of a minute where the machine is busy
]


COLD = {"warm": {"enabled": False}}
"""For a profile that answers once: what is prepared ahead would be for nobody."""


@dataclass(frozen=True)
class Way:
    """A launcher and two profiles that it starts: one has keys of its own, one the account's."""

    launcher: str
    own: str
    own_topic: int
    sharing: str
    sharing_topic: int


LOCAL = Way("local", "career", CAREER, "systems", SYSTEMS)
BOXED = Way("bubblewrap", "boxed", 31, "boxed-sharing", 32)
WAYS = {
    "local": (False, LOCAL),
    "bubblewrap": (False, BOXED),
    "bubblewrap of an ordinary user": (True, BOXED),
}


@pytest.fixture(scope="module")
def ordinary(request: pytest.FixtureRequest) -> bool:
    """In an ordinary user's sandbox nothing is root's, and ssh is particular about owners."""
    return bool(request.param)


@pytest.fixture(scope="module")
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    if obstacle := launchers.check(found.launcher):
        pytest.skip(f"NOT SHOWN: {obstacle}")
    return found


in_each_way = pytest.mark.parametrize(
    ("ordinary", "way"), WAYS.values(), ids=WAYS, indirect=True, scope="module"
)


@pytest.fixture(scope="module")
def prepared(
    ordinary: bool,
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
) -> Stage:
    """One gateway for all ways of a user."""
    if ordinary and (obstacle := ordinary_user.obstacle()):
        pytest.skip(f"NOT SHOWN: {obstacle}")
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    settings: dict[str, object] = {}
    routes: dict[str, str] = {}
    for way in (LOCAL, BOXED):
        launcher = {"launcher": way.launcher}
        settings |= {way.own: launcher, way.sharing: {**launcher, **COLD, "share": ["ssh"]}}
        routes |= {str(way.own_topic): way.own, str(way.sharing_topic): way.sharing}
    for name in (BOXED.own, BOXED.sharing):
        stage.root.add_profile(name)
    stage.root.configure(
        {
            "hermes_router": {"profiles": settings},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
        }
    )
    for topic in (BOXED.own_topic, BOXED.sharing_topic):
        telegram.add_topic(topic, f"topic {topic}")
    for home in stage.root.profiles.values():
        home.configure({"approvals": {"mode": "off"}})
    if ordinary:
        accounts = Path(accounts_keys(stage, ordinary=True))
        accounts.mkdir(parents=True)
        (accounts / "config").write_text("Host work\n  User of-the-account\n")
        (accounts / "id_ed25519").write_text("no key")
    for way in (LOCAL, BOXED):
        keys = keys_of(stage, way)
        keys.mkdir(exist_ok=True)
        (keys / "id_ed25519").write_text("no key")
        (keys / "config").write_text("Host work\n  User of-career\n  IdentityFile ~/.ssh/special\n")
    return stage


def keys_of(stage: Stage, way: Way) -> Path:
    return stage.root.profiles[way.own].path / "home" / ".ssh"


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
    """Take connections and close them: ssh names its keys as soon as it is connected."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=close_all, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def close_all(server: socket.socket) -> None:
    with suppress(OSError):  # the listener is closed
        while True:
            server.accept()[0].close()


@in_each_way
def test_ssh_uses_the_profiles_files(stage: Stage, ordinary: bool, way: Way) -> None:
    command = "ssh -G work | grep -E '^(user|identityfile|userknownhostsfile) '"
    found = settings_of(stage.run(command, way.own_topic))
    keys = str(keys_of(stage, way))
    assert found["user"] == ["of-career"]
    assert f"{keys}/special" in found["identityfile"]
    assert f"{keys}/id_ed25519" in found["identityfile"]
    assert found["userknownhostsfile"][0].startswith(f"{keys}/known_hosts")
    assert accounts_keys(stage, ordinary=ordinary) not in str(found)
    assert f"launcher={way.launcher}" in stage.worker_log(way.own)


LISTED = "import os, pwd; print('listed=' + pwd.getpwuid(os.getuid()).pw_dir)"
CONNECTS = {
    "ssh": "ssh -v -o BatchMode=yes -o ConnectTimeout=2 -p {port} 127.0.0.1 true",
    "ssh -F": "ssh -v -F /dev/null -o BatchMode=yes -o ConnectTimeout=2 -p {port} 127.0.0.1 true",
    "scp": "scp -v -o BatchMode=yes -o ConnectTimeout=2 -P {port} 127.0.0.1:x .",
    "rsync": ("rsync -e 'ssh -v -o BatchMode=yes -o ConnectTimeout=2 -p {port}' 127.0.0.1:x ."),
    "sftp": "sftp -v -o BatchMode=yes -o ConnectTimeout=2 -P {port} 127.0.0.1",
    "git": (
        "git -c core.sshCommand='ssh -v -o BatchMode=yes -o ConnectTimeout=2' ls-remote "
        "ssh://git@127.0.0.1:{port}/x"
    ),
}


OFFERED = (
    r"sed -n -e 's/.*identity file \([^ ]*\/id_ed25519\) .*/{name}: \1/p' "
    r"-e 's/.*identity file \([^ ]*\)\/[^ /]* .*/{name}: \1/p' | sort -u"
)
"""One key, and the folders of all: those of all commands must fit into one message."""


@in_each_way
def test_what_connects_offers_the_profiles_keys_alone(
    stage: Stage, ordinary: bool, way: Way
) -> None:
    """All of them in one turn, and in it who is listed as the user: in a sandbox with that home."""
    installed = {name: line for name, line in CONNECTS.items() if shutil.which(name.split()[0])}
    with listener() as port:
        runs = [
            f"{command.format(port=port)} 2>&1 | {OFFERED.format(name=name)}"
            for name, command in installed.items()
        ]
        answer = stage.run("; ".join([*runs, f'python3 -c "{LISTED}"']), way.own_topic)
    for name in installed:
        assert f"{name}: {keys_of(stage, way)}/id_ed25519" in answer, name
    assert accounts_keys(stage, ordinary=ordinary) not in answer
    own = f"listed={stage.root.profiles[way.own].path / 'home'}"
    assert "listed=" in answer
    assert (own in answer) == (way.launcher == "bubblewrap")


@in_each_way
def test_the_accounts_keys_are_shared_where_the_settings_say_so(
    stage: Stage, ordinary: bool, way: Way
) -> None:
    accounts = accounts_keys(stage, ordinary=ordinary)
    with listener() as port:
        connect = f"{CONNECTS['ssh'].format(port=port)} 2>&1 | grep 'identity file'"
        said = stage.run(
            f"ssh -G work | grep -E '^(user|identityfile) '; echo connected; {connect}",
            way.sharing_topic,
        )
    found, _, offered = said.partition("connected")
    assert f"{accounts}/" in found.replace("~", str(Path(accounts).parent))
    if ordinary:
        assert settings_of(found)["user"] == ["of-the-account"]
    assert f"identity file {accounts}/id_ed25519" in offered
    assert str(keys_of(stage, way)) not in said
    assert f"launcher={way.launcher}" in stage.worker_log(way.sharing)
