"""Debian source packages: downloaded by apt, read from their archives, licensed file by file.

``debian/copyright`` in its machine-readable form says under which licence each file of a package is; where it
is not in that form the package is not used.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from debian.copyright import Copyright, NotMachineReadableError

from training.corpus.archives import members, without_top_folder

_SOURCES = "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} {suite} main\n"
_APT = Path("/etc/apt")
_MIRROR = re.compile(r"^(?:URIs:|deb )(?!.*security).*?([a-z+]+://\S+)", re.MULTILINE)
_SPDX = {
    "expat": "MIT", "mit": "MIT", "x11": "MIT", "apache-2": "Apache-2.0", "apache-2.0": "Apache-2.0",
    "asl-2.0": "Apache-2.0", "bsd": "BSD", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clauses": "BSD-3-Clause", "isc": "ISC", "unlicense": "Unlicense", "psf-2": "PSF-2.0",
    "bsd-2": "BSD-2-Clause", "bsd-3": "BSD-3-Clause", "0bsd": "0BSD", "zlib": "Zlib",
}  # fmt: skip


@dataclass(frozen=True)
class Licences:
    """What debian/copyright says of each path."""

    parsed: Copyright

    def licence_of(self, path: str) -> str:
        """As SPDX names it, "" where nothing is said. Debian's ``or`` and ``and`` become SPDX's."""
        paragraph = self.parsed.find_files_paragraph(path)
        return _spdx(paragraph.license.synopsis if paragraph is not None and paragraph.license else "")

    def all(self) -> set[str]:
        """Every licence of any file."""
        return {_spdx(p.license.synopsis) for p in self.parsed.all_files_paragraphs() if p.license}


def _spdx(synopsis: str) -> str:
    words = re.split(r"\s+(or|and)\s+|,\s*", synopsis.strip())
    return " ".join(
        word.upper() if word in ("or", "and") else _SPDX.get(word.strip().lower(), word.strip())
        for word in words
        if word
    )


def find_archives(folder: Path, name: str) -> list[Path]:
    """The upstream and Debian archives of a package that lie in ``folder``."""
    return sorted(p for p in folder.glob(f"{name}_*.tar.*") if not p.name.endswith(".asc"))


def mirror(apt: Path = _APT) -> str:
    """The mirror that this machine's apt uses. Raises `FileNotFoundError` where its sources name none."""
    for file in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))):
        if file.is_file() and (found := _MIRROR.search(file.read_text("utf-8", "replace"))):
            return found[1]
    raise FileNotFoundError(
        f"{apt}: apt has no Debian mirror among its sources (hint: add one, or name no Debian packages)"
    )


def download(folder: Path, name: str, suite: str = "bookworm") -> list[Path]:
    """Fetches a source package with apt, by lists of its own: this machine's sources stay as they are.

    Raises `FileNotFoundError` as `mirror`.
    """
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.list"
    options = [
        f"Dir::Etc::sourcelist={sources.resolve()}",
        "Dir::Etc::sourceparts=-",
        f"Dir::State::lists={(folder / 'lists').resolve()}",
        f"Dir::Cache={(folder / 'cache').resolve()}",
    ]
    flags = [flag for option in options for flag in ("-o", option)]
    if not sources.exists():
        sources.write_text(_SOURCES.format(mirror=mirror(), suite=suite))
        subprocess.run(["apt-get", "-qq", *flags, "update"], check=True)
    subprocess.run(
        ["apt-get", "-qq", *flags, "source", "--download-only", name], cwd=folder, capture_output=True
    )
    return find_archives(folder, name)


def version_of(archives: list[Path], name: str) -> str:
    stem = archives[0].name.removeprefix(f"{name}_")
    return re.sub(r"(\.orig|\.debian)?\.tar\.\w+$", "", stem)


def read_copyright(archives: list[Path]) -> Licences | None:
    """None where a package has none that a program can read. Upstream's archives are not opened for it."""
    native = [archive for archive in archives if ".orig" not in archive.name]
    for archive in native:
        for path, raw in members(archive):
            if path.endswith("debian/copyright"):
                try:
                    return Licences(Copyright(raw.decode("utf-8", "replace").splitlines(True), strict=False))
                except (NotMachineReadableError, ValueError):
                    return None
    return None


def files(archives: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Upstream's files, without what Debian added, under the paths of a checkout."""
    for archive in archives:
        if ".debian.tar" not in archive.name:
            for path, raw in members(archive):
                shown = without_top_folder(path)
                if not shown.startswith("debian/"):
                    yield shown, raw
