"""The documentation's pictures: drawn from real terminals, whole, and nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.tools.pictures.__main__ import SCREENS
from tests.tools.pictures.drawing import THEMES, draw
from tests.tools.pictures.terminal import Line, record

REPOSITORY = Path(__file__).parents[3]
PICTURES = REPOSITORY / "docs" / "pictures"
_SVG = "{http://www.w3.org/2000/svg}"
SAYS = """\
import os, shutil, sys
print(shutil.get_terminal_size().columns, sys.stdout.isatty())
print("\\033[32mgreen\\033[0m and more", end="")
sys.exit(int(sys.argv[1]))
"""


def texts(svg: str) -> str:
    return "".join(ET.fromstring(svg).itertext()).replace("\xa0", " ")


def test_a_command_is_recorded_as_a_terminal_shows_it(tmp_path: Path) -> None:
    lines = record([sys.executable, "-c", SAYS, "1"], os.environ, tmp_path, 57, {1})
    assert [line.text for line in lines] == ["57 True", "\x1b[32mgreen\x1b[0m and more"]
    assert 0 < lines[0].seconds <= lines[1].seconds
    with pytest.raises(subprocess.CalledProcessError) as failed:
        record([sys.executable, "-c", SAYS, "3"], os.environ, tmp_path, 57)
    assert "57 True" in failed.value.output


@pytest.mark.parametrize("theme", THEMES)
def test_a_recording_appears_line_by_line_and_loads_nothing(theme: str) -> None:
    lines = [Line(1.0, "first"), Line(40.0, "a \x1b[1mlong\x1b[0m line " * 2), Line(60.0, "last")]
    svg = draw(lines, title="it", theme=theme, columns=20, plays=True)
    assert not re.search(r"url\((?!#)|href=|https?://(?!www\.w3\.org/2000/svg)", svg)
    delays = [float(found) for found in re.findall(r"linear ([\d.]+)s backwards", svg)]
    assert delays == [0.2, 8.0, 8.0, 12.0]  # the second line takes two rows
    for word in ("first", "long", "last"):
        assert word in texts(svg)
    assert "animation" not in draw(lines, title="it", theme=theme, columns=20)


@pytest.mark.parametrize("svg", [*PICTURES.iterdir()], ids=lambda path: path.stem)
def test_no_letter_of_the_last_line_is_cut_off(svg: Path) -> None:
    drawn = ET.parse(svg).getroot()
    [clip] = drawn.iterfind(f".//{_SVG}clipPath[@id='t-clip-terminal']/{_SVG}rect")
    lowest = max(float(text.attrib["y"]) for text in drawn.iterfind(f".//{_SVG}g//{_SVG}text"))
    assert float(clip.attrib["height"]) >= lowest + 6  # a letter such as g goes a quarter below


def test_each_picture_is_there_and_on_a_page() -> None:
    names = {f"{name}-{theme}.svg" for name in ("demo", *SCREENS) for theme in THEMES}
    assert {path.name for path in PICTURES.iterdir()} == names
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    shown = "".join(page.read_text("utf-8") for page in pages)
    assert {name for name in names if f"pictures/{name}" not in shown} == set()


def test_the_pictures_show_what_went_well() -> None:
    demo = texts((PICTURES / "demo-dark.svg").read_text("utf-8"))
    assert "checks are ok." in demo
    assert "FAILED" not in demo
    for name in SCREENS:
        assert "career" in texts((PICTURES / f"{name}-light.svg").read_text("utf-8"))


@pytest.mark.parametrize("theme", THEMES)
def test_the_pictures_show_the_sums_of_the_status_and_a_home_that_is_well_set_up(
    theme: str,
) -> None:
    status = texts((PICTURES / f"status-{theme}.svg").read_text("utf-8"))
    assert re.search(r"all +2 +0 +2 +0 +[\d.]+ [MG]B", status)
    doctor = texts((PICTURES / f"doctor-{theme}.svg").read_text("utf-8"))
    assert "works" in doctor
    assert [words for words in ("other users", "not parked") if words in doctor] == []
