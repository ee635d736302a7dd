"""Point 5: what a command set holds in the next turn, and ends where Hermes ends it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.kit.model.directives import tool
from tests.tools.parity.registry import scenario, talk
from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import NO_QUESTIONS

_TALKS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("/model", ("/model other-model", "one", "two", "/new", "three")),
    ("/model --once", ("/model other-model --once", "one", "two")),
    (
        "/model --once over /model",
        ("/model other-model", "/model gpt-of-career --once", "a1", "a2"),
    ),
    ("/model that does not exist", ("/model no-such-model --provider nowhere", "one")),
    ("/reasoning", ("/reasoning low", "one", "two", "/new", "three")),
    ("/reasoning show", ("/reasoning show", "one")),
    ("/fast", ("/fast fast", "one", "two", "/fast normal", "three")),
    ("/voice", ("/voice status", "/voice on", "/voice status", "/voice off", "/voice status")),
    ("/title", ("one", "/title A name of its own", "two", "/status")),
    ("/verbose", ("/verbose", "/verbose", "/verbose", "/verbose")),
    ("/personality", ("/personality", "one")),
    ("/usage", ("one", "/usage")),
    ("/retry and /undo", ("one", "/retry", "two", "/undo", "three")),
    ("/new", ("one", "/new", "two")),
)
for _title, _texts in _TALKS:
    scenario(_title + " and after", point=5, setting=NO_QUESTIONS)(talk(*_texts))


@scenario("/model holds in the next turn", point=5, quick=True)
def model_holds(scene: Scene) -> None:
    talk("/model other-model", "one")(scene)


@scenario("/yolo and after", point=5, setting=NO_QUESTIONS)
def yolo(scene: Scene) -> None:
    talk("/yolo")(scene)
    command = tool("terminal", command=f"rm -r {scene.file('one').name}")
    scene.ask(command, contains="tool said")
    scene.settle()
    talk("/new")(scene)
    command = tool("terminal", command=f"rm -r {scene.file('two').name}")
    prompt = scene.prompt(command, contains="rm -r")
    scene.click(prompt, "Deny")
    scene.answer("tool said")


@scenario("/approve session ends with /new", point=5, setting=NO_QUESTIONS)
def approved_until_new(scene: Scene) -> None:
    scene.prompt(tool("terminal", command=f"rm -r {scene.file('one').name}"), contains="rm -r")
    scene.say("/approve session")
    scene.answer("tool said")
    scene.settle()
    talk("/new")(scene)
    prompt = scene.prompt(
        tool("terminal", command=f"rm -r {scene.file('two').name}"), contains="rm -r"
    )
    scene.click(prompt, "Deny")
    scene.answer("tool said")
