"""Files cut into parts that can be carried, and joined again only when every byte is right.

A bundle is a folder with ``NAME.000``, ``NAME.001``… and ``NAME.json``, which says how many parts there are,
their hashes and that of the whole. The list is written last: a reader never takes half a bundle for a whole.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

_BLOCK = 1 << 20


class BrokenPart(Exception):
    """A part is missing or is not what was packed."""


def split(source: Path, folder: Path, part_bytes: int) -> list[Path]:
    """Cuts ``source`` into parts of at most ``part_bytes`` in ``folder``; returns all files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    hashes: list[str] = []
    whole = hashlib.sha256()
    with source.open("rb") as file:
        while data := file.read(part_bytes):
            part = folder / f"{source.name}.{len(hashes):03d}"
            part.write_bytes(data)
            written.append(part)
            hashes.append(hashlib.sha256(data).hexdigest())
            whole.update(data)
    listing = folder / f"{source.name}.json"
    listing.write_text(json.dumps({"parts": hashes, "sha256": whole.hexdigest()}), encoding="utf-8")
    return [*written, listing]


def complete(folder: Path) -> list[str]:
    """The names of the bundles in ``folder`` of which every part is there."""
    names = []
    for listing in sorted(folder.glob("*.json")):
        name = listing.name.removesuffix(".json")
        try:
            count = len(json.loads(listing.read_text(encoding="utf-8"))["parts"])
        except (json.JSONDecodeError, KeyError):  # still being written, or no bundle
            continue
        if all((folder / f"{name}.{index:03d}").exists() for index in range(count)):
            names.append(name)
    return names


def join(folder: Path, name: str, target: Path) -> Path:
    """Joins a bundle into ``target``; raises `BrokenPart` naming the part that is wrong."""
    listing = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    whole = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with partial.open("wb") as out:
        for index, expected in enumerate(listing["parts"]):
            part = folder / f"{name}.{index:03d}"
            if not part.exists():
                raise BrokenPart(f"{part} is missing")
            digest = hashlib.sha256()
            with part.open("rb") as file:
                while data := file.read(_BLOCK):
                    digest.update(data)
                    whole.update(data)
                    out.write(data)
            if digest.hexdigest() != expected:
                raise BrokenPart(f"{part} is damaged: its hash is not that of the list")
    if whole.hexdigest() != listing["sha256"]:
        raise BrokenPart(f"{name}: the parts are right but not the whole; pack it again")
    partial.rename(target)
    return target
