"""Models asked directly: a hole's window in the raw prompt of the model's own dialect, greedily.

What a model knows, without the server's stop policy, gate, rules or project context.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mellum_lsp.domain import Marker
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.windows import Window
from training.holes import EvaluationHole
from training.progress import bar

MAX_NEW_TOKENS = 72
_QWEN_ENDS = (
    "<|endoftext|>",
    "<|file_sep|>",
    "<|fim_pad|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|im_end|>",
)


@dataclass(frozen=True)
class Candidate:
    """What is judged: a GGUF, perhaps with a LoRA adapter beside it."""

    model: Path
    adapter: Path | None = None

    @classmethod
    def read(cls, text: str) -> Candidate:
        """``MODEL.gguf`` or ``MODEL.gguf,ADAPTER.gguf``."""
        model, _, adapter = text.partition(",")
        return cls(Path(model), Path(adapter) if adapter else None)


@dataclass(frozen=True)
class Answer:
    """What a model said; ``stopped`` when it ended by itself within the limit."""

    id: str
    text: str
    stopped: bool
    milliseconds: float


def answer_all(
    candidate: Candidate,
    holes: Sequence[EvaluationHole],
    kept: Path,
    threads: int,
    deadline: float = float("inf"),
) -> dict[str, Answer]:
    """Greedy answers to all holes, those in ``kept`` not asked again; fewer where the deadline comes first.

    ``deadline`` is one of `time.monotonic`.
    """
    answers: dict[str, Answer] = {}
    if kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            answer = Answer(**json.loads(line))
            answers[answer.id] = answer
    missing = [h for h in holes if h.id not in answers]
    if not missing:
        return answers
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8", buffering=1) as file:
        runner = Runner(candidate, threads)
        for hole in bar(missing, f"evaluate: {(candidate.adapter or candidate.model).name}"):
            if time.monotonic() > deadline:
                break
            answer = runner.answer(hole)
            answers[hole.id] = answer
            file.write(json.dumps(vars(answer)) + "\n")
    return answers


class Runner:
    """A model with the prompt and the end that its vocabulary asks for."""

    def __init__(self, candidate: Candidate, threads: int) -> None:
        import llama_cpp

        self._llama = llama_cpp.Llama(
            str(candidate.model),
            n_ctx=2048,
            n_batch=512,
            n_threads=threads,
            n_threads_batch=threads,
            lora_path=str(candidate.adapter) if candidate.adapter else None,
            verbose=False,
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
            return self._qwen, _QWEN_ENDS, "qwen"
        return self._prefix_only, ("<|endoftext|>", "<|im_end|>"), "prefix only"

    def _mellum(self, hole: EvaluationHole) -> list[int]:
        window = Window(hole.prefix, hole.suffix, hole.closers, 0)
        ids: list[int] = []
        for part in Mellum().render(hole.path, window, ()):
            for segment in part.segments:
                ids += [self._marker(segment.text)] if isinstance(segment, Marker) else self._plain(segment)
        return ids

    def _qwen(self, hole: EvaluationHole) -> list[int]:
        return [
            self._marker("<|fim_prefix|>"),
            *self._plain(hole.prefix),
            self._marker("<|fim_suffix|>"),
            *self._plain(hole.suffix),
            self._marker("<|fim_middle|>"),
        ]

    def _prefix_only(self, hole: EvaluationHole) -> list[int]:
        return self._plain(hole.prefix)

    def _marker(self, text: str) -> int:
        token = self._control(text)
        if token is None:
            raise ValueError(f"the model has no token {text}")
        return token
