"""`python -m tests.tools.browse_site FOLDER`: look at the built pages in a real browser.

Each page is opened light, dark and as narrow as a telephone. It must load all that it names, ask no
other host, log no error and be no wider than its window. Each of its links must lead to a page that
is there, and to a heading of it.
"""

from __future__ import annotations

import functools
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: How a person may see the pages: options of Playwright's `new_context`.
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}

#: What is read of a shown page: its links, its ids, its background and how far it is too wide.
_READ = """() => ({
    links: Array.from(document.querySelectorAll('a[href]'), a => a.href),
    ids: Array.from(document.querySelectorAll('[id]'), e => e.id),
    background: getComputedStyle(document.body).backgroundColor,
    too_wide: document.documentElement.scrollWidth - window.innerWidth,
})"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print no line for each request."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine; yield its address, without a final slash."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Visit:
    """Looks at all pages of a site in one way, and notes in ``wrong`` what is wrong with them."""

    def __init__(self, browser: Browser, look: str, site: str) -> None:
        self.wrong: list[str] = []
        self.backgrounds: set[str] = set()
        self.links: dict[str, set[str]] = {}
        self.ids: dict[str, set[str]] = {}
        self._look = look
        self._site = site
        self._context = browser.new_context(**LOOKS[look])

    def page(self, path: str) -> None:
        """Show one page, and read it."""
        page = self._context.new_page()
        self._listen(page, path)
        page.goto(f"{self._site}/{path}", wait_until="load")
        shown = page.evaluate(_READ)
        self.backgrounds.add(shown["background"])
        self.links[path] = set(shown["links"])
        self.ids[path] = set(shown["ids"])
        if shown["too_wide"] > 0:
            self._note(path, f"is {shown['too_wide']} pixels too wide")
        page.close()

    def close(self) -> None:
        """Close what belongs to this way to look."""
        self._context.close()

    def _listen(self, page: Page, path: str) -> None:
        def logged(message: ConsoleMessage) -> None:
            if message.type == "error":
                self._note(path, f"logs: {message.text}")

        def asked(request: Request) -> None:
            if not request.url.startswith((f"{self._site}/", "data:", "blob:")):
                self._note(path, f"asks {request.url}")

        page.on("pageerror", lambda error: self._note(path, f"fails: {error}"))
        page.on("console", logged)
        page.on("request", asked)

    def _note(self, path: str, what: str) -> None:
        self.wrong.append(f"{path} ({self._look}) {what}")


def broken_links(visit: Visit, site: str) -> list[str]:
    """Return the links of the site to a page, or to a heading, that is not there."""
    broken = []
    for path, links in visit.links.items():
        for link in sorted(links):
            address, heading = urldefrag(link)
            if not address.startswith(f"{site}/"):
                continue
            there = address.removeprefix(f"{site}/") or "index.html"
            known = visit.ids.get(there)
            if known is None and there.endswith(".html"):
                broken.append(f"{path} links to {there}, which is not there")
            elif known is not None and heading and heading not in known:
                broken.append(f"{path} links to #{heading} of {there}, which is not there")
    return broken


def found() -> str | None:
    """Return the path of a browser on this machine; None without one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def look_at(folder: Path, executable: str) -> list[str]:
    """Return what is wrong with the built pages in this folder; ``executable`` is the browser."""
    paths = sorted(str(page.relative_to(folder)) for page in folder.rglob("*.html"))
    wrong: list[str] = []
    backgrounds: list[set[str]] = []
    with served(folder) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        for look in LOOKS:
            visit = Visit(browser, look, site)
            for path in paths:
                visit.page(path)
            visit.close()
            wrong += visit.wrong
            backgrounds.append(visit.backgrounds)
        wrong += broken_links(visit, site)
        browser.close()
    light, dark, _narrow = backgrounds
    if light & dark:
        wrong.append(f"the dark pages have the background of the light ones: {light & dark}")
    return wrong


def main(folder: Path) -> int:
    """Print what is wrong with the pages, and return 1 if anything is."""
    executable = found()
    if executable is None:
        print("the pages were not looked at: no Chromium here. TIP: apt install chromium")
        return 0
    wrong = look_at(folder, executable)
    print("\n".join(wrong) or f"looked at in a browser: {', '.join(LOOKS)}; nothing is wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
