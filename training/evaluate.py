"""Stage `evaluate`: GGUFs on holes of held-out packages, greedy, through the raw prompts of their dialects.

``python -m training evaluate --recipe … --model NAME=PATH … --holes 300``. Answers are kept in
``reports/answers-N-NAME.jsonl`` as they come (a broken run goes on where it was);
``reports/evaluation-N.json`` and the printed table have exact match, edit similarity and stop rate with 95%
bootstrap intervals.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from mellum_lsp.domain import Marker
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.windows import Window
from training.corpus import read_documents
from training.fim import open_tokeniser
from training.holes import EvaluationHole, make_holes, read_holes, write_holes
from training.recipe import Recipe, Run

MAX_NEW_TOKENS = 72
RESAMPLES = 1000
SEED = 7


@dataclass(frozen=True)
class Answer:
    """What a model said; ``stopped`` when it ended by itself within the limit."""

    id: str
    text: str
    stopped: bool
    milliseconds: float


@dataclass(frozen=True)
class Score:
    """Of one hole; ``first_line`` compares first lines, ``exact`` everything, without trailing blanks.

    The figures ``_cut`` are of as many lines as the file has: what a perfect stop policy would leave of a
    model that does not end by itself.
    """

    first_line: bool
    exact: bool
    similarity: float
    stopped: bool
    exact_cut: bool
    similarity_cut: float


def evaluate(
    recipe: Recipe, run: Run, models: dict[str, Path], count: int, threads: int = 2
) -> dict[str, Any]:
    """Answers what is missing; prints and writes figures over the holes that all models answered."""
    holes_path = run.reports / f"holes-{count}.jsonl"
    if not holes_path.exists():
        tokeniser = open_tokeniser(recipe, run)
        documents = list(read_documents(run.corpus / "held_out.jsonl"))
        write_holes(holes_path, make_holes(documents, count, SEED, tokeniser.count))
    holes = read_holes(holes_path)
    answers = {
        name: answer_all(path, holes, run.reports / f"answers-{count}-{name}.jsonl", threads)
        for name, path in models.items()
    }
    report = compare(holes, answers)
    (run.reports / f"evaluation-{count}.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(table(report))
    return report


def answer_all(model: Path, holes: Sequence[EvaluationHole], kept: Path, threads: int) -> dict[str, Answer]:
    """Greedy answers to all holes, those in ``kept`` not asked again."""
    answers: dict[str, Answer] = {}
    if kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            answer = Answer(**json.loads(line))
            answers[answer.id] = answer
    missing = [h for h in holes if h.id not in answers]
    if not missing:
        return answers
    with kept.open("a", encoding="utf-8", buffering=1) as file:
        runner = Runner(model, threads)
        for hole in missing:
            answer = runner.answer(hole)
            answers[hole.id] = answer
            file.write(json.dumps(vars(answer)) + "\n")
    return answers


class Runner:
    """A GGUF with the prompt and the end that its vocabulary asks for."""

    def __init__(self, model: Path, threads: int) -> None:
        import llama_cpp

        self._llama = llama_cpp.Llama(
            str(model), n_ctx=2048, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False
        )
        self._prompt, ends, self.dialect = self._choose()
        self._ends = {i for marker in ends for i in [self._control(marker)] if i is not None}

    def answer(self, hole: EvaluationHole) -> Answer:
        import numpy as np

        began = time.monotonic()
        llama = self._llama
        llama.reset()
        llama.eval(self._prompt(hole))
        produced: list[int] = []
        stopped = False
        while len(produced) < MAX_NEW_TOKENS:
            token = int(np.argmax(np.ctypeslib.as_array(llama._ctx.get_logits(), shape=(llama.n_vocab(),))))
            if token in self._ends or token == llama.token_eos():
                stopped = True
                break
            produced.append(token)
            if self.dialect == "prefix only" and "\n" in self._text(produced).lstrip("\n"):
                break
            llama.eval([token])
        return Answer(hole.id, self._text(produced), stopped, 1000 * (time.monotonic() - began))

    def _text(self, tokens: list[int]) -> str:
        return self._llama.detokenize(tokens).decode("utf-8", "replace")

    def _plain(self, text: str) -> list[int]:
        return self._llama.tokenize(text.encode(), add_bos=False, special=False) if text else []

    def _control(self, marker: str) -> int | None:
        ids = self._llama.tokenize(marker.encode(), add_bos=False, special=True)
        return ids[0] if len(ids) == 1 else None

    def _choose(self) -> tuple[Callable[[EvaluationHole], list[int]], tuple[str, ...], str]:
        if self._control("<fim_middle>") is not None:
            return self._mellum, Mellum().stop_markers, "mellum"
        if self._control("<|fim_middle|>") is not None:
            ends = (
                "<|endoftext|>",
                "<|file_sep|>",
                "<|fim_pad|>",
                "<|fim_prefix|>",
                "<|fim_suffix|>",
                "<|im_end|>",
            )
            return self._qwen, ends, "qwen"
        return self._prefix_only, ("<|endoftext|>", "<|im_end|>"), "prefix only"

    def _mellum(self, hole: EvaluationHole) -> list[int]:
        window = Window(hole.prefix, hole.suffix, hole.closers, 0)
        ids: list[int] = []
        for part in Mellum().render(hole.path, window, ()):
            for segment in part.segments:
                ids += [self._marker(segment.text)] if isinstance(segment, Marker) else self._plain(segment)
        return ids

    def _qwen(self, hole: EvaluationHole) -> list[int]:
        suffix = self._plain(hole.suffix)
        return [
            self._marker("<|fim_prefix|>"),
            *self._plain(hole.prefix),
            self._marker("<|fim_suffix|>"),
            *suffix,
            self._marker("<|fim_middle|>"),
        ]

    def _prefix_only(self, hole: EvaluationHole) -> list[int]:
        return self._plain(hole.prefix)

    def _marker(self, text: str) -> int:
        token = self._control(text)
        if token is None:
            raise ValueError(f"the model has no token {text}")
        return token


def score(hole: EvaluationHole, answer: Answer) -> Score:
    """All models saw the window without the closers behind the caret, so all have to say them."""
    truth = (hole.middle + hole.closers).rstrip()
    said = answer.text.rstrip()
    cut = "\n".join(said.split("\n")[: truth.count("\n") + 1]).rstrip()
    return Score(
        first_line=_first_line(said) == _first_line(truth),
        exact=said == truth,
        similarity=Levenshtein.normalized_similarity(said, truth),
        stopped=answer.stopped,
        exact_cut=cut == truth,
        similarity_cut=Levenshtein.normalized_similarity(cut, truth),
    )


def _first_line(text: str) -> str:
    return text.lstrip("\n").split("\n", 1)[0].rstrip()


def compare(holes: Sequence[EvaluationHole], answers: dict[str, dict[str, Answer]]) -> dict[str, Any]:
    """Figures of each model over the holes that all models answered, in all and by kind and boundary."""
    common = [h for h in holes if all(h.id in a for a in answers.values())]
    report: dict[str, Any] = {"holes": len(common), "seed": SEED, "models": {}}
    for name, by_id in answers.items():
        scored = [(h, score(h, by_id[h.id])) for h in common]
        groups = {
            "all": [s for _, s in scored],
            "single line": [s for h, s in scored if "\n" not in h.middle],
        }
        for label in sorted({h.boundary for h in common} | {h.kind for h in common}):
            groups[label] = [s for h, s in scored if label in (h.boundary, h.kind)]
        report["models"][name] = {label: figures(scores) for label, scores in groups.items()}
    return report


def figures(scores: Sequence[Score]) -> dict[str, Any]:
    return {
        "holes": len(scores),
        "first_line": interval([float(s.first_line) for s in scores]),
        "exact": interval([float(s.exact) for s in scores]),
        "similarity": interval([s.similarity for s in scores]),
        "stop_rate": interval([float(s.stopped) for s in scores]),
        "exact_cut": interval([float(s.exact_cut) for s in scores]),
        "similarity_cut": interval([s.similarity_cut for s in scores]),
    }


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean with its 95% bootstrap interval."""
    if not values:
        return (0.0, 0.0, 0.0)
    rng = random.Random(SEED)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(RESAMPLES))
    mean = sum(values) / len(values)
    return round(mean, 4), round(means[int(0.025 * RESAMPLES)], 4), round(means[int(0.975 * RESAMPLES)], 4)


def table(report: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        f"{report['holes']} holes, seed {report['seed']}",
        "",
        "| model | holes | n | first line exact | whole middle exact | edit similarity | stop rate |",
        "| --- | --- | ---: | --- | --- | --- | --- |",
    ]
    for name, groups in report["models"].items():
        for label, row in groups.items():
            cells = " | ".join(_cell(row[k]) for k in ("first_line", "exact", "similarity", "stop_rate"))
            lines.append(f"| {name} | {label} | {row['holes']} | {cells} |")
    return "\n".join(lines)


def _cell(value: Iterable[float]) -> str:
    mean, low, high = value
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"
