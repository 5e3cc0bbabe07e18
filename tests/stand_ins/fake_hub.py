"""A hub on this machine: it lists repositories and serves files as the real one does, troubles included."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from loopback import serving_http

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """What the hub holds and how it misbehaves; ``ranges`` are the Range headers of the transfers so far."""

    files: dict[str, bytes]
    """By ``owner/name/file``."""
    address: str = ""
    token: str = ""
    """Asked for where it is set."""
    status: int = 0
    """Answers every request with this instead."""
    headers: dict[str, str] = field(default_factory=dict)
    break_after: list[int] = field(default_factory=list)
    """Each transfer takes one and ends after so many bytes."""
    wrong_hash: bool = False
    without_hash: bool = False
    redirect: bool = False
    ranges: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    """What each request took us for: another one where it came to us as to a proxy."""
    authorizations: list[str] = field(default_factory=list)


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve ``hub`` on a port of this machine."""
    with serving_http(_Handler, hub=hub) as hub.address:
        yield hub


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append(path)
        hub.hosts.append(self.headers.get("Host", ""))
        hub.authorizations.append(self.headers.get("Authorization", ""))
        if hub.status:
            self._answer(hub.status, b"{}", hub.headers)
        elif (
            hub.token
            and not path.startswith("/cdn/")
            and self.headers.get("Authorization") != f"Bearer {hub.token}"
        ):
            self._answer(
                401, b'{"error": "Invalid username or password."}', {"X-Error-Message": "Unauthorized"}
            )
        elif path.startswith("/api/models/"):
            self._list(path.removeprefix("/api/models/"))
        elif hub.redirect and not path.startswith("/cdn/"):
            # Another host to whoever asks, the same machine in fact.
            elsewhere = hub.address.replace("127.0.0.1", "localhost")
            self._answer(302, b"", {"Location": f"{elsewhere}/cdn{path}"})
        else:
            self._transfer(path.removeprefix("/cdn").removeprefix("/").replace(f"/resolve/{COMMIT}", ""))

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def _list(self, repository: str) -> None:
        files = {
            name.removeprefix(f"{repository}/"): data
            for name, data in self.hub.files.items()
            if name.startswith(f"{repository}/")
        }
        if not files:
            self._answer(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})
            return
        siblings = []
        for name, data in files.items():
            sha256 = hashlib.sha256(b"other" if self.hub.wrong_hash else data).hexdigest()
            lfs = {"sha256": sha256, "size": len(data), "pointerSize": 130}
            siblings.append({"rfilename": name, "size": len(data), "blobId": "0" * 40})
            if not self.hub.without_hash:
                siblings[-1]["lfs"] = lfs
        info = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings, "tags": []}
        self._answer(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _transfer(self, name: str) -> None:
        data = self.hub.files.get(name)
        if data is None:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        wanted = self.headers.get("Range", "")
        self.hub.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.hub.break_after:
            self.wfile.write(data[start : start + self.hub.break_after.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
        else:
            self.wfile.write(data[start:])

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
