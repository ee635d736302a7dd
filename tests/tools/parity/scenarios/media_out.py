"""Point 7: files that the assistant sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.kit import Reply
from tests.kit.model.directives import tool
from tests.tools.parity.registry import scenario
from tests.tools.parity.scenarios.media_in import PICTURE, other_picture
from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import STREAMING

_KINDS: Sequence[tuple[str, str, bytes]] = (
    ("a picture", "picture.png", PICTURE),
    ("a document", "report.pdf", b"%PDF-1.4 " + bytes(5000)),
    ("music", "song.mp3", b"ID3" + bytes(5000)),
    ("a voice message", "voice.ogg", b"OggS" + bytes(5000)),
    ("a film", "film.mp4", bytes(5000)),
    ("an animation", "fun.gif", b"GIF89a" + bytes(5000)),
)
_SENDS = ("sendPhoto", "sendMediaGroup", "sendDocument", "sendAudio", "sendVoice", "sendVideo")
_ALL = (*_SENDS, "sendAnimation")


def _sends(
    name: str, data: bytes, words: str = "Here it is, fresh from the workspace.", tag: str = ""
) -> Callable[[Scene], None]:
    def play(scene: Scene) -> None:
        path = scene.file(name, data)
        text = f"{words}\n{tag}MEDIA:{path}".strip()
        scene.script(Reply(text, chunk_delay=0.2), f"send {name}")
        scene.say(f"send {name}")
        scene.call(*_ALL)

    return play


for _title, _name, _data in _KINDS:
    scenario(f"sends {_title}", point=7, quick=_name == "report.pdf")(_sends(_name, _data))
    scenario(f"sends {_title}, streamed", point=7, setting=STREAMING)(_sends(_name, _data))

scenario("sends a picture as a document", point=7)(
    _sends("as-document.png", PICTURE, tag="[[as_document]]\n")
)
scenario("sends an audio file as a voice message", point=7)(
    _sends("as-voice.mp3", b"ID3" + bytes(5000), tag="[[audio_as_voice]]\n")
)
scenario("sends a file without words", point=7)(_sends("bare.pdf", b"%PDF-1.4 x", words=""))


@scenario("sends an album", point=7)
def album(scene: Scene) -> None:
    paths = [scene.file(f"album-{n}.png", other_picture(n)) for n in (1, 2, 3)]
    lines = "\n".join(f"MEDIA:{path}" for path in paths)
    scene.script(Reply(f"Three pictures.\n{lines}"), "send the album")
    scene.say("send the album")
    scene.call("sendMediaGroup")


@scenario("sends several kinds at once", point=7)
def mixed(scene: Scene) -> None:
    paths = [scene.file("mixed.png", PICTURE), scene.file("mixed.pdf", b"%PDF-1.4 x")]
    lines = "\n".join(f"MEDIA:{path}" for path in paths)
    scene.script(Reply(f"Two files.\n{lines}"), "send both")
    scene.say("send both")
    scene.call("sendDocument")


@scenario("sends a picture by Markdown", point=7)
def markdown_picture(scene: Scene) -> None:
    scene.script(Reply("Look: ![a picture](https://example.org/picture.png)"), "show the picture")
    scene.say("show the picture")
    scene.call("sendPhoto", "sendMediaGroup")


@scenario("sends a picture from an address on the gateway's own machine", point=7)
def local_picture(scene: Scene) -> None:
    url = f"{scene.telegram.origin}/picture.png"
    scene.script(Reply(f"Look: ![a picture]({url})"), "show the local one")
    scene.ask("show the local one", contains="Look")


@scenario("names a file without MEDIA", point=7)
def bare_path(scene: Scene) -> None:
    path = scene.file("named.png", PICTURE)
    scene.script(Reply(f"It lies in {path} for you."), "where is it")
    scene.say("where is it")
    scene.call("sendPhoto", "sendMediaGroup", "sendMessage")


@scenario("names a file that is not there", point=7)
def missing(scene: Scene) -> None:
    scene.script(Reply(f"Here.\nMEDIA:{scene.workspace / 'no-such.pdf'}"), "send nothing")
    scene.say("send nothing")
    scene.answer()


@scenario("the platform refuses a file", point=7)
def refused(scene: Scene) -> None:
    scene.telegram.fail_next(
        "sendDocument", 400, "Bad Request: wrong file", times=3, match=lambda call: True
    )
    path = scene.file("refused.pdf", b"%PDF-1.4 x")
    scene.script(Reply(f"Here.\nMEDIA:{path}"), "send the refused")
    scene.say("send the refused")
    scene.call("sendDocument")


@scenario("flood control on a file", point=7)
def flooded(scene: Scene) -> None:
    scene.telegram.fail_next("sendDocument", 429, retry_after=1)
    path = scene.file("flooded.pdf", b"%PDF-1.4 x")
    scene.script(Reply(f"Here.\nMEDIA:{path}"), "send the flooded")
    scene.say("send the flooded")
    scene.call("sendDocument")


@scenario("speaks by the tool", point=7)
def speech_tool(scene: Scene) -> None:
    scene.say(tool("text_to_speech", text="good morning") + " say it aloud")
    scene.answer("tool said")


@scenario("answers a voice message by voice", point=7)
def voice_reply(scene: Scene) -> None:
    scene.ask("/voice on")
    scene.settle()
    scene.send("voice", b"OggS" + bytes(2000), "voice.ogg", "audio/ogg")
    scene.call("sendVoice", "sendAudio")
    scene.settle()
    scene.ask("/voice off")


@scenario("speaks all answers", point=7)
def voice_all(scene: Scene) -> None:
    scene.ask("/voice tts")
    scene.settle()
    scene.say("speak to me")
    scene.call("sendVoice", "sendAudio")
    scene.settle()
    scene.ask("/voice off")


@scenario("delivers into a direct chat", point=7, place="dm")
def in_a_dm(scene: Scene) -> None:
    path = scene.file("private.pdf", b"%PDF-1.4 x")
    scene.script(Reply(f"Here.\nMEDIA:{path}"), "send it privately")
    scene.say("send it privately")
    scene.call("sendDocument")
