"""Reads the parameters that clients send: strict about kinds, generous about what does no harm.

lsprotocol turns JSON into typed parameters. Left to itself it makes the text "None" of a null where a string
belongs, and refuses what real clients send: columns past 2**31 for "the end of the line", a null version or
one that counts milliseconds, a null range for "the whole document", no context. Hence the hooks here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cattrs import Converter
from lsprotocol import types
from pygls.protocol import default_converter

MAX_UINTEGER = 2**31 - 1
"""The largest number that the protocol's ``uinteger`` can hold."""


class UnreadableError(Exception):
    """Parameters that are not what their method takes. The message never quotes their text."""


def make_converter() -> Converter:
    """lsprotocol's converter with our hooks: for parameters in and results out."""
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]
    converter.register_structure_hook(str, _string)
    converter.register_structure_hook(types.Position, _position)
    converter.register_structure_hook(
        types.TextDocumentContentChangePartial | types.TextDocumentContentChangeWholeDocument,
        lambda value, _: _change(converter, value),
    )
    _fill_in(converter, types.VersionedTextDocumentIdentifier, {"version": 0})
    _fill_in(converter, types.TextDocumentItem, {"version": 0, "languageId": "plaintext"})
    automatic = {"triggerKind": types.InlineCompletionTriggerKind.Automatic.value}
    _fill_in(converter, types.InlineCompletionParams, {"context": automatic})
    return converter


def read(converter: Converter, value: Any, wanted: type | None) -> Any:
    """``value`` as ``wanted`` (None: as it is). Raises `UnreadableError`."""
    if wanted is None:
        return value
    if not isinstance(value, dict):
        raise UnreadableError(f"expected an object, got {_kind(value)}")
    try:
        return converter.structure(value, wanted)
    except Exception as error:  # whatever a hostile message makes a converter raise
        raise UnreadableError(_first_cause(error)) from None


def _string(value: Any, _: type) -> str:
    if not isinstance(value, str):
        raise UnreadableError(f"expected a string, got {_kind(value)}")
    return value


def _position(value: Any, _: type) -> types.Position:
    if not isinstance(value, dict):
        raise UnreadableError(f"expected a position, got {_kind(value)}")
    return types.Position(_uinteger(value.get("line")), _uinteger(value.get("character")))


def _uinteger(value: Any) -> int:
    """The nearest number that the protocol allows."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise UnreadableError(f"expected a number, got {_kind(value)}")
    return int(min(max(value, 0), MAX_UINTEGER))


def _change(
    converter: Converter, value: Any
) -> types.TextDocumentContentChangePartial | types.TextDocumentContentChangeWholeDocument:
    if not isinstance(value, dict) or not isinstance(text := value.get("text"), str):
        raise UnreadableError("expected a change with a text")
    if value.get("range") is None:
        return types.TextDocumentContentChangeWholeDocument(text=text)
    return types.TextDocumentContentChangePartial(
        range=converter.structure(value["range"], types.Range), text=text
    )


def _fill_in(converter: Converter, wanted: type, defaults: dict[str, Any]) -> None:
    """Read ``wanted`` with ``defaults`` in place of members that are missing or null."""
    structure: Callable[[Any, type], Any] = converter.get_structure_hook(wanted)

    def filled(value: Any, cls: type) -> Any:
        if not isinstance(value, dict):
            raise UnreadableError(f"expected an object, got {_kind(value)}")
        members = defaults | {key: item for key, item in value.items() if item is not None}
        if "version" in defaults:
            members["version"] = _version(members["version"])
        return structure(members, cls)

    converter.register_structure_hook(wanted, filled)


def _version(value: Any) -> int:
    """Nothing here depends on it: messages come in their order."""
    known = isinstance(value, int | float) and abs(value) <= MAX_UINTEGER
    return int(value) if known else MAX_UINTEGER


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _first_cause(error: BaseException) -> str:
    """What went wrong first, inside cattrs' groups of errors, without the offending values."""
    path = ""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
        notes = getattr(error, "__notes__", ())
        path += "".join(f".{note.name}" for note in notes if isinstance(getattr(note, "name", None), str))
    cause = str(error) if isinstance(error, UnreadableError) else type(error).__name__
    if type(error) is ValueError:  # of an enumeration or a bounded number
        cause = "not one of the values that the protocol allows"
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        cause = f"missing member {error.args[0]!r}"
    return f"{path.lstrip('.')}: {cause}" if path else cause
