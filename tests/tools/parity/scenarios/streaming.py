"""Point 1: streaming, tool progress, interim messages, splitting, formatting, flood control."""

from __future__ import annotations

import threading

from tests.kit import Reply, ToolCall
from tests.kit.model.directives import tool
from tests.tools.parity.registry import scenario
from tests.tools.parity.scene import Scene, hold
from tests.tools.parity.settings import DRAFTS, STREAMING

_WORDS = " ".join(f"word{number}" for number in range(1, 61))
_FORMATTED = """# A title

Some **bold**, *italic*, `code`, ~~struck~~ and [a link](https://example.org/a_(b)?x=1&y=2).

- one_with_underscores
- two * stars
1. first
2. second

| name | value |
|------|-------|
| a    | 1.5   |

```python
def f(x):
    return x * 2  # _not_ *markup*
```

> quoted

Ends with specials: _ * [ ] ( ) ~ ` > # + - = | { } . ! \\"""


@scenario("an answer", point=1, quick=True)
def answer(scene: Scene) -> None:
    scene.ask("hello there", contains="hello there")


@scenario("formatting", point=1)
def formatting(scene: Scene) -> None:
    scene.script(Reply(_FORMATTED), "say it nicely")
    scene.ask("say it nicely", contains="specials")


@scenario("formatting, streamed", point=1, setting=STREAMING)
def formatting_streamed(scene: Scene) -> None:
    gate = threading.Event()
    scene.script(hold(_FORMATTED, gate, 12), "stream it nicely")
    scene.say("stream it nicely")
    scene.answer("bold", partial=True)
    gate.set()
    scene.answer("specials")


@scenario("a long answer, split", point=1)
def long_answer(scene: Scene) -> None:
    text = "\n\n".join(f"Paragraph {n}: " + "lorem ipsum " * 40 for n in range(1, 26)) + " THE END"
    scene.script(Reply(text), "say much")
    scene.ask("say much", contains="THE END")


@scenario("a long answer with a code block across the split", point=1)
def long_code(scene: Scene) -> None:
    code = "\n".join(f"line_{n} = {n} * {n}  # comment" for n in range(400))
    scene.script(Reply(f"Here:\n```python\n{code}\n```\nTHE END"), "say code")
    scene.ask("say code", contains="THE END")


@scenario("an answer in astral characters, split by UTF-16 units", point=1)
def astral(scene: Scene) -> None:
    scene.script(Reply("🧭 " * 2500 + "THE END"), "say emoji")
    scene.ask("say emoji", contains="THE END")


@scenario("streaming by edits", point=1, setting=STREAMING, quick=False)
def by_edits(scene: Scene) -> None:
    gate = threading.Event()
    scene.script(hold(_WORDS, gate, 20), "stream please")
    scene.say("stream please")
    scene.answer("word5", partial=True)
    gate.set()
    scene.answer("word60")


@scenario("a long answer, streamed and split", point=1, setting=STREAMING)
def long_streamed(scene: Scene) -> None:
    text = " ".join(f"word{number}" for number in range(1, 1400)) + " THE END"
    scene.script(Reply(text), "stream much")
    scene.ask("stream much", contains="THE END")


@scenario("streaming by drafts in a direct chat", point=1, setting=DRAFTS, place="dm")
def by_drafts(scene: Scene) -> None:
    gate = threading.Event()
    scene.script(hold(_WORDS, gate, 20), "draft please")
    scene.say("draft please")
    scene.call("sendMessageDraft")
    gate.set()
    scene.answer("word60")


@scenario("drafts asked for where there are none", point=1, setting=DRAFTS)
def drafts_in_a_topic(scene: Scene) -> None:
    gate = threading.Event()
    scene.script(hold(_WORDS, gate, 20), "draft in a topic")
    scene.say("draft in a topic")
    scene.answer("word5", partial=True)
    gate.set()
    scene.answer("word60")


@scenario("tool progress in one bubble", point=1, setting=STREAMING)
def progress(scene: Scene) -> None:
    steps = "".join(tool("terminal", command=f"echo step-{n}; sleep 1.5") for n in (1, 2, 3))
    scene.ask(f"{steps}[[stream 0.3]] work", contains="tool said")


@scenario("tool progress, a bubble per tool", point=1, setting=DRAFTS)
def progress_separate(scene: Scene) -> None:
    steps = "".join(tool("terminal", command=f"echo part-{n}; sleep 1.5") for n in (1, 2))
    scene.say(f"{steps}[[stream 0.3]] work apart")
    scene.answer("tool said")


@scenario("interim messages between tools", point=1, setting=STREAMING)
def interim(scene: Scene) -> None:
    call = ToolCall("terminal", {"command": "echo looked"})
    first = Reply("I shall look at it first.", tool_calls=(call,), chunk_delay=0.3)
    scene.script(first, "look and tell")
    scene.say("[[stream 0.3]] look and tell")
    scene.answer("look at it first")
    scene.answer("look and tell")


@scenario("an error of the model", point=1)
def model_error(scene: Scene) -> None:
    scene.script(Reply(error=400, error_message="the model will not"), "be refused", times=None)
    scene.ask("be refused")


@scenario("a stream that breaks off", point=1, setting=STREAMING)
def broken_stream(scene: Scene) -> None:
    scene.script(Reply(_WORDS, cut_after=10), "break off")
    scene.say("break off")
    scene.answer(
        after=scene.begin, where=lambda message: "word" in message.text or "echo" in message.text
    )


@scenario("flood control on a message", point=1)
def flood_send(scene: Scene) -> None:
    scene.telegram.fail_next(
        "sendMessage", 429, retry_after=1, match=lambda call: "flooded" in call.text
    )
    scene.ask("flooded", contains="flooded")


@scenario("flood control on the edits of a stream", point=1, setting=STREAMING)
def flood_edit(scene: Scene) -> None:
    scene.telegram.fail_next(
        "editMessageText", 429, retry_after=1, match=lambda call: "word15" in call.text
    )
    scene.script(Reply(_WORDS, chunk_delay=0.1), "flood the edits")
    scene.ask("flood the edits", contains="word60")


@scenario("flood control for long on the edits of a stream", point=1, setting=STREAMING)
def flood_edit_long(scene: Scene) -> None:
    gate = threading.Event()
    scene.script(hold(_WORDS, gate, 20), "flood them long")
    scene.say("flood them long")
    scene.answer("word20", partial=True)
    scene.telegram.fail_next(
        "editMessageText", 429, retry_after=30, times=50, match=lambda call: "word20" in call.text
    )
    gate.set()
    scene.answer("word60")


@scenario("a text that the platform's parser refuses", point=1)
def parse_error(scene: Scene) -> None:
    scene.telegram.fail_next(
        "sendMessage",
        400,
        "Bad Request: can't parse entities: kit",
        match=lambda call: "unparsable" in call.text,
    )
    scene.ask("unparsable", contains="unparsable")


@scenario("a reply to a message that was deleted", point=1)
def lost_anchor(scene: Scene) -> None:
    scene.telegram.fail_next(
        "sendMessage",
        400,
        "Bad Request: message to be replied not found",
        match=lambda call: "anchorless" in call.text,
    )
    scene.ask("anchorless", contains="anchorless")


@scenario("the platform fails for a moment", point=1)
def server_error(scene: Scene) -> None:
    scene.telegram.fail_next(
        "sendMessage", 502, "Bad Gateway", match=lambda call: "gateway-error" in call.text
    )
    scene.ask("gateway-error", contains="gateway-error")


@scenario("the model fails", point=1)
def model_fails(scene: Scene) -> None:
    scene.say("[[error 400]] now")
    scene.settle()
    scene.ask("and on", contains="and on")
