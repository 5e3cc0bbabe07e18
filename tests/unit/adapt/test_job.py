"""From stages to an adapter that serves: with a worker that only pretends to work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mellum_lsp.adapt import job as jobs
from mellum_lsp.adapt.errors import AdaptFailed, Interrupted
from mellum_lsp.adapt.job import Job, Result, is_running, jobs_folder, state_of
from mellum_lsp.adapt.judging import judge
from mellum_lsp.adapt.plan import Plan, Wishes
from mellum_lsp.bench.scores import FIGURES
from mellum_lsp.engine.fingerprint import fingerprint
from mellum_lsp.models.adapters import adapter_around

TRAINING = ["base corpus fim context", "sft", "export"]


class PretendedWork:
    """Stands for `worker.Worker`; ``gain`` is what the adapter is found to be worth."""

    def __init__(self) -> None:
        self.gain = 5.0
        self.done: list[str] = []
        self.at: Callable[[str], int] = lambda stage: 0
        self.on_tick: Callable[[str], None] = lambda reason: None

    def run(self, command: list[str], environment: dict[str, str], log: Path) -> int:
        stage = (
            "judge" if command[3].endswith("judging") else " ".join(command[4 : command.index("--recipe")])
        )
        self.done.append(stage)
        with log.open("a") as file:
            file.write(f"{stage} says something\n")
        if code := self.at(stage):
            return code
        run = Path(command[-1]).parent if stage == "judge" else Path(command[command.index("--run") + 1])
        if stage == TRAINING[0]:
            (run / "corpus").mkdir(exist_ok=True)
            (run / "corpus" / "held_out.jsonl").write_text(json.dumps({"path": "src/held_out.py"}) + "\n")
        elif stage == "export":
            (run / "export").mkdir(exist_ok=True)
            (run / "export" / "adapted-lora.gguf").write_text("the adapter")
        elif stage == "judge":
            scores = [dict.fromkeys(FIGURES, 0.5) for _ in range(30)]
            better = [score | {"chrf": 0.5 + self.gain} for score in scores]
            (run / "judged").mkdir()
            (run / "judged" / "judgement.json").write_bytes(msgspec.json.encode(judge(scores, better)))
        self.on_tick("")
        return 0


@pytest.fixture
def work() -> PretendedWork:
    return PretendedWork()


@pytest.fixture
def tune(tmp_path: Path, work: PretendedWork, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Result]:
    for name in ("CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setattr(jobs.toolbox, "training_folder", lambda: tmp_path)
    monkeypatch.setattr(jobs, "make_plan", lambda wishes: Plan(9, 50_000, ("sft.threads = 1",)))
    (tmp_path / "shop").mkdir()
    (tmp_path / "model.gguf").write_bytes(b"the model")
    wishes = Wishes(tmp_path / "shop", tmp_path / "model.gguf", "model", 60.0, 120)

    def worker_for(on_tick: Callable[[str], None], ask_to_end: Callable[[], None]) -> PretendedWork:
        work.on_tick = on_tick
        return work

    return lambda: Job(wishes, worker_for, lambda *_: None).run()


def test_what_is_better_serves_bound_to_its_model(
    tune: Callable[[], Result], work: PretendedWork, tmp_path: Path
) -> None:
    result = tune()
    assert work.done == [*TRAINING, "judge"]
    found = adapter_around(tmp_path / "shop")
    assert found is not None
    record, adapter = found
    assert adapter == result.adapter
    assert adapter.read_text() == "the adapter"
    assert record.model_fingerprint == fingerprint(tmp_path / "model.gguf")
    assert record.figures["better"] is True
    assert result.held_out_files == 1


def test_what_is_not_better_leaves_what_served_before(
    tune: Callable[[], Result], work: PretendedWork, tmp_path: Path
) -> None:
    first = tune().adapter
    work.gain = 0.0
    assert tune().adapter is None
    found = adapter_around(tmp_path / "shop")
    assert found is not None
    assert found[1] == first


def test_copies_of_source_text_are_removed_in_the_end(tune: Callable[[], Result], tmp_path: Path) -> None:
    tune()
    left = {path.name for path in jobs_folder(tmp_path / "shop").iterdir()}
    assert left == {"adapt.log"}
    assert state_of(tmp_path / "shop") is None


def test_an_interrupted_job_goes_on_with_what_it_has(
    tune: Callable[[], Result], work: PretendedWork, tmp_path: Path
) -> None:
    def interrupt(stage: str) -> int:
        if stage == "sft":
            assert is_running(tmp_path / "shop")
            raise Interrupted("interrupted")
        return 0

    work.at = interrupt
    with pytest.raises(Interrupted):
        tune()
    state = state_of(tmp_path / "shop")
    assert state is not None
    assert state.stage == "tune"
    assert not is_running(tmp_path / "shop")
    (corpus,) = jobs_folder(tmp_path / "shop").glob("*/corpus")
    (corpus.parent / "STOP").touch()  # what asked it to end
    work.at = lambda stage: len(list(corpus.parent.glob("STOP"))) if stage == "sft" else 0
    assert tune().adapter is not None


def test_a_failure_is_told_with_the_last_words_and_the_log(
    tune: Callable[[], Result], work: PretendedWork
) -> None:
    work.at = lambda stage: 1 if stage == "sft" else 0
    with pytest.raises(AdaptFailed) as raised:
        tune()
    text = str(raised.value)
    assert text.startswith("tuning failed (exit code 1):")
    assert "sft says something" in text
    assert "adapt.log; the same command goes on" in text


def test_one_workspace_is_tuned_by_one_process(
    tune: Callable[[], Result], work: PretendedWork, tmp_path: Path
) -> None:
    def meanwhile(stage: str) -> int:
        work.at = lambda stage: 0
        with pytest.raises(AdaptFailed, match="by another process"):
            tune()
        return 0

    work.at = meanwhile
    assert tune().adapter is not None
