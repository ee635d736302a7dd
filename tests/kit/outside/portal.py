"""`FakePortal`: a login server whose refresh tokens work once, as Nous's portal has them.

Whoever presents a used one again has lost the login, like somebody who stole it.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.kit.outside.serving import LocalServer

LEAST_SECONDS = 120
"""Hermes renews a token that is shorter valid than this."""


class FakePortal(LocalServer):
    """Serves `POST /api/oauth/token`, which gives new tokens for a refresh token.

    `lifetime` is how many seconds Hermes uses an access token before it asks for the next one.
    """

    def __init__(self, *, lifetime: float = 3.0) -> None:
        super().__init__()
        self.lifetime = lifetime
        self.refreshed: list[str] = []
        """The login of each refresh, in order."""
        self.reused: list[str] = []
        """Refresh tokens that were presented a second time."""
        self._valid: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._renewal = 0.0

    def login(self, name: str) -> dict[str, Any]:
        """Return the state of a login, as Hermes keeps it, whose access token has expired."""
        return {
            "access_token": _access_token(name, "expired", time.time() - 60),
            "refresh_token": self._issue(name),
            "client_id": "hermes-cli",
            "scope": "inference:invoke",
            "token_type": "Bearer",
            "expires_at": "2020-01-01T00:00:00+00:00",
        }

    def accepts(self, refresh_token: str) -> bool:
        """Say whether a refresh token was issued and not used yet."""
        with self._lock:
            return refresh_token in self._valid

    def expired(self) -> bool:
        """Return True if Hermes would now renew all access tokens that were issued so far."""
        return time.time() > self._renewal

    def _issue(self, name: str) -> str:
        token = f"{name}-{next(self._numbers)}"
        self._valid[token] = name
        return token

    def _application(self) -> Starlette:
        return Starlette(routes=[Route("/api/oauth/token", self._token, methods=["POST"])])

    async def _token(self, request: Request) -> JSONResponse:
        token = request.headers.get("x-nous-refresh-token", "")
        with self._lock:
            name = self._valid.pop(token, None)
            if name is None:
                self.reused.append(token)
                return JSONResponse({"error": "refresh_token_reused"}, status_code=400)
            self.refreshed.append(name)
            fresh = self._issue(name)
            self._renewal = time.time() + self.lifetime
        seconds = LEAST_SECONDS + self.lifetime
        access = _access_token(name, fresh, time.time() + seconds)
        return JSONResponse(
            {"access_token": access, "refresh_token": fresh, "expires_in": int(seconds)}
        )


def login_of(access_token: str) -> str:
    """Return the login that an access token of the portal is for; empty for another text."""
    try:
        payload = access_token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(payload + "=="))["sub"])
    except (IndexError, ValueError, KeyError):
        return ""


def _access_token(name: str, number: str, expires: float) -> str:
    claims = {"sub": name, "jti": number, "scope": "inference:invoke", "exp": expires}
    parts = [{"alg": "none"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(part.rstrip("=") for part in encoded), "signature"])
