"""Paths: working directories, caches, and files of another profile, inwards and outwards."""

from __future__ import annotations

from pathlib import Path

from tests.kit import Call
from tests.tools.leaks.row import SAME_USER, Row
from tests.tools.leaks.side import Side, found
from tests.tools.leaks.world import ALICE, BOB, DEFAULT, DORA, World, plant_file


def plant_launch_cwd(world: World) -> None:
    folder = world.base / "cwd-of-default"
    plant_file(folder / "AGENTS.md", "Instructions: agents-file-of-default.\n")
    world.root.configure({"terminal": {"cwd": str(folder)}})


def working_directory(side: Side) -> str:
    return found(side.run(BOB, "pwd"), "cwd-of-default")


def context_file(side: Side) -> str:
    return found(side.turn(BOB, "hello").system, "agents-file-of-default")


def plant_remote_terminal(world: World) -> None:
    world.root.configure({"terminal": {"backend": "local"}})
    remote = {"backend": "ssh", "ssh_host": "127.0.0.1", "ssh_port": 9, "ssh_user": "nobody"}
    world[DORA].configure({"terminal": remote})


def terminal_backend(side: Side) -> str:
    """Let a profile whose terminal is a host that cannot be reached run something."""
    result = side.call(DORA, "terminal", command="echo ran-on=$((1+1))")
    return "it ran on the gateway's host, not on the profile's" if "ran-on=2" in result else ""


def process_list(side: Side) -> str:
    side.call(BOB, "terminal", command="sleep 21.125", background=True)
    homes = {name: side.world[name].path for name in (DEFAULT, ALICE, BOB)}

    def listed() -> list[str]:
        return [name for name, home in homes.items() if "21.125" in _process_records(side, home)]

    side.wait(listed, 10)
    if not listed():
        side.unsure("no processes.json names the process")
    return ", ".join(f"in {name}'s processes.json" for name in listed() if name != BOB)


def _process_records(side: Side, home: Path) -> str:
    """Return what a home knows of background processes; a worker's records are files of its own."""
    own = (home / "hermes-router").rglob("processes/*.json")
    return "".join(side.read(path) for path in (home / "processes.json", *own))


_CHECKPOINT = """
from pathlib import Path
from tools.checkpoint_manager import CheckpointManager
folder = Path(%r)
folder.mkdir(exist_ok=True)
(folder / "code.py").write_text("print(1)")
result = f"made: {CheckpointManager(enabled=True).ensure_checkpoint(str(folder), 'leak suite')}"
"""


def checkpoints(side: Side) -> str:
    """Make a checkpoint from inside a turn: Hermes's gateway makes none by itself."""
    shown = side.inside(BOB, _CHECKPOINT % str(side.world[BOB].path / "workspace" / "project"))
    if "made: True" not in shown:
        side.unsure(f"no checkpoint was made: {shown[:400]}")
    homes = {name: side.world[name].path / "checkpoints" for name in (DEFAULT, BOB)}
    kept = [name for name, path in homes.items() if any(path.rglob("*"))]
    return ", ".join(f"in {name}'s checkpoints" for name in kept if name != BOB)


_PLACES = """
import importlib
from pathlib import Path
names = {
    "tools.tts_tool": ("_default_output_dir", "DEFAULT_OUTPUT_DIR"),
    "tools.checkpoint_manager": ("_resolve_checkpoint_base", "CHECKPOINT_BASE"),
    "tools.process_registry": ("_checkpoint_path", "CHECKPOINT_PATH"),
    "tools.skills_tool": ("_skills_dir", "HERMES_HOME"),
    "gateway.hooks": ("_resolve_hooks_dir", "HOOKS_DIR"),
    "gateway.sticker_cache": ("_resolve_cache_path", "CACHE_PATH"),
    "gateway.mirror": ("_resolve_sessions_index", "_SESSIONS_DIR"),
    "gateway.channel_directory": ("_directory_path", "DIRECTORY_PATH"),
    "gateway.platforms.base": ("get_image_cache_dir", "IMAGE_CACHE_DIR"),
}
def used(module, asked, kept):
    module = importlib.import_module(module)
    return Path(getattr(module, asked)() if hasattr(module, asked) else getattr(module, kept))
paths = {name: used(name, *found) for name, found in names.items()}
result = "places: " + " ".join(n for n, p in paths.items() if not p.is_relative_to(%r))
"""
"""Where modules look: what they ask for at each call, and where nothing does, what they keep."""


def module_paths(side: Side) -> str:
    """Ask modules that keep a path from their import which of them use one outside the home."""
    shown = side.inside(BOB, _PLACES % str(side.world[BOB].path))
    if "places:" not in shown:
        side.unsure(shown)
    return shown.partition("places:")[2].strip().replace(" ", ", ")


def inbound_file(side: Side) -> str:
    mark, seen = side.mark(), side.model.seq
    side.telegram.say_document(
        b"inbound-content", f"{mark}.txt", f"read {mark}", thread_id=side.world.fresh_topic(BOB)
    )
    request = side.model.wait_chat(mark, timeout=150, after=seen, done=True)
    homes = {str(side.world[name].path) + "/": name for name in (BOB, ALICE)}
    body = request.body.decode()
    if any(f"{home}cache" in body or f"{home}document" in body for home in homes):
        return ", ".join(
            name for home, name in homes.items() if name != BOB and f"{home}cache" in body
        )
    if str(side.world.root.path) not in body:
        side.unsure("the model is not told where the file is")
    return "in the cache of the launch home"


def plant_secrets(world: World) -> None:
    world[ALICE].env({"LEAK_SECRET": "env-file-of-alice"})
    plant_file(world[ALICE].path / "memories" / "MEMORY.md", "memories-of-alice\n", 0o600)
    plant_file(world[ALICE].path / "notes.txt", "notes-of-alice\n", 0o600)


MARKS = ("env-file-of-alice", "memories-of-alice", "notes-of-alice")


def outbound_files(side: Side) -> str:
    """Have an answer name another profile's files, as an injected text would have it."""
    mark, seq = side.mark(), side.telegram.seq
    home = side.world[ALICE].path
    paths = (home / ".env", home / "memories" / "MEMORY.md", home / "notes.txt")
    lines = "\n".join(f"MEDIA:{path}" for path in paths)
    side.ask(BOB, f"send [[say done {mark}\n{lines}\n]]", contains=f"done {mark}")
    side.telegram.wait_idle(1.5, timeout=30)
    sent = "".join(_content(call) for call in side.telegram.calls(after=seq))
    return found(sent, *MARKS)


def _content(call: Call) -> str:
    return "".join((upload.content or b"").decode(errors="replace") for upload in call.files)


def files_by_path(side: Side) -> str:
    home = side.world[ALICE].path
    return found(side.run(BOB, f"grep -h . {home}/.env {home}/memories/* {home}/notes.txt"), *MARKS)


def files_by_tool(side: Side) -> str:
    home = side.world[ALICE].path
    names = (".env", "memories/MEMORY.md", "notes.txt")
    shown = side.calls(BOB, [("read_file", {"path": str(home / name)}) for name in names])
    return found("\n".join(shown), *MARKS)


def root_files(side: Side) -> str:
    root = side.world.root.path
    shown = side.run(BOB, f"grep -h . {root}/config.yaml {root}/.env")
    return "the bot's token" if side.world.root.token in shown else ""


def write_by_path(side: Side) -> str:
    target = side.world[ALICE].path / "workspace" / "planted-by-bob"
    side.run(BOB, f"echo planted > {target}")
    return "a file in alice's workspace" if target.exists() else ""


def logs(side: Side) -> str:
    """Look for what a turn of bob said and did in the others' log files."""
    mark = side.mark()
    side.run(BOB, f"echo logged-{mark}")
    side.turn(BOB, f"logged-{mark}")
    homes = {name: side.world[name].path / "logs" for name in (DEFAULT, ALICE, BOB)}
    texts = {name: _logged(folder) for name, folder in homes.items()}
    if not any(f"logged-{mark}" in text for text in texts.values()):
        side.unsure("it is in nobody's log")
    return ", ".join(
        f"in {name}'s log" for name in (DEFAULT, ALICE) if f"logged-{mark}" in texts[name]
    )


def _logged(folder: Path) -> str:
    files = sorted(folder.glob("*.log")) if folder.is_dir() else []
    return "\n".join(path.read_text("utf-8", "replace") for path in files)


ROWS = (
    Row(
        key="F1",
        what="the launch profile's `terminal.cwd`",
        plant=plant_launch_cwd,
        probe=working_directory,
        upstream=(68559, 84517),
        leaked_until="0.19",
    ),
    Row(
        key="F1r",
        what="the launch profile's terminal backend runs another profile's commands",
        plant=plant_remote_terminal,
        probe=terminal_backend,
        upstream=(94200, 79117),
        leaked_until="0.19",
    ),
    Row(
        key="F3",
        what="context files of the launch directory in the prompt",
        probe=context_file,
        upstream=(88635, 90058, 108708),
        leaked_until="0.19",
    ),
    Row(
        key="F4",
        what="paths that modules keep from their import (audio, images, hooks, stickers, ...)",
        probe=module_paths,
        upstream=(99634, 56508, 101254, 108453),
        leaked_until="0.19",
    ),
    Row(
        key="F4p",
        what="`processes.json`: a background process in another profile's records",
        probe=process_list,
        upstream=(99634,),
        leaked_until="0.19",
    ),
    Row(
        key="F4c",
        what="checkpoints of a workspace in another profile's home",
        probe=checkpoints,
        upstream=(99634,),
        leaked_until="0.19",
    ),
    Row(
        key="F6",
        what="an inbound document in another profile's cache",
        probe=inbound_file,
        upstream=(101134, 101369),
        leaked_until="0.19",
    ),
    Row(
        key="F7",
        what="outbound `MEDIA:` of another profile's files",
        plant=plant_secrets,
        probe=outbound_files,
        upstream=(107609,),
    ),
    Row(
        key="F8",
        what="another profile's files by path in the terminal",
        probe=files_by_path,
        upstream=(10376, 93695, 108611, 77605),
        by_design=SAME_USER,
    ),
    Row(
        key="F8t",
        what="another profile's files by `read_file`",
        probe=files_by_tool,
        upstream=(10376, 93695),
        by_design=SAME_USER,
    ),
    Row(
        key="F8r",
        what="the bot's token in the root's files",
        probe=root_files,
        upstream=(10376,),
        by_design=SAME_USER,
    ),
    Row(
        key="F8w",
        what="writing into another profile's home",
        probe=write_by_path,
        upstream=(10376,),
        by_design=SAME_USER,
    ),
    Row(
        key="F9",
        what="what a profile says in another one's logs",
        probe=logs,
        upstream=(84954, 80884),
        leaked_until="0.19",
    ),
)
