"""Draw what a terminal showed as SVG, by rich, without a font or a script from elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME, TerminalTheme
from rich.text import Text

from tests.tools.pictures.terminal import Line

_LIGHT = TerminalTheme(
    (250, 250, 250),
    (36, 41, 47),
    [
        *((36, 41, 47), (207, 34, 46), (17, 99, 41), (77, 45, 0)),
        *((9, 105, 218), (130, 80, 223), (27, 124, 131), (110, 119, 129)),
    ],
    [
        *((87, 96, 106), (164, 14, 38), (26, 127, 55), (99, 60, 1)),
        *((33, 139, 255), (163, 117, 247), (49, 146, 170), (140, 149, 159)),
    ],
)
THEMES = {"light": _LIGHT, "dark": SVG_EXPORT_THEME}

_LONGEST = 12.0
"""Seconds that a recording lasts, whatever the command took."""

_DESCENT = 4.0
"""Pixels by which rich's clip is too low for the letters of the last line that go below it."""

_NAME = "t"
_TERMINAL_CLIP = re.compile(
    rf'(<clipPath id="{_NAME}-clip-terminal">\s*<rect [^>]*height=")([\d.]+)'
)
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
    }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
    {styles}
    REVEAL
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})"
       clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""


def draw(
    lines: Sequence[Line], *, title: str, theme: str, columns: int, plays: bool = False
) -> str:
    """Return the SVG of a terminal with these lines; ``plays``: they appear one after another.

    ``theme`` is ``light`` or ``dark``. A reader who wants no motion sees the last state at once.
    """
    console = Console(
        record=True,
        width=columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    rows: list[float] = []
    for line in lines:
        text = Text.from_ansi(line.text)
        rows += [line.seconds] * len(text.wrap(console, columns) or [""])
        console.print(text)
    reveal = _reveal(rows) if plays else ""
    svg = console.export_svg(
        title=title,
        theme=THEMES[theme],
        code_format=_FORMAT.replace("REVEAL", reveal.replace("{", "{{").replace("}", "}}")),
        unique_id=_NAME,
    )
    svg = _TERMINAL_CLIP.sub(lambda found: f"{found[1]}{float(found[2]) + _DESCENT:.1f}", svg)
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def _reveal(rows: Sequence[float]) -> str:
    pace = min(1.0, _LONGEST / max(rows[-1], 0.1))
    rules = [
        f'text[clip-path="url(#{_NAME}-line-{number})"]'
        f" {{ animation: {_NAME}-show 1ms linear {seconds * pace:.2f}s backwards; }}"
        for number, seconds in enumerate(rows)
    ]
    hidden = f"@keyframes {_NAME}-show {{ from {{ visibility: hidden; }} }}"
    still = "@media (prefers-reduced-motion: reduce) { text { animation: none !important; } }"
    return "\n    ".join([hidden, *rules, still])
