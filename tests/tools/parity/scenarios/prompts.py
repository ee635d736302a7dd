"""Point 2: prompts that wait for a person."""

from __future__ import annotations

from collections.abc import Callable

from tests.kit.model.directives import question, tool
from tests.tools.parity.registry import scenario
from tests.tools.parity.scene import STRANGER, Scene
from tests.tools.parity.settings import STREAMING

_TEA = question("Tea or coffee?", "green tea", "black coffee")
_OPEN = question("Which tea?")


def _dangerous(scene: Scene, name: str = "precious") -> str:
    return tool("terminal", command=f"rm -r {scene.file(name).name}")


def _asked(scene: Scene, name: str = "precious") -> None:
    scene.prompt(_dangerous(scene, name), contains="rm -r")


def _button(label: str, then: str = "tool said") -> Callable[[Scene], None]:
    def play(scene: Scene) -> None:
        prompt = scene.prompt(_dangerous(scene), contains="rm -r")
        scene.click(prompt, label)
        scene.answer(then)

    return play


scenario("approval by button: once", point=2, quick=True)(_button("Allow Once"))
scenario("approval by button: deny", point=2)(_button("Deny"))


@scenario("approval by button: for the session", point=2)
def approve_session_button(scene: Scene) -> None:
    prompt = scene.prompt(_dangerous(scene, "one"), contains="rm -r")
    scene.click(prompt, "Session")
    scene.answer("tool said")
    scene.settle()
    scene.ask(_dangerous(scene, "two"), contains="tool said")


@scenario("approval by button: always", point=2)
def approve_always_button(scene: Scene) -> None:
    text = tool("terminal", command=f"chmod 777 {scene.file('always').name}")
    prompt = scene.prompt(text, contains="chmod")
    scene.click(prompt, "Always")
    scene.answer("tool said")
    scene.settle()
    scene.ask(text + " again", contains="tool said")


@scenario("/approve", point=2)
def approve_typed(scene: Scene) -> None:
    _asked(scene)
    scene.say("/approve")
    scene.answer("tool said")


@scenario("/approve session", point=2)
def approve_session_typed(scene: Scene) -> None:
    _asked(scene, "one")
    scene.say("/approve session")
    scene.answer("tool said")
    scene.settle()
    scene.ask(_dangerous(scene, "two"), contains="tool said")


@scenario("/approve always", point=2)
def approve_always_typed(scene: Scene) -> None:
    text = tool("terminal", command=f"find {scene.file('found').name} -delete")
    scene.prompt(text, contains="find")
    scene.say("/approve always")
    scene.answer("tool said")
    scene.settle()
    scene.ask(text + " again", contains="tool said")


@scenario("/deny", point=2)
def deny_typed(scene: Scene) -> None:
    _asked(scene)
    scene.say("/deny")
    scene.answer("tool said")


@scenario("/approve when nothing waits", point=2)
def approve_nothing(scene: Scene) -> None:
    scene.ask("/approve")


@scenario("a click after a typed answer", point=2)
def late_click(scene: Scene) -> None:
    prompt = scene.prompt(_dangerous(scene), contains="rm -r")
    scene.say("/approve")
    scene.answer("tool said")
    scene.click(prompt, "Deny")


@scenario("a click after a typed answer to a question", point=2)
def late_click_question(scene: Scene) -> None:
    prompt = scene.prompt(_TEA, contains="Tea or coffee")
    scene.ask("1", contains="tool said")
    scene.click(prompt, "2")


@scenario("a click after a typed answer to a confirmation", point=2)
def late_click_confirm(scene: Scene) -> None:
    prompt = scene.prompt("/reload-mcp", contains="reload")
    scene.rest()
    scene.ask("/approve")
    scene.settle()
    scene.click(prompt, "Cancel")


@scenario("a picker that is clicked after another turn", point=2)
def late_click_picker(scene: Scene) -> None:
    picker = scene.prompt("/reasoning")
    scene.rest()
    scene.ask("meanwhile", contains="meanwhile")
    scene.rest()
    scene.click(picker, "low")
    scene.settle()
    scene.ask("and on", contains="and on")


@scenario("a stranger's click", point=2)
def stranger(scene: Scene) -> None:
    prompt = scene.prompt(_dangerous(scene), contains="rm -r")
    scene.click(prompt, "Allow Once", user_id=STRANGER)
    scene.click(prompt, "Deny")
    scene.answer("tool said")


@scenario("a stranger's click on a question", point=2)
def stranger_clarify(scene: Scene) -> None:
    prompt = scene.prompt(_TEA, contains="Tea or coffee")
    scene.click(prompt, "1", user_id=STRANGER)
    scene.click(prompt, "2")
    scene.answer("black coffee", where=lambda message: "tool said" in message.text)


@scenario("a stranger's click on a confirmation", point=2)
def stranger_confirm(scene: Scene) -> None:
    prompt = scene.prompt("/reload-mcp", contains="reload")
    scene.click(prompt, "Approve Once", user_id=STRANGER)
    scene.click(prompt, "Cancel")


def _strange(command: str, theirs: str, ours: str) -> Callable[[Scene], None]:
    def play(scene: Scene) -> None:
        picker = scene.prompt(command)
        scene.click(picker, theirs, user_id=STRANGER)
        scene.click(picker, ours)
        scene.settle()
        scene.ask("after that", contains="after that")

    return play


scenario("a stranger's click on a picker", point=2)(_strange("/reasoning", "high", "low"))
scenario("a stranger's click on the model picker", point=2)(
    _strange("/model", "Custom endpoint", "Cancel")
)


@scenario("approval while the answer is streamed", point=2, setting=STREAMING)
def approval_streaming(scene: Scene) -> None:
    prompt = scene.prompt(_dangerous(scene), contains="rm -r")
    scene.click(prompt, "Allow Once")
    scene.answer("tool said")


@scenario("approval, then /stop", point=2)
def approval_stopped(scene: Scene) -> None:
    prompt = scene.prompt(_dangerous(scene), contains="rm -r")
    scene.ask("/stop")
    scene.settle()
    scene.click(prompt, "Allow Once")


@scenario("a question answered by its button", point=2, quick=True)
def clarify_button(scene: Scene) -> None:
    prompt = scene.prompt(_TEA, contains="Tea or coffee")
    scene.click(prompt, "2")
    scene.answer("black coffee", where=lambda message: "tool said" in message.text)


@scenario("a question answered by a typed number", point=2)
def clarify_number(scene: Scene) -> None:
    scene.prompt(_TEA, contains="Tea or coffee")
    scene.ask("1", contains="tool said")


@scenario("a question answered in own words: other", point=2)
def clarify_other(scene: Scene) -> None:
    prompt = scene.prompt(_TEA, contains="Tea or coffee")
    scene.click(prompt, "Other")
    scene.ask("a glass of water", contains="tool said")


@scenario("a question answered in own words at once", point=2)
def clarify_typed(scene: Scene) -> None:
    scene.prompt(_TEA, contains="Tea or coffee")
    scene.ask("neither, thanks", contains="tool said")


@scenario("an open question", point=2)
def clarify_open(scene: Scene) -> None:
    scene.ask(_OPEN, contains="Which tea")
    scene.ask("sencha", contains="tool said")


@scenario("two questions in one turn", point=2)
def clarify_twice(scene: Scene) -> None:
    prompt = scene.prompt(_TEA + _OPEN, contains="Tea or coffee")
    scene.click(prompt, "1")
    scene.answer("Which tea")
    scene.ask("assam", contains="tool said")


@scenario("/new, confirmed by button", point=2)
def confirm_once(scene: Scene) -> None:
    scene.ask("remember me", contains="remember me")
    scene.settle()
    prompt = scene.prompt("/new", contains="/new")
    scene.click(prompt, "Approve Once")
    scene.answer(where=lambda message: message.id != prompt.id)
    scene.settle()
    scene.ask("after the reset", contains="after the reset")


@scenario("/new, cancelled by button", point=2)
def confirm_cancel(scene: Scene) -> None:
    scene.ask("remember me", contains="remember me")
    scene.settle()
    prompt = scene.prompt("/new", contains="/new")
    scene.click(prompt, "Cancel")
    scene.settle()
    scene.ask("no reset", contains="no reset")


@scenario("/undo, confirmed by /approve", point=2)
def confirm_typed(scene: Scene) -> None:
    scene.ask("remember me", contains="remember me")
    scene.settle()
    scene.prompt("/undo", contains="/undo")
    scene.rest()
    scene.ask("/approve")
    scene.settle()
    scene.ask("after the undo", contains="after the undo")


@scenario("/new, cancelled by /cancel", point=2)
def confirm_cancel_typed(scene: Scene) -> None:
    scene.ask("remember me", contains="remember me")
    scene.settle()
    scene.prompt("/new", contains="/new")
    scene.rest()
    scene.ask("/cancel")


@scenario("/reload-mcp, confirmed", point=2)
def reload_mcp(scene: Scene) -> None:
    prompt = scene.prompt("/reload-mcp", contains="reload")
    scene.click(prompt, "Approve Once")
    scene.answer("MCP", where=lambda message: message.id != prompt.id)


@scenario("the model picker", point=2)
def model_picker(scene: Scene) -> None:
    picker = scene.prompt("/model", contains="Model Configuration")
    scene.click(picker, "Custom endpoint")
    models = scene.answer("Select a model")
    scene.click(models, "gpt-of-career")
    scene.answer("gpt-of-career")
    scene.settle()
    scene.ask("which model", contains="which model")


@scenario("the model picker, left by cancel", point=2)
def model_picker_cancel(scene: Scene) -> None:
    picker = scene.prompt("/model", contains="Model Configuration")
    scene.click(picker, "Cancel")


@scenario("the reasoning picker", point=2)
def reasoning_picker(scene: Scene) -> None:
    picker = scene.prompt("/reasoning")
    scene.click(picker, "high")
    scene.settle()
    scene.ask("think", contains="think")


@scenario("the fast picker", point=2)
def fast_picker(scene: Scene) -> None:
    picker = scene.ask("/fast")
    if picker.buttons:  # from Hermes 0.21 on only where the model's maker answers himself
        scene.click(picker, picker.buttons[0].text)
    scene.settle()
    scene.ask("hurry", contains="hurry")
