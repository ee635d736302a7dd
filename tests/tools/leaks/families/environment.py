"""Environment: what other profiles' variables, shells and references put into a turn."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.kit.model.directives import tool
from tests.kit.outside.portal import login_of
from tests.tools.leaks.row import Row
from tests.tools.leaks.side import Side, found
from tests.tools.leaks.world import ALICE, BOB, FRANK, World, plant_file

OF_DEFAULT = "of-default"
KNOB = 4
_ECHO = 'echo "[$LEAK_MARK]"'


def plant_launch_env(world: World) -> None:
    world.root.env({"LEAK_MARK": OF_DEFAULT, "XDG_LEAK_MARK": OF_DEFAULT})


def in_terminal(side: Side) -> str:
    return found(side.run(BOB, _ECHO), OF_DEFAULT)


def in_code(side: Side) -> str:
    shown = side.code(BOB, "import os; print(os.environ.get('XDG_LEAK_MARK'))")
    return found(shown, OF_DEFAULT)


def in_pty(side: Side) -> str:
    return _in_background(side, pty=True)


def in_background(side: Side) -> str:
    return _in_background(side, pty=False)


def _in_background(side: Side, *, pty: bool) -> str:
    """Look at a child that goes on by itself, through a file that it writes."""
    name = "pty" if pty else "background"
    seen = side.world[BOB].path / "workspace" / f"env-of-{name}"
    command = f'echo "[$LEAK_MARK] written" > {seen}'
    side.call(BOB, "terminal", command=command, background=True, pty=pty)
    if not side.wait(lambda: "written" in side.read(seen), 30):
        side.unsure(f"the {name} child wrote nothing")
    return found(side.read(seen), OF_DEFAULT)


OVERRIDDEN = {
    "TZ": "Antarctica/Troll",
    "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}:/{OF_DEFAULT}",
    "HTTPS_PROXY": f"http://{OF_DEFAULT}.invalid:9",
}


def plant_overridden(world: World) -> None:
    folder = world.base / f"tmp-{OF_DEFAULT}"
    folder.mkdir()
    world.root.env(OVERRIDDEN | {"TMPDIR": str(folder)})


def overridden_names(side: Side) -> str:
    names = (*OVERRIDDEN, "TMPDIR")
    shown = side.run(BOB, "; ".join(f'echo "{name}=[${name}]"' for name in names))
    marks = {"TZ": "Antarctica", "PATH": f"/{OF_DEFAULT}", "HTTPS_PROXY": OF_DEFAULT}
    lines = {line.partition("=")[0]: line for line in shown.splitlines()}
    leaked = [name for name in names if marks.get(name, f"tmp-{OF_DEFAULT}") in lines[name]]
    return ", ".join(leaked)


def exported_variable(side: Side) -> str:
    side.run(ALICE, "export LEAK_EXPORTED=exported-by-alice")
    return found(side.run(BOB, 'echo "[$LEAK_EXPORTED]"'), "exported-by-alice")


def hermes_home(side: Side) -> str:
    """Look from two profiles: a shell that they share can be right for one of them only."""
    wrong = []
    for name in (BOB, ALICE):
        shown = side.run(name, 'echo "home=[$HERMES_HOME]"')
        if f"home=[{side.world[name].path}]" not in shown:
            wrong.append(f"{name} has {shown.splitlines()[0].rpartition('/')[2].rstrip(']')}'s")
    return ", ".join(wrong)


def plant_own_keys(world: World) -> None:
    world[ALICE].env({"LEAK_OF_ALICE": "key-only-alice-has"})


def key_of_an_earlier_turn(side: Side) -> str:
    """Have alice's turn be the first to import a module of Hermes that loads a `.env`.

    Her own turn finds the key where Hermes 0.19 has it, or by Hermes's look-up of secrets.
    """
    code = "import os; result = os.environ.get('LEAK_OF_ALICE')"
    look = (
        "from agent.secret_scope import get_secret; result = result or get_secret('LEAK_OF_ALICE')"
    )
    own = side.inside(ALICE, f"import trajectory_compressor; {code}; {look}")
    shown = side.inside(BOB, code) + side.run(BOB, 'echo "[$LEAK_OF_ALICE]"')
    if "key-only" not in own:
        side.unsure(f"alice does not see her own key: {own}")
    return found(shown, "key-only-alice-has")


def plant_reference(world: World) -> None:
    world.root.env({"LEAK_REFERRED": OF_DEFAULT})
    world[BOB].configure({"leaks": {"referred": "${LEAK_REFERRED}"}})


def reference_in_config(side: Side) -> str:
    code = "from hermes_cli.config import load_config; result = load_config()['leaks']['referred']"
    return found(side.inside(BOB, code), OF_DEFAULT)


def plant_knob(world: World) -> None:
    world.root.env({"HERMES_MAX_ITERATIONS": str(KNOB)})


def knob(side: Side) -> str:
    """Let a turn make more steps than the gateway's own profile allows itself."""
    seen = side.model.seq
    mark = side.mark()
    steps = " ".join(tool("inside", code=f"result = {number}") for number in range(KNOB + 2))
    side.ask(BOB, f"{steps} [[say done {mark}]]", timeout=150)
    requests = [r for r in side.model.requests("chat", after=seen) if mark in r.last_user]
    most = max((len(r.tool_results) for r in requests), default=0)
    return "" if most == KNOB + 2 else f"HERMES_MAX_ITERATIONS={KNOB} ends the turn"


def plant_token(world: World) -> None:
    world.root.env({"TELEGRAM_BOT_TOKEN": world.root.token})


def bot_token(side: Side) -> str:
    shown = side.inside(BOB, "import os; result = os.environ.get('TELEGRAM_BOT_TOKEN')")
    return "TELEGRAM_BOT_TOKEN in the process" if side.world.root.token in shown else ""


def plant_logins(world: World) -> None:
    plant_file(world.home / ".ssh" / "id_leak", "ssh-key-of-the-user", 0o600)
    plant_file(world.home / ".config" / "gh" / "hosts.yml", "gh-login-of-the-user", 0o600)
    plant_file(world.home / ".claude" / ".credentials.json", "claude-login-of-the-user", 0o600)


def logins_under_home(side: Side) -> str:
    """Look with the terminal, and with code that uses the process's own HOME as Hermes does."""
    shown = side.run(
        BOB, "grep -h . ~/.ssh/id_leak ~/.config/gh/hosts.yml ~/.claude/.credentials.json"
    )
    code = (
        "from pathlib import Path\n"
        "names = ['.ssh/id_leak', '.config/gh/hosts.yml', '.claude/.credentials.json']\n"
        "found = [Path.home() / name for name in names]\n"
        "result = [path.read_text() for path in found if path.exists()]"
    )
    shown += side.inside(BOB, code)
    marks = ("ssh-key-of-the-user", "gh-login-of-the-user", "claude-login-of-the-user")
    return found(shown, *marks)


def plant_board(world: World) -> None:
    world.root.env({"HERMES_KANBAN_BOARD": "board-of-default"})


def kanban_board(side: Side) -> str:
    shown = side.run(BOB, 'echo "[$HERMES_KANBAN_BOARD]"')
    shown += side.inside(BOB, "import os; result = os.environ.get('HERMES_KANBAN_BOARD')")
    return found(shown, "board-of-default")


def plant_secret_store(world: World) -> None:
    """Give the launch profile a secret from a password store, by a stand-in for its program."""
    program = plant_file(world.base / "op-of-default", "#!/bin/sh\necho stored-of-default\n", 0o755)
    store = {
        "enabled": True,
        "binary_path": str(program),
        "env": {"LEAK_STORED": "op://vault/item/field"},
    }
    world.root.configure({"secrets": {"onepassword": store}})


def secret_store(side: Side) -> str:
    shown = side.run(BOB, 'echo "[$LEAK_STORED]"')
    shown += side.inside(BOB, "import os; result = os.environ.get('LEAK_STORED')")
    return found(shown, "stored-of-default")


def plant_login(world: World) -> None:
    """Log the root in at a provider that frank uses too, without a login of his own."""
    where = {
        "NOUS_PORTAL_BASE_URL": world.portal.origin,
        "NOUS_INFERENCE_BASE_URL": world.root.model.base_url,
    }
    world.root.env(where)
    world[FRANK].env(where)
    world[FRANK].configure({"model": {"provider": "nous", "base_url": None, "api_key": None}})
    login = world.portal.login("root")
    content = {"version": 1, "providers": {"nous": login}, "active_provider": "nous"}
    plant_file(world.root.path / "auth.json", json.dumps(content), 0o600)


def root_login(side: Side) -> str:
    mark, seen = side.mark(), side.model.seq
    side.ask(FRANK, f"hello {mark}")
    requests = [r for r in side.model.requests(after=seen) if r.model == "model-of-frank"]
    used = {login_of(request.api_key) for request in requests}
    return "frank asks with the root's login" if "root" in used else ""


ROWS = (
    Row(
        key="E1",
        what="launch `.env` in another profile's terminal",
        plant=plant_launch_env,
        probe=in_terminal,
        upstream=(76163, 82936, 83007),
        leaked_until="0.19",
    ),
    Row(
        key="E1c",
        what="launch `.env` in another profile's `execute_code`",
        probe=in_code,
        upstream=(76163,),
    ),
    Row(
        key="E1p",
        what="launch `.env` in another profile's PTY child",
        probe=in_pty,
        upstream=(76163,),
    ),
    Row(
        key="E1b",
        what="launch `.env` in another profile's background child",
        probe=in_background,
        upstream=(76163,),
    ),
    Row(
        key="E1n",
        what="PATH, TZ, HTTPS_PROXY, TMPDIR as the launch `.env` overrides them",
        plant=plant_overridden,
        probe=overridden_names,
        upstream=(76163,),
    ),
    Row(
        key="E2",
        what="a variable exported in another profile's shell",
        probe=exported_variable,
        upstream=(76393,),
        leaked_until="0.19",
    ),
    Row(
        key="E2h",
        what="HERMES_HOME of another profile in the shell",
        probe=hermes_home,
        upstream=(76393,),
        leaked_until="0.19",
    ),
    Row(
        key="E3",
        what="a key of an earlier turn's `.env`",
        plant=plant_own_keys,
        probe=key_of_an_earlier_turn,
        upstream=(77562, 77969, 107692),
        leaked_until="0.19",
    ),
    Row(
        key="E4",
        what="`${VAR}` in a profile's config.yaml expands from the launch environment",
        plant=plant_reference,
        probe=reference_in_config,
        upstream=(84079,),
        leaked_until="0.19",
    ),
    Row(
        key="E5",
        what="a behaviour knob of the launch `.env` rules another profile's turn",
        plant=plant_knob,
        probe=knob,
        upstream=(116886, 116893, 116898, 116900),
        leaked_until="0.19",
    ),
    Row(
        key="E6",
        what="the bot's token in the process that runs another profile's tools",
        plant=plant_token,
        probe=bot_token,
        upstream=(49415, 52446),
    ),
    Row(
        key="E10",
        what="secrets that the launch profile fetched from a password store",
        plant=plant_secret_store,
        probe=secret_store,
        upstream=(76163,),
    ),
    Row(
        key="X3",
        what="the root's login (`auth.json`) for a profile that has none",
        plant=plant_login,
        probe=root_login,
        upstream=(114012, 107611),
    ),
    Row(
        key="E8",
        what="logins under the user's HOME (`~/.ssh`, `~/.config/gh`, `~/.claude`)",
        plant=plant_logins,
        probe=logins_under_home,
        upstream=(95712, 46075, 85830),
    ),
    Row(
        key="E11",
        what="the launch profile's kanban board",
        plant=plant_board,
        probe=kanban_board,
        upstream=(55600, 77562, 82936, 21877),
    ),
)
