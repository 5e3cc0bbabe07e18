"""``mellum-lsp models path``, ``verify`` and ``rm``: the files that models are."""

from __future__ import annotations

import click

from mellum_lsp.cli.output import Failure, json_option, print_json, progress_bar, reported_failures
from mellum_lsp.models.catalog import find
from mellum_lsp.models.resolve import resolve
from mellum_lsp.models.store import folder_of, origin_of, pulled, remove


@click.command()
@click.argument("name", required=False)
@json_option
def path(name: str | None, as_json: bool) -> None:
    """Print the file that serves NAME (or that serves when no model is named).

    Example: mellum-lsp models path
    """
    with reported_failures():
        choice = resolve(name)
    if as_json:
        print_json({"name": choice.name, "path": choice.path})
    else:
        click.echo(choice.path)


@click.command()
@click.argument("name", required=False)
@json_option
def verify(name: str | None, as_json: bool) -> None:
    """Check that the model NAME (a name or a path) is whole and of a kind that can be served.

    A model that was pulled is compared with the SHA-256 that the hub announced.

    Example: mellum-lsp models verify models/nano-135m.gguf
    """
    from mellum_lsp.engine.gguf import check_is_model, read_header
    from mellum_lsp.models.hub import sha256_of
    from mellum_lsp.prompt.dialects import Vocabulary, choose

    with reported_failures():
        choice = resolve(name)
        header = read_header(choice.path)
        check_is_model(header)
        origin = origin_of(choice.name) if pulled(choice.name) == choice.path else None
        with progress_bar(f"reading {choice.path.name}", shown=not as_json) as on_progress:
            digest = sha256_of(choice.path, on_progress)
        if origin and digest != origin.sha256:
            raise Failure(
                f"{choice.path} is not the file that was stored: its SHA-256 is {digest}, "
                f"it was {origin.sha256}",
                f"mellum-lsp models rm {choice.name}, then pull or quantise it again",
            )
    found = {
        "name": choice.name,
        "path": choice.path,
        "architecture": header.architecture,
        "dialect": choose(Vocabulary(header.markers, header.metadata)).name,
        "tensors": header.tensors,
        "bytes": header.file_bytes,
        "sha256": digest,
        "repository": origin.repository if origin else "",
    }
    if as_json:
        print_json(found)
    else:
        same = " and the file that the hub announced" if origin and origin.repository else ""
        click.echo(
            f"{choice.path} is whole{same}: {header.architecture}, {header.tensors} tensors, "
            f"dialect {found['dialect']}"
        )


@click.command()
@click.argument("name")
@json_option
def rm(name: str, as_json: bool) -> None:
    """Remove the stored model NAME and what a broken transfer of it left.

    Example: mellum-lsp models rm mellum-4b-base
    """
    known = find(name)
    if known and known.embedded:
        raise Failure(f"{known.name} is part of mellum-lsp itself", "choose another with --model")
    stored = known.name if known else name
    if stored in ("", ".", "..") or "/" in stored or "\\" in stored or not folder_of(stored).is_dir():
        raise Failure(f"no model called {name!r} is stored here", "see `mellum-lsp models list`")
    with reported_failures():
        freed = remove(stored)
    if as_json:
        print_json({"name": stored, "freed_bytes": freed})
    else:
        click.echo(f"{stored} is gone: {freed / 1e9:.2f} GB are free again")
