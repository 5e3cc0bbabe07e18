"""``mellum-lsp models pull``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mellum_lsp.cli.output import Failure, errors, json_option, print_json
from mellum_lsp.engine.interface import EngineError
from mellum_lsp.models.catalog import CatalogModel, catalog, find
from mellum_lsp.models.hub import HubError, OnBytes, RemoteFile, download, find_file
from mellum_lsp.models.store import Origin, folder_of, pulled, record


@click.command()
@click.argument("name")
@click.option("--file", "pattern", help="The file to take, by its name or a pattern (*Q4_K_M.gguf).")
@json_option
def pull(name: str, pattern: str | None, as_json: bool) -> None:
    """Fetch a model: NAME of the catalogue, or OWNER/REPOSITORY of the hub.

    Nothing is fetched but by this command. The file is verified by its SHA-256, and a transfer that broke off
    goes on where it was. HF_ENDPOINT, HF_TOKEN and HTTPS_PROXY are honoured. Progress goes to standard error:
    a bar on a terminal, elsewhere a line for every per cent.

    Example: mellum-lsp models pull mellum-4b-sft-python
    """
    known = find(name)
    if known and known.embedded:
        raise click.BadParameter(f"{known.name} is embedded: it is here already", param_hint="NAME")
    if known is None and name.count("/") != 1:
        names = ", ".join(model.name for model in catalog() if not model.embedded)
        raise click.BadParameter(
            f"{name!r} is neither a model of the catalogue nor OWNER/REPOSITORY; there are {names}",
            param_hint="NAME",
        )
    repository = known.repository if known else name
    store_name = known.name if known else name.partition("/")[2].lower()
    try:
        remote = find_file(repository, pattern or (known.file if known else "*.gguf"))
        _announce(known, remote)
        with _transfer(remote) as on_bytes:
            path = download(remote, folder_of(store_name), on_bytes, _check)
    except HubError as error:
        raise Failure(str(error)) from error
    except EngineError as error:
        raise Failure(f"{repository} is not a model that can be served: {error}") from error
    except OSError as error:
        raise Failure(str(error), "see to the folder's permissions and the room on its disk") from error
    except KeyboardInterrupt:
        raise Failure("the transfer was interrupted", "pull again, it goes on where it was") from None
    origin = Origin(
        file=path.name, sha256=remote.sha256, size=remote.size, repository=repository, commit=remote.commit
    )
    record(store_name, origin)
    if as_json:
        print_json({"name": store_name, "path": pulled(store_name), **_facts(remote)})
    else:
        click.echo(f"{store_name} is here: {path}\nserve it with --model {store_name} or the setting `model`")


def _announce(known: CatalogModel | None, remote: RemoteFile) -> None:
    errors.print(f"{remote.repository}: {remote.name}, {remote.size / 1e9:.2f} GB")
    if known and known.limits:
        errors.print(f"[yellow]licence[/] {known.licence}: {known.limits}")
    if known:
        _warn_if_slow(known)


def _warn_if_slow(known: CatalogModel) -> None:
    """Before gigabytes come that would not help; silent where this machine was never measured."""
    from mellum_lsp.cli.models.listing import TARGET_MS
    from mellum_lsp.diagnosis.prediction import predict_speed, waiting
    from mellum_lsp.diagnosis.speed import kept_speed

    machine = kept_speed()
    if machine is None:
        errors.print("whether it is fast enough for this machine is told by `mellum-lsp doctor`")
        return
    speed = predict_speed(known, machine)
    if speed and (line := waiting(speed, known.context_tokens, TARGET_MS)).verdict(TARGET_MS) == "no":
        errors.print(
            f"[yellow]slow here[/] a line while typing is predicted to take {line.typing_ms:,.0f} ms "
            f"({TARGET_MS} ms are wanted); `mellum-lsp doctor` recommends a model for this machine"
        )


def _check(path: Path) -> None:
    from mellum_lsp.engine.gguf import check_is_model, read_header

    check_is_model(read_header(path))


@contextmanager
def _transfer(remote: RemoteFile) -> Iterator[OnBytes]:
    """What comes, told on standard error: a bar on a terminal, elsewhere lines that a program can read."""
    if not errors.is_terminal:
        yield _percents()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    wide = shutil.get_terminal_size().columns >= 100
    with Progress(*columns, *([TimeRemainingColumn()] if wide else []), console=errors) as bar:
        task = bar.add_task(remote.name.rpartition("/")[2], total=remote.size)
        yield lambda here, total: bar.update(task, completed=here, total=total)


def _percents() -> OnBytes:
    """A line for every whole per cent: `` 12%  0.52 of 4.30 GB``."""
    told = -1

    def tell(here: int, total: int) -> None:
        nonlocal told
        percent = 100 * here // max(total, 1)
        if percent > told:
            told = percent
            click.echo(f"{percent:3d}%  {here / 1e9:.2f} of {total / 1e9:.2f} GB", err=True)

    return tell


def _facts(remote: RemoteFile) -> dict[str, object]:
    return {
        "repository": remote.repository,
        "commit": remote.commit,
        "file": remote.name,
        "bytes": remote.size,
        "sha256": remote.sha256,
    }
