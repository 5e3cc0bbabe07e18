"""A scripted engine from a file (``--model scripted:FILE``), so that a plugin's tests need no model.

A JSON list; the first entry whose ``after`` ends the text before the caret says what is generated::

    [
      {"after": "def add(a, b):\\n    ", "text": "return a + b"},
      {"after": "x = ", "text": "compute()", "seconds": 0.4}
    ]

``seconds`` is how long the engine thinks first. Where the user has typed a part of ``text``, the rest is
said; where no entry fits, nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from mellum_lsp.engine.interface import GenerateRequest, ModelBroken, ModelMissing
from mellum_lsp.engine.scripted import Pause, Script, ScriptedEngine

PREFIX = "scripted:"


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One entry of a script file."""

    after: str
    text: str
    seconds: float = 0.0


def engine_from_file(path: Path) -> ScriptedEngine:
    """An engine that follows the script at ``path``. Raises `ModelMissing` and `ModelBroken`."""
    lines = read_script(path)
    return ScriptedEngine(lambda request: say(lines, request))


def read_script(path: Path) -> list[Line]:
    """The entries of the script at ``path``. Raises `ModelMissing` and `ModelBroken`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Line])
    except OSError as error:
        raise ModelMissing(
            f"the script {path} cannot be read: {error.strerror}.\nhint: check the path behind {PREFIX!r}."
        ) from error
    except msgspec.DecodeError as error:
        raise ModelBroken(
            f"the script {path} cannot be used: {error}.\n"
            'hint: it is a JSON list of {"after": TEXT, "text": TEXT, "seconds": NUMBER (optional)}.'
        ) from error


def say(lines: Sequence[Line], request: GenerateRequest) -> Script:
    """What the script generates for ``request``: text, after a pause where one is asked for."""
    prefix = "".join(
        segment
        for part in request.spelled_out()
        if part.kind == "prefix"
        for segment in part.segments
        if isinstance(segment, str)
    )
    for line in lines:
        for typed in range(len(line.text)):
            if prefix.endswith(line.after + line.text[:typed]):
                text = line.text[typed:]
                return [Pause(line.seconds), text] if line.seconds and not typed else text
    return ""
