"""Where text comes from: packages by name from their registries' ordinary clients, and local folders.

Each source yields `SourceFile` with the licence that it found. What may not be used is never yielded: the
source raises `RefusedError` for a package, and the corpus counts it.
"""

from __future__ import annotations

import email.parser
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.walk import Walker
from training.corpus import debian
from training.corpus.archives import members, without_top_folder
from training.corpus.licences import allowed, licence_of, licence_of_text
from training.recipe import Corpus, Run

_LICENCE_FILE = re.compile(r"(?i)licen[cs]e|copying|unlicense")


class RefusedError(Exception):
    """A package may not be trained on, or cannot be had."""


@dataclass(frozen=True)
class SourceFile:
    """A file as a registry gives it, with the licence that covers it."""

    ecosystem: str
    package: str
    version: str
    licence: str
    path: str
    raw: bytes


Source = Callable[[Corpus, Run, str], Iterator[SourceFile]]


def wheel(settings: Corpus, run: Run, name: str) -> Iterator[SourceFile]:
    """The files of a package of PyPI in its wheel; nothing of it is run."""
    path = downloaded(run.wheels, name, "*.whl", ["--only-binary=:all:"])
    yield from _python_package(settings, path, name, keep=lambda p: ".dist-info/" not in p, show=str)


def sdist(settings: Corpus, run: Run, name: str) -> Iterator[SourceFile]:
    """The same in its source archive, tests and docs included.

    pip runs the package's own build code to read the metadata: name only packages that you would install.
    Archives that lie in the run folder are read without running anything.
    """
    path = downloaded(run.sdists, name, "*.tar.gz", [f"--no-binary={name}"])
    yield from _python_package(settings, path, name, keep=lambda p: True, show=without_top_folder)


def npm(settings: Corpus, run: Run, name: str) -> Iterator[SourceFile]:
    """The files of a package of npm; none of its scripts are run."""
    folder = run.root / "npm"
    stem = name.removeprefix("@").replace("/", "-")
    if not list(folder.glob(f"{stem}-[0-9]*.tgz")):
        folder.mkdir(parents=True, exist_ok=True)
        _client(["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), name])
    path = max(folder.glob(f"{stem}-[0-9]*.tgz"))
    files = dict(members(path))
    metadata = json.loads(files.get("package/package.json", b"{}"))
    licence = metadata.get("license", "")
    if isinstance(licence, dict):  # an old way to write it
        licence = licence.get("type", "")
    _check(settings, name, str(licence).strip(), "package.json")
    for entry, raw in sorted(files.items()):
        yield SourceFile("npm", name, metadata.get("version", ""), licence, without_top_folder(entry), raw)


def debian_source(settings: Corpus, run: Run, name: str) -> Iterator[SourceFile]:
    """The files of a Debian source package, each under the licence that debian/copyright gives it."""
    folder = run.root / "debian"
    archives = debian.find_archives(folder, name) or debian.download(folder, name)
    if not archives:
        raise RefusedError(f"{name}: not a source package of Debian, or no archive in {folder}")
    copyright_file = debian.read_copyright(archives)
    if copyright_file is None:
        raise RefusedError(f"{name}: debian/copyright cannot be read by a program")
    if not any(allowed(licence, settings.licences) for licence in copyright_file.all()):
        raise RefusedError(f"{name}: none of its licences is in the recipe's list")
    version = debian.version_of(archives, name)
    for path, raw in debian.files(archives):
        licence = copyright_file.licence_of(path)
        if allowed(licence, settings.licences):
            yield SourceFile("debian", name, version, licence, path, raw)


def folder(settings: Corpus, run: Run, name: str) -> Iterator[SourceFile]:
    """A local folder by the server's own rules (ignore files, secrets); its licence file decides.

    With ``own_code`` the recipe's author vouches for it.
    """
    root = Path(name).expanduser().resolve()
    if not root.is_dir():
        raise RefusedError(f"{name}: there is no such folder")
    licence = "own code"
    if not settings.own_code:
        texts = [p.read_text("utf-8", "replace") for p in sorted(root.iterdir()) if _is_licence(p)]
        licence = licence_of_text(texts)
        _check(settings, name, licence, "licence file")
    for found in Walker(root, IndexSettings(exclude=settings.exclude)).walk():
        yield SourceFile("folder", root.name, "", licence, found.path, (root / found.path).read_bytes())


def interpreter_library() -> Iterator[SourceFile]:
    """This Python's own library."""
    root = Path(sysconfig.get_path("stdlib"))
    skip = {"site-packages", "test", "tests", "idlelib", "lib2to3", "ensurepip", "__pycache__", "encodings"}
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if not skip & set(relative.parts):
            shown = f"Lib/{relative.as_posix()}"
            yield SourceFile(
                "cpython", "cpython", sysconfig.get_python_version(), "PSF-2.0", shown, path.read_bytes()
            )


def _python_package(
    settings: Corpus, path: Path, name: str, keep: Callable[[str], bool], show: Callable[[str], str]
) -> Iterator[SourceFile]:
    files = dict(members(path))
    described = [p for p in files if p.endswith((".dist-info/METADATA", "PKG-INFO"))]
    if not described:
        raise RefusedError(f"{name}: no metadata in {path.name}")
    about = email.parser.Parser().parsestr(files[min(described, key=len)].decode("utf-8", "replace"))
    texts = [raw.decode("utf-8", "replace") for p, raw in sorted(files.items()) if _names_licence(p)]
    licence, evidence = licence_of(about, texts)
    _check(settings, name, licence, evidence)
    for entry, raw in sorted(files.items()):
        if keep(entry):
            yield SourceFile("pypi", name, about["Version"], licence, show(entry), raw)


def _check(settings: Corpus, name: str, licence: str, evidence: str) -> None:
    if not allowed(licence, settings.licences):
        raise RefusedError(f"{name}: licence {licence or 'unknown'} ({evidence}) is not in the recipe's list")


def _names_licence(path: str) -> bool:
    return path.count("/") <= 3 and bool(_LICENCE_FILE.search(path.rsplit("/", 1)[-1]))


def _is_licence(path: Path) -> bool:
    return path.is_file() and bool(_LICENCE_FILE.search(path.name))


def downloaded(folder: Path, name: str, pattern: str, how: list[str]) -> Path:
    """The archive of ``name`` in ``folder``; fetched by pip where it is missing."""
    wanted = re.sub(r"[-_.]+", "_", name).lower()

    def there() -> Path | None:
        for path in sorted(folder.glob(pattern)):
            if re.sub(r"[-_.]+", "_", path.name).lower().startswith(f"{wanted}_"):
                return path
        return None

    if there() is None:
        folder.mkdir(parents=True, exist_ok=True)
        _client([sys.executable, "-m", "pip", "download", "-q", "--no-deps", *how, "-d", str(folder), name])
    found = there()
    if found is None:
        raise RefusedError(f"{name}: pip left no {pattern} in {folder}")
    return found


def _client(command: list[str]) -> None:
    """Runs a registry's own client; raises `RefusedError` with the last line of what it says."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise RefusedError(f"{command[-1]}: {command[0]} is not installed") from None
    if done.returncode:
        said = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RefusedError(f"{command[-1]}: {command[0]} failed: {said}")
