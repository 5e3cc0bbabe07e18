"""Reads the settings that clients send: every mistake explained in a sentence, none of them fatal."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from mellum_lsp.lsp.settings import Settings


def read_settings(value: Any) -> tuple[Settings, list[str]]:
    """The settings in ``value`` and what is wrong with it, in sentences for the user.

    A setting that is null, unknown or bad keeps its default; the others count.
    """
    problems: list[str] = []
    if value is None:
        return Settings(), problems
    return _read(Settings, value, "", problems), problems


def overlay(below: Any, above: Any) -> Any:
    """The settings objects laid over each other: what ``above`` leaves out or null shines through."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return below if above is None else above
    return {key: overlay(below.get(key), above.get(key)) for key in {**below, **above}}


def _read(kind: type[Any], value: Any, path: str, problems: list[str]) -> Any:
    if not isinstance(value, Mapping):
        problems.append(f"{path.rstrip('.') or 'the settings'} must be an object; the defaults are used")
        return kind()
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {}
    for name, item in value.items():
        field = fields.get(name)
        if field is None:
            problems.append(f"there is no setting {path}{name}{_suggestion(name, list(fields))}")
        elif isinstance(field.type, type) and issubclass(field.type, Struct):
            given[field.name] = _read(field.type, {} if item is None else item, f"{path}{name}.", problems)
        elif item is not None:
            try:
                given[field.name] = msgspec.convert(item, field.type)
            except msgspec.ValidationError as error:
                problems.append(f"{path}{name}: {_explained(error, field)}")
    return kind(**given)


def _explained(error: msgspec.ValidationError, field: FieldInfo) -> str:
    said = str(error).partition(" - at ")[0]
    said = said[:1].lower() + said[1:]
    if said.startswith("invalid enum value") and (allowed := list(_choices(field.type))):
        said += f" (it knows {', '.join(map(json.dumps, allowed))})"
    return f"{said}; its default {json.dumps(msgspec.to_builtins(field.default))} is used"


def _choices(kind: Any) -> Iterator[Any]:
    """The literals that a type allows, wherever in it they are."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    elif get_origin(kind) is not None:
        for inner in get_args(kind):
            yield from _choices(inner)


def _suggestion(name: Any, known: list[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
