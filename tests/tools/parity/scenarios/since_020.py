"""Points 4 and 8: commands that Hermes has had since 0.20, and what comes back by itself."""

from __future__ import annotations

from collections.abc import Sequence

from tests.tools.parity.registry import scenario, talk
from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import NO_QUESTIONS

_TALKS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("/context in a conversation", ("one", "/context", "two")),
    ("/diff in a conversation", ("one", "/diff", "two")),
    ("/approvals, asked and set", ("/approvals", "/approvals manual", "/approvals nonsense")),
    ("/refine after a turn", ("one", "/refine", "two", "/refine the boats", "three")),
    ("/refine before a turn", ("/refine",)),
    ("/loop, its words", ("/loop", "/loop status", "/loop pause", "/loop resume", "/loop stop")),
    ("/pause and on", ("one", "/pause for lunch", "/pause", "/status", "/pause off", "two")),
    (
        "/heartbeat, its words",
        (
            *("/heartbeat", "/heartbeat every 1s x", "/heartbeat every 10m look around"),
            *("/heartbeat status", "one", "/heartbeat pause", "/heartbeat resume"),
            *("/heartbeat off", "/heartbeat off"),
        ),
    ),
)
for _title, _texts in _TALKS:
    scenario(_title, point=4, setting=NO_QUESTIONS)(talk(*_texts))


@scenario("a message while all is paused", point=8, setting=NO_QUESTIONS)
def paused(scene: Scene) -> None:
    talk("one", "/pause")(scene)
    scene.ask("two")
    scene.settle()
    talk("/pause off", "three")(scene)


@scenario("a loop of two turns", point=8, setting=NO_QUESTIONS)
def loop(scene: Scene) -> None:
    talk("one")(scene)
    scene.ask("/loop 5s --times 2 count the boats")
    first = scene.answer("echo: ", where=lambda message: "count the boats" in message.text)
    scene.answer("count the boats", after=first.seq, where=lambda m: "echo" in m.text)
    scene.settle()
    talk("/loop status", "two")(scene)


@scenario("/review after a turn", point=8, setting=NO_QUESTIONS)
def review(scene: Scene) -> None:
    talk("one")(scene)
    begun = scene.ask("/review")
    scene.answer(after=begun.seq)  # to the reviewer's report
    scene.settle()
    talk("two")(scene)
