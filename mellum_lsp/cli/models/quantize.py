"""``mellum-lsp models quantize``."""

from __future__ import annotations

import click

from mellum_lsp.cli.output import Failure, errors, json_option, print_json, progress_bar, reported_failures
from mellum_lsp.models.hardware import measure_hardware
from mellum_lsp.models.hub import sha256_of
from mellum_lsp.models.quantize import BITS_PER_WEIGHT
from mellum_lsp.models.quantize import quantize as make
from mellum_lsp.models.resolve import resolve
from mellum_lsp.models.store import Origin, folder_of, record

_HARDLY_SMALLER = 0.9


@click.command()
@click.argument("name")
@click.argument(
    "kind", type=click.Choice(list(BITS_PER_WEIGHT), case_sensitive=False), default="Q4_K_M", metavar="[KIND]"
)
@json_option
def quantize(name: str, kind: str, as_json: bool) -> None:
    """Make a smaller, faster model of NAME (a name or the path of a .gguf): KIND is Q4_K_M if not said.

    The official files of Mellum are Q8_0; on a CPU a model is about as fast as it is small. The result is a
    model of its own, called NAME-KIND.

    Example: mellum-lsp models quantize mellum-4b-sft-python Q4_K_M
    """
    with reported_failures():
        source = resolve(name)
        made = f"{source.name.lower()}-{kind.lower()}"
        target = folder_of(made) / f"{made}.gguf"
        if target == source.path:
            raise Failure(f"{made} cannot be made of itself")
        target.parent.mkdir(parents=True, exist_ok=True)
        threads = measure_hardware().physical_cores
        try:
            with progress_bar(f"{source.name} → {kind}") as on_progress:
                make(source.path, target, kind, threads, on_progress)
        except BaseException:
            if not any(target.parent.iterdir()):
                target.parent.rmdir()
            raise
        size, digest = target.stat().st_size, sha256_of(target)
        record(made, Origin(file=target.name, sha256=digest, size=size, quantized_from=source.name))
    before = source.path.stat().st_size
    if size > _HARDLY_SMALLER * before:
        errors.print(
            f"[yellow]hardly smaller[/] {source.name} is quantised already: that costs quality and gains "
            f"nothing; `mellum-lsp models rm {made}` removes it"
        )
    if as_json:
        print_json({"name": made, "path": target, "kind": kind, "bytes": size, "source_bytes": before})
    else:
        click.echo(
            f"{made}: {size / 1e9:.2f} GB, {size / before:.0%} of {source.name}\nserve it with --model {made}"
        )
