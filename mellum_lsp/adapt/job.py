"""One workspace's tuning from its code to an adapter that serves: stages that go on where they were ended.

The job's folder lies in the cache, for the user alone, since corpus and examples are copies of source text.
It is removed when the job has come to its end; what stays is the adapter, in the data directory.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from platformdirs import user_cache_path

from mellum_lsp.adapt import judging, toolbox
from mellum_lsp.adapt.errors import AdaptFailed
from mellum_lsp.adapt.judging import Judgement, Task
from mellum_lsp.adapt.plan import Plan, Wishes, make_plan
from mellum_lsp.adapt.worker import Worker
from mellum_lsp.engine.fingerprint import fingerprint
from mellum_lsp.engine.locks import FileLock
from mellum_lsp.models.adapters import AdapterRecord, activate, workspace_key

STAGES = {
    "examples": "making examples of your code",
    "tune": "tuning",
    "write": "writing the adapter",
    "judge": "comparing on held-out files",
}
_OF_TRAINING = {"examples": ("base", "corpus", "fim", "context"), "tune": ("sft",), "write": ("export",)}
_RECIPE = Path("training") / "recipes" / "custom.toml"
_LINES_OF_A_FAILURE = 6

OnStage = Callable[[str, float | None, str], None]
"""Hears the stage, the share of it that is done where that is known, and why it waits ("" if it does not)."""


@dataclass(frozen=True, slots=True)
class Result:
    """``adapter`` is where it lies if it serves now."""

    plan: Plan
    held_out_files: int
    judgement: Judgement
    adapter: Path | None


class JobState(msgspec.Struct, frozen=True):
    """What a running job is at; ``waits`` says why it does nothing at the moment."""

    stage: str
    share: float | None
    waits: str
    at: float


def jobs_folder(workspace: Path) -> Path:
    """What belongs to the tuning of a workspace; it may not exist."""
    return user_cache_path("mellum-lsp", appauthor=False) / "adapt" / workspace_key(workspace)


def state_of(workspace: Path) -> JobState | None:
    """What the workspace's job is at, or was when it was ended; None where there is none."""
    try:
        return msgspec.json.decode((jobs_folder(workspace) / "state.json").read_bytes(), type=JobState)
    except (OSError, msgspec.DecodeError):
        return None


def is_running(workspace: Path) -> bool:
    """Whether a process works at the workspace's job."""
    folder = jobs_folder(workspace)
    if not folder.is_dir():
        return False
    lock = FileLock.acquire(folder / "lock")
    if lock:
        lock.release()
    return lock is None


class Job:
    """``worker_for`` makes the worker, from what hears why it waits and what asks a command to end."""

    def __init__(
        self,
        wishes: Wishes,
        worker_for: Callable[[Callable[[str], None], Callable[[], None]], Worker],
        on_stage: OnStage,
    ) -> None:
        """Raises `AdaptFailed` where it cannot be done."""
        self._training = toolbox.training_folder()
        self.plan = make_plan(wishes)
        self._wishes = wishes
        self._on_stage = on_stage
        self._home = jobs_folder(wishes.workspace)
        self._model = fingerprint(wishes.model)
        wanted = repr((self._model, wishes.device, self.plan.changes))
        self._run = self._home / hashlib.sha256(wanted.encode()).hexdigest()[:8]
        self._stage = ""
        self._worker = worker_for(self._tick, (self._run / "STOP").touch)

    def run(self) -> Result:
        """Everything that is left to be done. Raises `AdaptFailed`, `Interrupted`, `OSError`."""
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock.acquire(self._home / "lock")
        if lock is None:
            raise AdaptFailed(
                f"{self._wishes.workspace} is being tuned by another process.\n"
                "hint: `mellum-lsp adapt DIR --status` tells how far it is"
            )
        try:
            for old in self._home.iterdir():
                if old.is_dir() and old != self._run:  # of another model, or of other code
                    shutil.rmtree(old)
            self._run.mkdir(exist_ok=True)
            result = self._work()
            shutil.rmtree(self._run)
            (self._home / "state.json").unlink(missing_ok=True)
            return result
        finally:
            lock.release()

    def _work(self) -> Result:
        for stage in STAGES:
            self._begin(stage)
            if stage == "tune":
                (self._run / "STOP").unlink(missing_ok=True)
            self._do(self._judging() if stage == "judge" else self._training_stage(stage))
        judgement = msgspec.json.decode((self._answers / "judgement.json").read_bytes(), type=Judgement)
        adapter = self._activate(judgement) if judgement.better else None
        return Result(self.plan, len(self._held_out()), judgement, adapter)

    def _training_stage(self, stage: str) -> list[str]:
        wishes = self._wishes
        changes = [word for change in self.plan.changes for word in ("--set", change)]
        return [
            *(sys.executable, "-P", "-m", "training", *_OF_TRAINING[stage]),
            *("--recipe", str(self._training / _RECIPE), "--run", str(self._run)),
            *("--folder", str(wishes.workspace), "--minutes", str(wishes.minutes), "--device", wishes.device),
            *changes,
        ]

    def _judging(self) -> list[str]:
        wishes = self._wishes
        task = Task(
            workspace=str(wishes.workspace),
            held_out=tuple(self._held_out()),
            model=str(wishes.model),
            adapter=str(self._adapter),
            folder=str(self._answers),
            holes=wishes.holes,
            threads=wishes.cores,
            exclude=wishes.exclude,
        )
        path = self._run / "task.json"
        path.write_bytes(msgspec.json.encode(task))
        return [sys.executable, "-P", "-m", judging.__name__, str(path)]

    @property
    def _adapter(self) -> Path:
        return self._run / "export" / "adapted-lora.gguf"

    @property
    def _answers(self) -> Path:
        return self._run / "judged"

    def _held_out(self) -> list[str]:
        """The files that were held out, by their paths in the workspace."""
        with (self._run / "corpus" / "held_out.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line)["path"] for line in file]

    def _do(self, command: list[str]) -> None:
        log = self._home / "adapt.log"
        code = self._worker.run(command, toolbox.environment(self._training), log)
        if code:
            lines = log.read_text("utf-8", "replace").rstrip().splitlines()[-_LINES_OF_A_FAILURE:]
            said = "\n".join(f"  {line}" for line in lines)
            raise AdaptFailed(
                f"{STAGES[self._stage]} failed (exit code {code}):\n{said}\n"
                f"hint: the whole log is {log}; the same command goes on where it failed"
            )

    def _activate(self, judgement: Judgement) -> Path:
        wishes, now = self._wishes, time.time()
        record = AdapterRecord(
            workspace=str(wishes.workspace),
            file=f"{int(now)}.gguf",
            model=wishes.model_name,
            model_fingerprint=self._model,
            made=now,
            figures=msgspec.to_builtins(judgement),
        )
        return activate(self._adapter, record)

    def _begin(self, stage: str) -> None:
        self._stage = stage
        self._tick("")

    def _tick(self, waits: str) -> None:
        share = self._share()
        state = JobState(self._stage, share, waits, time.time())
        (self._home / "state.json").write_bytes(msgspec.json.encode(state))
        self._on_stage(self._stage, share, waits)

    def _share(self) -> float | None:
        """How much of the stage is done, where it says so."""
        if self._stage == "tune":
            shares = [
                event["share"] for event in _last_events(self._run / "metrics.jsonl") if "share" in event
            ]
            return shares[-1] if shares else 0.0
        if self._stage == "judge":
            path = self._answers / "progress"
            text = path.read_text() if path.exists() else ""
            return float(text) if text else 0.0
        return None


def _last_events(metrics: Path) -> Iterator[dict[str, float]]:
    if metrics.exists():
        for line in metrics.read_text("utf-8").splitlines()[-8:]:
            try:
                yield json.loads(line)
            except ValueError:
                continue  # it is being written
