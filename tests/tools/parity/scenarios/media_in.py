"""Point 6: files that people send."""

from __future__ import annotations

import base64

from tests.tools.parity.registry import scenario
from tests.tools.parity.scene import Scene
from tests.tools.parity.settings import OVERHEARING, REACTIONS

BOT = "@kit_1234567_bot"

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQAAAADsdIMmAAAADElEQVQI12NgoC4AAABQAAEiE+h1AAAAAElFTkSuQmCC"
)


def other_picture(number: int) -> bytes:
    """Return a picture with other bytes: what follows a PNG's end is ignored."""
    return PICTURE + bytes([number])


@scenario("a photo with a caption", point=6, quick=True)
def photo(scene: Scene) -> None:
    scene.send("photo", PICTURE, "photo.jpg", "image/jpeg", "what is this?")
    scene.answer("what is this?")


@scenario("a photo without a caption", point=6)
def photo_bare(scene: Scene) -> None:
    scene.send("photo", PICTURE, "photo.jpg", "image/jpeg")
    scene.answer()


@scenario("an album", point=6)
def album(scene: Scene) -> None:
    scene.album([PICTURE, other_picture(1), other_picture(2)], "three of them")
    scene.answer("three of them")


@scenario("a text document", point=6)
def document(scene: Scene) -> None:
    scene.send("document", b"the notes\n", "notes.txt", "text/plain", "read this")
    scene.answer("read this")


@scenario("a PDF", point=6)
def pdf(scene: Scene) -> None:
    scene.send("document", b"%PDF-1.4 the plan", "plan.pdf", "application/pdf", "and this")
    scene.answer("and this")


@scenario("a document of an unknown kind", point=6)
def unknown(scene: Scene) -> None:
    scene.send("document", bytes(300), "thing.xyz", "application/x-thing", "what of this")
    scene.answer()


@scenario("a picture sent as a document", point=6)
def picture_document(scene: Scene) -> None:
    scene.send("document", PICTURE, "picture.png", "image/png", "uncompressed")
    scene.answer("uncompressed")


@scenario("a document with an unusual name", point=6)
def odd_name(scene: Scene) -> None:
    name = "résumé (final) — v2's.txt"
    scene.send("document", b"x\n", name, "text/plain", "odd name")
    scene.answer("odd name")


@scenario("a voice message", point=6)
def voice(scene: Scene) -> None:
    scene.send("voice", b"OggS" + bytes(2000), "voice.ogg", "audio/ogg")
    scene.answer("echo")


@scenario("an audio file", point=6)
def audio(scene: Scene) -> None:
    scene.send("audio", b"ID3" + bytes(2000), "song.mp3", "audio/mpeg", "a song")
    scene.answer("echo")


@scenario("a video", point=6)
def video(scene: Scene) -> None:
    scene.send("video", bytes(3000), "film.mp4", "video/mp4", "a film")
    scene.answer("echo")


@scenario("an animation", point=6)
def animation(scene: Scene) -> None:
    scene.send("animation", bytes(3000), "fun.mp4", "video/mp4", "funny")
    scene.settle()


@scenario("a round video", point=6)
def video_note(scene: Scene) -> None:
    scene.send("video_note", bytes(3000), "note.mp4", "video/mp4")
    scene.settle()


@scenario("a sticker", point=6)
def sticker(scene: Scene) -> None:
    scene.send("sticker", PICTURE, "sticker.webp", "image/webp")
    scene.answer("echo")


@scenario("a file over the adapter's limit", point=6)
def too_large(scene: Scene) -> None:
    scene.send("document", bytes(21 * 1024 * 1024), "large.bin", "application/octet-stream", "big")
    scene.answer()


@scenario("a reply to a photo", point=6)
def reply_to_photo(scene: Scene) -> None:
    number = scene.send("photo", PICTURE, "photo.jpg", "image/jpeg", "keep this")
    scene.answer("keep this")
    scene.settle()
    scene.ask("what was it", contains="what was it", reply_to=number)


@scenario("what is overheard in a group, and its channel's prompt", point=6, setting=OVERHEARING)
def overheard(scene: Scene) -> None:
    scene.ask(f"{BOT} first of all", contains="first of all")
    scene.settle()
    scene.say("said among people")
    scene.say("and answered among them")
    scene.ask(f"{BOT} what did we say", contains="what did we say")


@scenario("a photo that is overheard", point=6, setting=OVERHEARING)
def overheard_photo(scene: Scene) -> None:
    scene.send("photo", PICTURE, "photo.jpg", "image/jpeg", "among people")
    scene.ask(f"{BOT} what did we show", contains="what did we show")


@scenario("reactions on a message", point=6, setting=REACTIONS)
def reactions(scene: Scene) -> None:
    scene.ask("react to this", contains="react to this")
    scene.settle()
    scene.ask("/status")


@scenario("reactions on a message that is interrupted", point=6, setting=REACTIONS)
def reactions_interrupted(scene: Scene) -> None:
    scene.say('[[tool terminal {"command": "sleep 4; echo done"}]] slow reaction')
    scene.request("slow reaction")
    scene.say("other words")
    scene.answer("other words", where=lambda message: "echo" in message.text)
