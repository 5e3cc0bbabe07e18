"""``mellum-lsp serve``: the language server."""

from __future__ import annotations

from pathlib import Path

import click

from mellum_lsp.cli.output import Failure, lora_option, reported_failures


def _address(value: str | None, option: str) -> tuple[str, int] | None:
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, as in 127.0.0.1:9257", param_hint=option)
    return host.strip("[]"), int(port)


@click.command()
@click.option("--stdio", is_flag=True, help="Speak over standard input and output (the default).")
@click.option("--tcp", metavar="HOST:PORT", help="Listen on a TCP address.")
@click.option("--ws", metavar="HOST:PORT", help="Listen on a WebSocket address.")
@click.option("--model", help="A catalogue name, a path to a .gguf, or scripted:FILE.")
@lora_option
@click.option(
    "--record",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append every message to FILE, source text included, for `mellum-lsp protocol replay`.",
)
def serve(
    stdio: bool, tcp: str | None, ws: str | None, model: str | None, lora: str | None, record: Path | None
) -> None:
    """Serve completions to an editor over the Language Server Protocol.

    Example: mellum-lsp serve
    """
    from mellum_lsp.lsp.server import Stdio, Tcp, WebSocket, run

    if stdio + (tcp is not None) + (ws is not None) > 1:
        raise click.UsageError("choose one of --stdio, --tcp and --ws")
    transport: Stdio | Tcp | WebSocket = Stdio()
    if address := _address(tcp, "--tcp"):
        transport = Tcp(*address)
    elif address := _address(ws, "--ws"):
        transport = WebSocket(*address)
    with reported_failures():
        try:
            code = run(transport, model, record, lora)
        except OSError as error:
            if record and error.filename == str(record):
                raise Failure(f"cannot record: {error}", "choose another file") from error
            raise Failure(f"cannot listen: {error}", "choose another port") from error
    raise SystemExit(code)
