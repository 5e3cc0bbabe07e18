"""Which model file serves: from what the user chose (or did not) to a path that exists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mellum_lsp.engine.interface import ModelMissing
from mellum_lsp.models.catalog import CatalogModel, catalog, find
from mellum_lsp.models.files import shipped_file
from mellum_lsp.models.store import all_pulled, pulled, store_folder

EMBEDDED_MODEL = "nano-135m"
ENVIRONMENT_VARIABLE = "MELLUM_LSP_MODEL"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model by its name and the GGUF file that holds it."""

    name: str
    path: Path


def resolve(choice: str | None = None, environment: Mapping[str, str] | None = None) -> ModelChoice:
    """The model for ``choice``: a path to a ``.gguf``, a name of the catalog or of the store, or nothing.

    Nothing chosen means the environment variable `ENVIRONMENT_VARIABLE`, and without it the embedded model.
    Raises `ModelMissing` where no such file or name exists, or the model is not here yet.
    """
    chosen = chosen_model(choice, environment)
    known = find(chosen)
    if known:
        return _embedded(known) if known.embedded else _from_store(known)
    if stored := pulled(chosen.lower()):
        return ModelChoice(chosen.lower(), stored)
    if looks_like_a_path(chosen):
        return _from_path(chosen)
    raise ModelMissing(f"there is no model called {chosen!r}.\nhint: {_suggestion(chosen)}")


def chosen_model(choice: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """What was chosen: ``choice`` itself, else the environment's model, else the embedded one."""
    variables = os.environ if environment is None else environment
    return (choice or "").strip() or variables.get(ENVIRONMENT_VARIABLE, "").strip() or EMBEDDED_MODEL


def looks_like_a_path(choice: str) -> bool:
    """A path has a separator or ends in ``.gguf``; a name of the catalog has neither."""
    return choice.lower().endswith(".gguf") or "/" in choice or "\\" in choice or choice.startswith("~")


def embedded_model_path() -> Path:
    """Where the embedded model lies: in the installed package, else in the checkout (it may not exist)."""
    return shipped_file(f"{EMBEDDED_MODEL}.gguf")


def _embedded(model: CatalogModel) -> ModelChoice:
    path = shipped_file(model.file)
    if not path.is_file():
        raise ModelMissing(
            f"the embedded model {model.name} is not at {path}.\n"
            "hint: reinstall the package, or choose a model of your own with --model PATH.gguf or "
            f"{ENVIRONMENT_VARIABLE}=PATH.gguf."
        )
    return ModelChoice(model.name, path)


def _from_store(model: CatalogModel) -> ModelChoice:
    path = pulled(model.name)
    if not path:
        raise ModelMissing(
            f"the model {model.name} has not been pulled: "
            f"there is no .gguf in {store_folder() / model.name}.\n"
            f"hint: mellum-lsp models pull {model.name}, or give the path of a .gguf that you have."
        )
    return ModelChoice(model.name, path)


def _from_path(chosen: str) -> ModelChoice:
    path = Path(chosen).expanduser().absolute()
    if path.is_dir():
        raise ModelMissing(f"{path} is a folder.\nhint: give the path of a .gguf file in it.")
    if not path.is_file():
        raise ModelMissing(
            f"there is no model file at {path}.\n"
            "hint: a model is named by the path of a .gguf file or by a name of the catalog "
            "(see `mellum-lsp models list`)."
        )
    return ModelChoice(path.stem, path)


def _suggestion(chosen: str) -> str:
    names = [*(model.name for model in catalog()), *all_pulled()]
    close = get_close_matches(chosen.lower(), names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}? The path of a .gguf file will do as well."
    return "see `mellum-lsp models list` for the names, or give the path of a .gguf file."
