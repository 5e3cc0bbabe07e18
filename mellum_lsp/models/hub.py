"""The Hugging Face hub: which file of a repository is the model, and that file brought here whole.

Endpoint, token, proxies and offline mode are those of the hub's own library (``HF_ENDPOINT``, ``HF_TOKEN`` or
its login, ``HTTPS_PROXY``, ``HF_HUB_OFFLINE``). A transfer that broke off goes on where it was: the bytes lie
beside the model's place under another ending until their SHA-256 is the one that the hub tells.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The library tells the hub about this machine unless it is told not to; it reads this at its import.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

OnBytes = Callable[[int, int], None]
"""Hears how many bytes are here and how many there will be."""

_READ_BYTES = 1 << 20
_SPARE_BYTES = 64 * 1024**2
"""Left free on the disk beside the model: a full disk is a trouble of its own."""
_LISTED = 12


class HubError(Exception):
    """The hub could not give what was asked; the message is for the user and ends with a hint."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository at one commit, ``sha256`` in hexadecimal, ``size`` in bytes."""

    repository: str
    commit: str
    name: str
    size: int
    sha256: str


def find_file(repository: str, pattern: str, endpoint: str | None = None) -> RemoteFile:
    """The one GGUF of ``repository`` (``owner/name``) whose name fits ``pattern`` (as of a shell).

    Raises `HubError` where the hub cannot be asked, and where no file fits or more than one does.
    """
    from huggingface_hub import HfApi

    with _told(repository):
        info = HfApi(endpoint=endpoint).model_info(repository, files_metadata=True, timeout=30)
    files = {file.rfilename: file for file in info.siblings or ()}
    name = _choose(repository, sorted(name for name in files if name.lower().endswith(".gguf")), pattern)
    chosen = files[name]
    if chosen.lfs is None or chosen.size is None:
        raise HubError(
            f"{repository} gives no SHA-256 for {name}, so what arrives could not be verified.\n"
            "hint: download the file yourself and give its path with --model PATH.gguf."
        )
    return RemoteFile(repository, info.sha or "main", name, chosen.size, chosen.lfs.sha256)


def download(
    file: RemoteFile,
    folder: Path,
    on_bytes: OnBytes = lambda here, total: None,
    check: Callable[[Path], object] = lambda path: None,
    endpoint: str | None = None,
) -> Path:
    """Bring ``file`` into ``folder`` and return its path there; what is there already is not fetched again.

    ``check`` looks at what has arrived and raises where it is of no use. Raises `HubError`; what has arrived
    by then stays and the next call goes on from it, unless it is wrong.
    """
    target = folder / Path(file.name).name
    if target.is_file() and target.stat().st_size == file.size and sha256_of(target) == file.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{file.sha256[:16]}.part"
    here = partial.stat().st_size if partial.is_file() else 0
    if here > file.size:
        partial.unlink()
        here = 0
    _check_space(folder, file.size - here)
    _fetch(file, partial, on_bytes, endpoint)
    found = sha256_of(partial)
    if found != file.sha256:
        partial.unlink()
        raise HubError(
            f"what arrived as {file.name} is not what {file.repository} announced: its SHA-256 is {found}, "
            f"announced was {file.sha256}. It has been removed.\n"
            "hint: pull again; where it happens again, a proxy or mirror on the way changes files."
        )
    try:
        check(partial)
    except Exception:
        partial.unlink()
        raise
    partial.replace(target)
    return target


def sha256_of(path: Path, on_progress: Callable[[float], None] = lambda fraction: None) -> str:
    """The SHA-256 of a file, in hexadecimal; ``on_progress`` gets fractions from 0 to 1."""
    digest, size, done = hashlib.sha256(), max(1, path.stat().st_size), 0
    with path.open("rb") as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
            done += len(block)
            on_progress(done / size)
    return digest.hexdigest()


def _choose(repository: str, names: list[str], pattern: str) -> str:
    fitting = [name for name in names if fnmatch.fnmatchcase(Path(name).name, pattern)]
    if len(fitting) == 1:
        return fitting[0]
    listed = "".join(f"\n  {name}" for name in (fitting or names)[:_LISTED])
    if fitting:
        raise HubError(
            f"{len(fitting)} files of {repository} fit {pattern}:{listed}\n"
            "hint: name one of them with --file. A model in several parts cannot be pulled."
        )
    if names:
        raise HubError(
            f"no file of {repository} fits {pattern}; there are:{listed}\nhint: name one with --file."
        )
    raise HubError(
        f"{repository} holds no .gguf file.\nhint: look for a repository of the model's GGUF files."
    )


def _fetch(file: RemoteFile, partial: Path, on_bytes: OnBytes, endpoint: str | None) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(file.repository, file.name, revision=file.commit, endpoint=endpoint)
    with partial.open("ab") as stream, _told(file.repository):
        here = stream.tell()
        on_bytes(here, file.size)
        http_get(
            url,
            stream,
            resume_size=here,
            headers=build_hf_headers(library_name="mellum-lsp"),
            expected_size=file.size,
            tqdm_class=_reporting_bar(on_bytes, file.size),
        )


def _reporting_bar(on_bytes: OnBytes, total: int) -> Any:
    """A progress bar of the library's kind that draws nothing and tells ``on_bytes``."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.here = options.get("initial", 0)
            super().__init__(*arguments, **{**options, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            self.here += int(n or 0)
            on_bytes(self.here, total)
            return None

    return Bar


def _check_space(folder: Path, missing: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < missing + _SPARE_BYTES:
        raise HubError(
            f"{missing / 1e9:.2f} GB are still to be fetched and {folder} has {free / 1e9:.2f} GB free.\n"
            "hint: make room, or set XDG_DATA_HOME to a folder on a larger disk."
        )


@contextmanager
def _told(repository: str) -> Iterator[None]:
    """The library's errors in the user's words."""
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise HubError(
            "the hub's offline mode is on (HF_HUB_OFFLINE), so nothing can be pulled.\n"
            "hint: unset HF_HUB_OFFLINE, or serve a file that you have: --model PATH.gguf."
        ) from error
    except errors.GatedRepoError as error:
        raise HubError(
            f"{repository} asks you to accept its terms first.\n"
            "hint: accept them on the hub's page of the model, then set HF_TOKEN to a token of yours."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise HubError(
            f"the hub has no repository {repository}, or it is not yours to read.\n"
            "hint: check the name; for a private repository set HF_TOKEN to a token that may read it."
        ) from error
    except errors.HfHubHTTPError as error:
        raise HubError(_http_trouble(repository, error)) from error
    except OSError as error:
        if isinstance(error, (PermissionError, FileNotFoundError)) or error.errno == 28:
            raise HubError(
                f"cannot write the model: {error}.\nhint: see to the folder and pull again."
            ) from error
        raise HubError(
            f"the transfer broke off: {_first_line(error)}.\nhint: pull again, it goes on where it was."
        ) from error
    except Exception as error:
        if not _of_the_network(error):
            raise
        address = os.environ.get("HF_ENDPOINT", "the hub")
        raise HubError(
            f"{address} cannot be reached or broke off ({_first_line(error) or type(error).__name__}).\n"
            "hint: check the network, HTTPS_PROXY and HF_ENDPOINT, then pull again: it goes on where it was."
        ) from error


def _http_trouble(repository: str, error: Any) -> str:
    status = error.response.status_code if error.response is not None else 0
    if status in (401, 403):
        return (
            f"the hub refuses to give {repository} (HTTP {status}).\n"
            "hint: set HF_TOKEN to a token of yours that may read it, or run `hf auth login`."
        )
    if status == 404:
        return (
            f"the file is no longer in {repository} (HTTP 404).\nhint: pull again, or name one with --file."
        )
    if status == 429:
        wait = error.response.headers.get("Retry-After", "")
        after = f" in {wait} seconds" if wait.isdigit() else " later"
        return (
            f"the hub asks for fewer requests (HTTP 429).\nhint: pull again{after}; a token raises the limit."
        )
    return (
        f"the hub answered with an error (HTTP {status}).\nhint: pull again later, it goes on where it was."
    )


def _of_the_network(error: BaseException) -> bool:
    """Whether an error comes from the HTTP client under the library, whatever that is called."""
    return type(error).__module__.partition(".")[0].startswith("httpx")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
