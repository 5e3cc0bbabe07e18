"""Documents in sync: positions in every unit, line endings of every kind, changes of every form.

A scripted server says something only behind one text: that it says it proves that it holds that text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mellum_lsp.conformance.checks.check import Subject, check, only, require
from mellum_lsp.conformance.client import LspClient

UNITS: dict[str, Callable[[str], int]] = {
    "utf-8": lambda text: len(text.encode()),
    "utf-16": lambda text: len(text.encode("utf-16-le")) // 2,
    "utf-32": len,
}
LINE = "right = '😀é𝒳'; "
SAID = "print(right)"


def place(line: int, before: str, encoding: str = "utf-16") -> dict[str, int]:
    """The position behind ``before`` on a line."""
    return {"line": line, "character": UNITS[encoding](before)}


async def said(client: LspClient, uri: str, caret: dict[str, int], what: str) -> dict[str, Any]:
    """The item at the caret, which must be what the script says behind `LINE`."""
    item = only(await client.inline(uri, caret, kind=1), what)
    require(item["insertText"] == SAID, f"{what}: suggested {item['insertText']!r} in place of {SAID!r}")
    return item


@check("lsp")
async def position_encodings(subject: Subject) -> None:
    """Positions count the units that the client offers first, UTF-16 where it offers none."""
    offers: tuple[tuple[Any, str], ...] = (
        (["utf-8", "utf-16"], "utf-8"),
        (["utf-32", "utf-16"], "utf-32"),
        (["utf-16"], "utf-16"),
        (None, "utf-16"),
    )
    for offered, encoding in offers:
        general = {} if offered is None else {"positionEncodings": offered}
        async with subject.session(capabilities={"general": general}) as peer:
            chosen = peer.client.capabilities.get("positionEncoding", "utf-16")
            require(chosen in (offered or ["utf-16"]), f"{chosen} was chosen of {offered}")
            if subject.scripted:
                require(chosen == encoding, f"{chosen} was chosen of {offered}, not the first")
                uri, caret = subject.uri(), place(1, LINE, encoding)
                peer.client.open(uri, f"# 𝒳\n{LINE}\n")
                item = await said(peer.client, uri, caret, f"positions in {encoding}")
                require(
                    item["range"]["start"] == caret,
                    f"positions in {encoding}: the range begins at {item['range']['start']}, not at {caret}",
                )
            await peer.client.end()


@check("lsp")
async def incremental_changes(subject: Subject) -> None:
    """Several changes in one message apply one after the other, also behind characters of many units."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    client.open(uri, "# 😀😀\nright = '😀xy'; \n")
    client.change(
        uri,
        {"range": {"start": place(1, "right = '😀"), "end": place(1, "right = '😀xy")}, "text": "é"},
        {"range": {"start": place(1, "right = '😀é"), "end": place(1, "right = '😀é")}, "text": "𝒳"},
        {"range": {"start": place(0, "# 😀"), "end": place(0, "# 😀😀")}, "text": "\n# a line more"},
    )
    await said(client, uri, place(2, LINE), "after three changes")


@check("lsp")
async def whole_texts(subject: Subject) -> None:
    """A change without a range replaces the whole text, also between others."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    client.open(uri, "lost\n")
    start = {"line": 0, "character": 0}
    client.change(
        uri,
        {"range": {"start": start, "end": start}, "text": "lost too"},
        {"text": "# new\nright = "},
        {"range": {"start": place(1, "right = "), "end": place(1, "right = ")}, "text": "'😀é𝒳'; "},
    )
    await said(client, uri, place(1, LINE), "after a whole text")


@check("lsp")
async def line_endings(subject: Subject) -> None:
    r"""Lines end with \n, \r\n or \r, and with nothing else."""
    subject.needs_script()
    client = await subject.running()
    for ending in ("\n", "\r\n", "\r"):
        uri = subject.uri()
        client.open(uri, f"one{ending}two\u2028\f\x85{ending}{LINE}{ending}")
        await said(client, uri, place(2, LINE), f"lines that end with {ending!r}")
        lines = {"start": {"line": 0, "character": 3}, "end": {"line": 1, "character": 0}}
        client.change(uri, {"range": lines, "text": " and "})
        await said(client, uri, place(1, LINE), f"after joining lines that ended with {ending!r}")


@check("lsp")
async def positions_out_of_bounds(subject: Subject) -> None:
    """A column behind its line's end means the line's end."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    client.open(uri, f"{LINE}\nbelow\n")
    await said(client, uri, {"line": 0, "character": 10_000}, "a column behind the line's end")
    start = {"line": 0, "character": 10_000}
    client.change(uri, {"range": {"start": start, "end": start}, "text": f"\n{LINE}"})
    await said(client, uri, place(1, LINE), "a change behind the line's end")


@check("lsp")
async def opened_again(subject: Subject) -> None:
    """A closed document is not served, and one that is opened again has its new text."""
    subject.needs_script()
    client, uri = await subject.running(), subject.uri()
    client.open(uri, f"{LINE}\n")
    await said(client, uri, place(0, LINE), "an open document")
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    items = await client.inline(uri, place(0, LINE), kind=1)
    require(not items, f"a closed document got {items}")
    client.open(uri, f"\n{LINE}\n")
    await said(client, uri, place(1, LINE), "a document that was opened again")


@check("mellum")
async def unsaved_documents(subject: Subject) -> None:
    """Documents that are no files are served."""
    subject.needs_script()
    client = await subject.running()
    for uri in ("untitled:Untitled-1", "untitled:/a b/ü.py", "vscode-vfs://github/x/y.py"):
        client.open(uri, f"{LINE}\n")
        await said(client, uri, place(0, LINE), uri)
