"""Point 3: a message while a turn runs."""

from __future__ import annotations

import threading

from tests.kit import Message, Reply
from tests.kit.model.directives import tool
from tests.tools.parity.registry import scenario
from tests.tools.parity.scenarios.media_in import PICTURE, other_picture
from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import FIRST_TIME, QUEUE, STEER

_STARTED = "the-tool-runs"
_WORK = tool("terminal", command=f"touch {_STARTED}; sleep 5; echo worked")


def _busy(scene: Scene, text: str = "slow work", more: str = "") -> None:
    """Begin a turn whose tool works for some seconds, and return when it does."""
    started = scene.workspace / _STARTED
    started.unlink(missing_ok=True)
    scene.say(f"{_WORK}{more} {text}")
    scene.until(started.exists, "the tool did not start")


def _ends(message: Message) -> bool:
    """Say whether the turn ended with this: Hermes 0.22 gives the model what was steered last."""
    return "tool said" in message.text or "echo" in message.text


@scenario("a message interrupts", point=3)
def interrupt(scene: Scene) -> None:
    _busy(scene)
    scene.say("something else")
    scene.answer("something else", where=lambda message: "echo" in message.text)


@scenario("a message interrupts, and a tip is shown once", point=3, setting=FIRST_TIME)
def interrupt_tip(scene: Scene) -> None:
    for number in ("one", "two"):
        _busy(scene, f"slow work {number}")
        scene.say(f"something else {number}")
        scene.answer(f"something else {number}", where=lambda message: "echo" in message.text)
        scene.settle()


@scenario("a message interrupts the model", point=3, quick=True)
def interrupt_model(scene: Scene) -> None:
    scene.script(Reply("late", hold=threading.Event()), "think for long")
    scene.say("think for long")
    scene.request("think for long")
    scene.say("rather this")
    scene.answer("rather this", where=lambda message: "echo" in message.text)


@scenario("a message is queued", point=3, setting=QUEUE)
def queued(scene: Scene) -> None:
    _busy(scene)
    scene.say("afterwards this")
    scene.answer("tool said")
    scene.answer("afterwards this", where=lambda message: "echo" in message.text)


@scenario("two messages are queued", point=3, setting=QUEUE)
def queued_twice(scene: Scene) -> None:
    _busy(scene)
    scene.say("first of two")
    scene.answer()
    scene.say("second of two")
    scene.answer("second of two", after=scene.begin, where=lambda m: "echo" in m.text)


@scenario("a message steers", point=3, setting=STEER)
def steered(scene: Scene) -> None:
    _busy(scene, more=tool("terminal", command="echo again"))
    scene.say("by the way, hurry")
    scene.answer(after=scene.begin, where=_ends)


@scenario("/stop", point=3, quick=True)
def stop(scene: Scene) -> None:
    _busy(scene)
    scene.ask("/stop")
    scene.settle()
    scene.ask("and now", contains="and now")


@scenario("/stop while the model thinks", point=3)
def stop_model(scene: Scene) -> None:
    scene.script(Reply("late", hold=threading.Event()), "think for ever")
    scene.say("think for ever")
    scene.request("think for ever")
    scene.ask("/stop")
    scene.request("think for ever", done=True)


@scenario("/stop when nothing runs", point=3)
def stop_nothing(scene: Scene) -> None:
    scene.ask("/stop")


@scenario("/queue", point=3)
def queue_command(scene: Scene) -> None:
    _busy(scene)
    scene.ask("/queue later this")
    scene.answer("later this", where=lambda message: "echo" in message.text)


@scenario("/queue when nothing runs", point=3)
def queue_idle(scene: Scene) -> None:
    scene.ask("/queue at once", contains="at once")


@scenario("/steer", point=3)
def steer_command(scene: Scene) -> None:
    _busy(scene, more=tool("terminal", command="echo again"))
    scene.ask("/steer please hurry")
    scene.answer(where=_ends)


@scenario("/status while a turn runs", point=3)
def status_busy(scene: Scene) -> None:
    _busy(scene)
    scene.ask("/status", contains="Session")
    scene.answer("tool said", after=scene.begin)


@scenario("/status", point=3)
def status(scene: Scene) -> None:
    scene.ask("hello", contains="hello")
    scene.settle()
    scene.ask("/status", contains="Session")


@scenario("/bg", point=3)
def background(scene: Scene) -> None:
    scene.say("/bg do this behind")
    scene.answer("echo: do this behind")


@scenario("/bg while a turn runs", point=3)
def background_busy(scene: Scene) -> None:
    _busy(scene)
    scene.say("/bg do this beside")
    scene.answer("echo: do this beside")
    scene.answer("tool said", after=scene.begin)


@scenario("/new while a turn runs", point=3)
def new_busy(scene: Scene) -> None:
    _busy(scene)
    scene.ask("/new")
    scene.settle()
    scene.ask("a new start", contains="a new start")


@scenario("a command that must wait, while a turn runs", point=3)
def model_busy(scene: Scene) -> None:
    _busy(scene)
    scene.ask("/model other-model")
    scene.answer("tool said", after=scene.begin)


@scenario("a burst of photos is one message", point=3)
def photo_burst(scene: Scene) -> None:
    scene.send("photo", PICTURE, "photo.jpg", "image/jpeg", "two of them")
    scene.send("photo", other_picture(1), "photo.jpg", "image/jpeg")
    scene.answer("two of them", after=scene.begin)


@scenario("a burst of photos while a turn runs", point=3)
def photo_burst_busy(scene: Scene) -> None:
    _busy(scene)
    scene.album([PICTURE, other_picture(1)], "an album meanwhile")
    scene.answer("an album meanwhile", where=lambda message: "echo" in message.text)


@scenario("pieces of a text are one message", point=3)
def debounce(scene: Scene) -> None:
    for part in ("part one of it", "part two of it", "part three of it"):
        scene.say(part, at_once=True)
    scene.answer("part three of it", after=scene.begin)


@scenario("pieces of a text while a turn runs", point=3, setting=QUEUE)
def debounce_busy(scene: Scene) -> None:
    _busy(scene)
    for part in ("piece one", "piece two", "piece three"):
        scene.say(part, at_once=True)
    scene.answer("piece three", after=scene.begin, where=lambda message: "echo" in message.text)


@scenario("a long text that the client split", point=3)
def split_by_client(scene: Scene) -> None:
    scene.say("a" * 4096)
    scene.say("the rest of it", at_once=True)
    scene.answer("the rest of it", after=scene.begin)


@scenario("an edited message", point=3)
def edited(scene: Scene) -> None:
    number = scene.say("the first wording")
    scene.answer("the first wording")
    scene.settle()
    scene.edit(number, "the second wording")
    scene.settle()
    scene.ask("and on", contains="and on")


@scenario("a reply to an earlier answer", point=3)
def reply_to(scene: Scene) -> None:
    answer = scene.ask("an answer to quote", contains="an answer to quote")
    scene.settle()
    scene.ask("about that", contains="about that", reply_to=answer.id)
