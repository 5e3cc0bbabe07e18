"""Which model file serves: from what the user chose (or did not) to a path that exists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mellum_lsp.engine.interface import ModelMissing

EMBEDDED_MODEL = "nano-135m"
ENVIRONMENT_VARIABLE = "MELLUM_LSP_MODEL"

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model by its name and the GGUF file that holds it."""

    name: str
    path: Path


def resolve(choice: str | None = None, environment: Mapping[str, str] | None = None) -> ModelChoice:
    """The model for ``choice``: a path to a ``.gguf``, a catalog name, or nothing.

    Nothing chosen means the environment variable `ENVIRONMENT_VARIABLE`, and without it the embedded model.
    Raises `ModelMissing` where no such file or name exists.
    """
    variables = os.environ if environment is None else environment
    chosen = (choice or "").strip() or variables.get(ENVIRONMENT_VARIABLE, "").strip()
    if not chosen:
        return _embedded()
    if chosen == EMBEDDED_MODEL:
        return _embedded()
    if looks_like_a_path(chosen):
        return _file(chosen)
    raise ModelMissing(
        f"there is no model called {chosen!r}.\nhint: give {EMBEDDED_MODEL!r} or the path of a .gguf file."
    )


def looks_like_a_path(choice: str) -> bool:
    """A path has a separator or ends in ``.gguf``; a catalog name has neither."""
    return choice.lower().endswith(".gguf") or "/" in choice or "\\" in choice or choice.startswith("~")


def embedded_model_path() -> Path:
    """Where the embedded model lies: in the installed package, else in the checkout (it may not exist)."""
    name = f"{EMBEDDED_MODEL}.gguf"
    installed = _PACKAGE / "_models" / name
    return installed if installed.is_file() else _PACKAGE.parent / "models" / name


def _embedded() -> ModelChoice:
    path = embedded_model_path()
    if not path.is_file():
        raise ModelMissing(
            f"the embedded model {EMBEDDED_MODEL} is not at {path}.\n"
            "hint: the package was installed without it; reinstall it, or choose a model of your own with "
            f"--model PATH.gguf or {ENVIRONMENT_VARIABLE}=PATH.gguf."
        )
    return ModelChoice(EMBEDDED_MODEL, path)


def _file(chosen: str) -> ModelChoice:
    path = Path(chosen).expanduser().absolute()
    if path.is_dir():
        raise ModelMissing(f"{path} is a directory.\nhint: give the path of the .gguf file in it.")
    if not path.is_file():
        raise ModelMissing(
            f"there is no model file at {path}.\n"
            "hint: check the path; a model is named by a path to a .gguf file or by a name of the catalog."
        )
    return ModelChoice(path.stem, path)
