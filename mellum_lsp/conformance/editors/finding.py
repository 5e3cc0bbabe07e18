"""What is found out about an editor, promise by promise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from mellum_lsp.conformance.recordings import Entry

Result = Literal["passed", "failed", "not seen"]
_SHOWN = 5
"""So many complaints are kept; a client that is out of step has thousands."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise. ``seen`` is how often it was put to the test, ``message`` what was wrong first.

    Of an ``optional`` one nobody is worse for its not being seen.
    """

    name: str
    title: str
    result: Result
    seen: int = 0
    message: str = ""
    optional: bool = False


class Judge(Protocol):
    """Takes the messages of a session in their order, then tells what it found."""

    def see(self, entry: Entry) -> None: ...

    def findings(self) -> Iterable[Finding]: ...


class Promise:
    """Counts how often a promise was kept and notes where it was broken."""

    def __init__(self, name: str, title: str, *, optional: bool = False) -> None:
        self._name, self._title, self._optional = name, title, optional
        self._seen = 0
        self._complaints: list[str] = []

    def kept(self) -> None:
        self._seen += 1

    def broken(self, entry: Entry, complaint: str) -> None:
        self._seen += 1
        if len(self._complaints) < _SHOWN:
            self._complaints.append(f"at {entry.at:.3f} s: {complaint}")

    def require(self, condition: object, entry: Entry, complaint: str) -> None:
        """Kept where the condition holds."""
        if condition:
            self.kept()
        else:
            self.broken(entry, complaint)

    def finding(self) -> Finding:
        result: Result = "failed" if self._complaints else "passed" if self._seen else "not seen"
        message = "; ".join(self._complaints)
        return Finding(self._name, self._title, result, self._seen, message, self._optional)
