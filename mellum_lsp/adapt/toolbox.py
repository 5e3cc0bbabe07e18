"""Where `training` is, which is no part of the server, and whether its libraries are installed."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from mellum_lsp.adapt.errors import AdaptFailed

_NEEDED = ("torch", "transformers", "peft", "safetensors", "gguf", "datasketch", "debian", "sacrebleu")
_SPIN_COUNT = "3000"
"""Of OpenMP's threads at a barrier: beside other programs those of the lowest priority wait for each other
most of the time, and by default they do so by computing."""
_PACKAGE = Path(__file__).resolve().parents[1]


def training_folder() -> Path:
    """The folder that holds the package ``training``: in the installed package, else in the checkout.

    Raises `AdaptFailed` where it or one of its libraries is missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise AdaptFailed(
            f"tuning needs {', '.join(missing)}, which the server itself does not.\n"
            "hint: pip install 'mellum-lsp[training]'   # PyTorch and its friends: some gigabytes"
        )
    for folder in (_PACKAGE / "_training", _PACKAGE.parent):
        if (folder / "training" / "recipe.py").is_file():
            return folder
    raise AdaptFailed(
        f"this installation has no folder training beside {_PACKAGE}.\nhint: reinstall mellum-lsp"
    )


def environment(training: Path) -> dict[str, str]:
    """That of a process that imports `training`."""
    paths = [str(training), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "GOMP_SPINCOUNT": _SPIN_COUNT,
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
