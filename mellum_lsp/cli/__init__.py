"""The command line: thin commands over the other rooms.

Exit codes: 0 done, 1 failed, 2 wrong usage. With ``--json`` a command prints one JSON document on standard
output and nothing else, ``{"error", "hint"}`` where it failed; progress and errors go to standard error.
Every command imports what it needs when it runs, so that ``mellum-lsp --help`` and the start of the server
stay quick.
"""

from __future__ import annotations

import sys

import click

from mellum_lsp import __version__
from mellum_lsp.cli.adapt import adapt
from mellum_lsp.cli.bench import bench
from mellum_lsp.cli.bench_load import load
from mellum_lsp.cli.bench_replay import replay
from mellum_lsp.cli.complete import complete
from mellum_lsp.cli.demo import demo
from mellum_lsp.cli.doctor import doctor
from mellum_lsp.cli.index import index
from mellum_lsp.cli.models import models
from mellum_lsp.cli.protocol import protocol
from mellum_lsp.cli.serve import serve
from mellum_lsp.cli.stats import stats


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mellum-lsp")
def cli() -> None:
    """Ghost-text code completion from a model on your own machine.

    Example: mellum-lsp complete src/app.py:12:5
    """


for command in (serve, complete, index, models, doctor, stats, demo, bench, protocol, adapt):
    cli.add_command(command)


for measurement in (load, replay):
    bench.add_command(measurement)


def main() -> None:
    """The console script."""
    try:
        cli(prog_name="mellum-lsp")
    except BrokenPipeError:
        # Whoever read our output (``| head``) has seen enough.
        sys.stderr.close()
        sys.exit(1)
