"""Software, hardware, folders and file watching: what completion stands on."""

from __future__ import annotations

import os
import platform
import stat
import sys
from pathlib import Path

import psutil
from platformdirs import PlatformDirs

from mellum_lsp import __version__
from mellum_lsp.diagnosis.check import Check
from mellum_lsp.engine.rendezvous import private_folder
from mellum_lsp.models.hardware import llama_build, measure_hardware

_INOTIFY = Path("/proc/sys/fs/inotify")
_FEW_WATCHES, _FEW_INSTANCES = 65_536, 64
_BUSY_SHARE = 0.25
"""Of the processor, used by others: measurements are then worse than the machine."""
_WATCHED_SECONDS = 0.4


def check_software() -> Check:
    """Versions, and what the installed llama.cpp was built with."""
    build = llama_build()
    fast = [name for name in ("AVX512", "AVX2", "NEON", "SVE", "AMX_INT8") if name in build.features]
    slow = platform.machine().lower() in ("x86_64", "amd64") and not fast
    return Check(
        "software",
        "warning" if slow else "ok",
        f"mellum-lsp {__version__}, Python {platform.python_version()}, llama-cpp-python {build.version} "
        f"({', '.join(fast) or 'no vector instructions'}; "
        f"{'with' if build.supports_gpu else 'without'} GPU support)",
        "compile llama.cpp for this processor: pip install --no-binary llama-cpp-python llama-cpp-python"
        if slow
        else "",
        facts={
            "mellum_lsp": __version__,
            "python": platform.python_version(),
            "llama_cpp_python": build.version,
            "llama_features": list(build.features),
            "gpu_support": build.supports_gpu,
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        },
    )


def check_hardware() -> Check:
    """Cores, memory and GPUs that can be used, and whether others use the processor now."""
    hardware = measure_hardware()
    busy = psutil.cpu_percent(interval=_WATCHED_SECONDS) / 100
    facts = {**hardware.facts(), "processor_used_by_others": round(busy, 2)}
    if busy > _BUSY_SHARE:
        return Check(
            "hardware",
            "warning",
            f"{hardware.summary()}; {busy:.0%} of the processor is in use",
            "what is measured now looks slower than it is: end other programs and ask again",
            facts,
        )
    return Check("hardware", "ok", hardware.summary(), facts=facts)


def check_folders() -> Check:
    """The folders that we write to: whether we may, and whether others may."""
    directories = PlatformDirs("mellum-lsp", appauthor=False)
    named = {
        "cache": Path(directories.user_cache_dir),
        "state": Path(directories.user_state_dir),
        "data": Path(directories.user_data_dir),
    }
    facts = {name: _permissions(path) for name, path in named.items()}
    private = {name: str(path) for name, path in named.items()}
    troubles = [f"{name} ({path}) cannot be written" for name, path in named.items() if not _writable(path)]
    hint = "completion works without them; give yourself write permission to keep index, log and metrics"
    open_ = [f"{name} ({path})" for name, path in named.items() if _others_may_write(path)]
    if open_ and not troubles:
        troubles = [f"others may write to {name}" for name in open_]
        hint = "chmod go-w on them: models and settings of yours are read from there"
    try:
        private["runtime"] = str(private_folder())
    except OSError as error:
        if not troubles:
            hint = "set XDG_RUNTIME_DIR to a folder that only you can use"
        troubles.append(f"editors cannot share an engine, each has its own: {error}")
    if troubles:
        return Check("folders", "warning", "; ".join(troubles), hint, facts, private)
    detail = f"log and metrics in {named['state']}, index in {named['cache']}, models in {named['data']}"
    return Check("folders", "ok", detail, facts=facts, private=private)


def check_file_watching(folders: int | None = None) -> Check:
    """Whether changes of files are heard; ``folders`` are those of the project here."""
    if not sys.platform.startswith("linux"):
        return Check("file watching", "ok", f"the system's own ({sys.platform})")
    watches, instances = _limit("max_user_watches"), _limit("max_user_instances")
    facts = {"max_user_watches": watches, "max_user_instances": instances, "project_folders": folders}
    if watches is None or instances is None:
        return Check(
            "file watching", "warning", "inotify is missing: projects are compared every 5 seconds", "", facts
        )
    detail = f"inotify, {watches} watches and {instances} instances for all of your programs"
    if folders is not None:
        detail += f"; {folders} folders here"
    if watches < max(_FEW_WATCHES, 2 * (folders or 0)):
        return Check(
            "file watching",
            "warning",
            f"{detail}: where they run out, a project is compared every 5 seconds instead",
            "sudo sysctl fs.inotify.max_user_watches=524288",
            facts,
        )
    if instances < _FEW_INSTANCES:
        return Check(
            "file watching",
            "warning",
            f"{detail}: each server takes an instance",
            "sudo sysctl fs.inotify.max_user_instances=512",
            facts,
        )
    return Check("file watching", "ok", detail, facts=facts)


def _limit(name: str) -> int | None:
    try:
        return int((_INOTIFY / name).read_text())
    except (OSError, ValueError):
        return None


def _writable(path: Path) -> bool:
    """Whether ``path`` is, or could be made, a folder that we may write to."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _permissions(path: Path) -> str:
    """The mode as ``ls`` writes it, "missing" for a folder that was not made yet."""
    try:
        return stat.filemode(path.stat().st_mode)
    except OSError:
        return "missing"


def _others_may_write(path: Path) -> bool:
    try:
        return hasattr(os, "getuid") and bool(path.stat().st_mode & 0o022)
    except OSError:
        return False
