"""``mellum-lsp models``: which models there are, bringing them here, making them smaller, checking them."""

from __future__ import annotations

import click

from mellum_lsp.cli.models.files import path, rm, verify
from mellum_lsp.cli.models.listing import list_models, show
from mellum_lsp.cli.models.pull import pull
from mellum_lsp.cli.models.quantize import quantize


@click.group()
def models() -> None:
    """Know, fetch and keep the models: list, show, pull, quantize, path, verify, rm.

    Example: mellum-lsp models list
    """


for command in (list_models, show, pull, quantize, path, verify, rm):
    models.add_command(command)
