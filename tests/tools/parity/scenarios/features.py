"""Point 9: what a profile has of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.kit import Home
from tests.kit.model.directives import tool
from tests.tools.parity.registry import scenario
from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import FURNISHED

_CODE = "from hermes_tools import terminal\nprint(terminal('echo from-code')['output'])\n"
_MADE = "---\nname: kit-made\ndescription: How to make.\n---\n\nUse both hands.\n"
_WITH_TOOLS = tool("terminal", command="echo child-at=$PWD")


def _says(*texts: str) -> Callable[[Scene], None]:
    """Say these one after the other; the tool's result is in the answer."""

    def play(scene: Scene) -> None:
        for text in texts:
            scene.ask(text, contains="tool said" if "[[tool" in text else "")
            scene.settle()

    return play


_TALKS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("a plugin's tool", (tool("kit_reverse", text="drawer"),)),
    ("a real MCP server", ("what can you do?", tool("mcp_kit_weigh", thing="feather"))),
    (
        "a shell hook denies a tool",
        (tool("terminal", command="echo forbidden"), tool("terminal", command="echo allowed")),
    ),
    ("a skill's command", ("which skills?", "/kit-skill now", "and then")),
    (
        "a skill that the agent makes",
        (
            tool("skill_manage", action="create", name="kit-made", content=_MADE),
            tool("skill_view", name="kit-made"),
            "/new",
            "which skills are there?",
            "/reload-skills",
            "/kit-made now",
        ),
    ),
    (
        "a personality",
        ("/personality", "/personality pirate", "ahoy", "/personality none", "no more"),
    ),
    ("code that calls tools", (tool("execute_code", code=_CODE),)),
    ("the browser", (tool("browser_navigate", url="http://127.0.0.1:9/"),)),
)
for _title, _texts in _TALKS:
    scenario(_title, point=9, setting=FURNISHED)(_says(*_texts))


def _delegates(**arguments: object) -> Callable[[Scene], None]:
    """Have the agent start subagents, and wait until it has answered to their report."""

    def play(scene: Scene) -> None:
        answer = scene.ask(tool("delegate_task", **arguments), contains="tool said")
        if "dispatched" in answer.text:  # from Hermes 0.22 on the report comes by itself
            scene.answer(after=answer.seq)
        scene.settle()

    return play


_LOOK = {"goal": "look at what lies to the left of the boat"}  # Hermes refuses short ones
scenario("a subagent", point=9, setting=FURNISHED)(_delegates(goal=f"look around {_WITH_TOOLS}"))
scenario("two subagents at once", point=9, setting=FURNISHED)(_delegates(tasks=[_LOOK, _LOOK]))


@scenario("memory files, in this session and the next", point=9, setting=FURNISHED)
def memory(scene: Scene) -> None:
    for target, content in (("memory", "The tide is high."), ("user", "Ada likes tea.")):
        kept = {"action": "add", "target": target, "content": content}
        _says(tool("memory", **kept))(scene)
    _says("in this session", "/new", "in the next", "/memory")(scene)
    scene.note(*_lines(scene.side.profile, "memories/MEMORY.md", "memories/USER.md"))
    gone = {"action": "remove", "target": "memory", "old_text": "The tide is high."}
    _says(tool("memory", **gone), "/new", "without it")(scene)


@scenario("event hooks", point=9, setting=FURNISHED)
def event_hooks(scene: Scene) -> None:
    before = _lines(scene.side.profile, "witnessed")
    _says("see this", "/status", "/new", "see that")(scene)
    scene.note(*_lines(scene.side.profile, "witnessed")[len(before) :])


def _lines(home: Home, *names: str) -> list[str]:
    files = [home.path / name for name in names]
    return [line for file in files if file.exists() for line in file.read_text().splitlines()]
