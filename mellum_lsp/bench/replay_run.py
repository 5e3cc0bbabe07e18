"""A benchmark of variants on one project, kept in a folder: what was typed stays, the next run goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mellum_lsp.bench.answers import appending, write_line
from mellum_lsp.bench.editor import editing
from mellum_lsp.bench.project import Project
from mellum_lsp.bench.replay import Replayed, replay
from mellum_lsp.bench.replay_summary import ReplayVariant
from mellum_lsp.bench.typist import Sitting, Typist, sittings


class NothingToType(Exception):
    """The project has no file that the typist could write a piece of."""


@dataclass(frozen=True)
class ReplayRun:
    """``folder`` keeps what was typed, with the caches of the servers. ``settings`` are for all variants."""

    project: Project
    typist: Typist
    folder: Path
    settings: Mapping[str, Any]

    def known(self, variant: ReplayVariant) -> dict[str, Replayed]:
        """What was typed with a variant by sitting; a line that was cut short counts as missing."""
        path = self._file(variant)
        found: dict[str, Replayed] = {}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                one = msgspec.json.decode(line, type=Replayed)
            except msgspec.DecodeError:
                continue
            found[one.sitting] = one
        return found

    def chosen(self, variants: Sequence[ReplayVariant], minutes: float) -> list[Sitting]:
        """Sittings that take about ``minutes`` of typing by hand and that not every variant has had.

        Raises `NothingToType` where the project has none at all.
        """
        had = [self.known(variant) for variant in variants]
        chosen: list[Sitting] = []
        left, any_at_all = 60.0 * minutes, False
        for sitting in sittings(self.project.files, self.typist.seed):
            any_at_all = True
            if all(sitting.path in known for known in had):
                continue
            if left <= 0:
                break
            chosen.append(sitting)
            left -= self.typist.estimate(sitting)
        if not any_at_all:
            raise NothingToType(
                f"{self.project.root} has no source file that is long enough to type a piece of\n"
                "hint: name a folder with source code; tests, ignored and generated files do not count"
            )
        return chosen

    async def type(
        self,
        variant: ReplayVariant,
        chosen: Sequence[Sitting],
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        """Have the typist write what of ``chosen`` the variant lacks. Raises `ReplayFailed`."""
        known = self.known(variant)
        missing = [sitting for sitting in chosen if sitting.path not in known]
        if not missing:
            return
        caches = self.folder / "servers"
        settings = {**self.settings, **variant.settings}
        async with editing(self.project.root, variant.model, settings, caches) as editor:
            with appending(self._file(variant)) as file:
                done = 0
                async for one in replay(missing, self.typist, editor):
                    write_line(file, one)
                    done += 1
                    on_progress(done / len(missing))

    def _file(self, variant: ReplayVariant) -> Path:
        """Another typist writes other files."""
        digest = hashlib.sha256(repr((self.typist, sorted(self.settings.items()))).encode()).hexdigest()[:8]
        return self.folder / f"{variant.file_name}--{digest}.jsonl"
