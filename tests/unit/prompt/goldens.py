"""Goldens of the dialects: what each renders for a few carets, and the tokens of real vocabularies for that.

    python tests/unit/prompt/goldens.py           # write what the code gives now; read the difference in git

A case (`tests/goldens/dialects/cases/NAME.txt`) says in its first line why it exists; then come the files,
each behind ``=== PATH``, the most relevant last and after it the caret's own, with ``¦`` for the caret. A
golden (`tests/goldens/dialects/DIALECT/NAME.txt`) holds the text of the prompt, markers spelled out, and its
tokens.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mellum_lsp.domain import Caret, Prompt, prompt_text
from mellum_lsp.engine.vocabulary import prompt_tokens
from mellum_lsp.prompt.dialects import NAMES, ContextFile, Dialect, Vocabulary, by_name, choose
from mellum_lsp.prompt.windows import Geometry, cut
from prompt import vocabularies
from prompt.carets import caret_in

FOLDER = Path(__file__).parents[2] / "goldens" / "dialects"

VOCABULARY_OF = {
    "mellum": "refact",
    "qwen": "qwen2.5-coder",
    "starcoder2": "starcoder",
    "codegemma": "",
    "deepseek_coder": "deepseek-coder",
    "granite": "refact",
    "codestral": "codestral",
    "plain": "llama-spm",
}
"""Which vocabulary a dialect is tokenised with; CodeGemma's cannot be had (see `vocabularies`)."""

_IDS_IN_A_LINE = 20


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    why: str
    caret: Caret
    context: tuple[ContextFile, ...]


@dataclass(frozen=True, slots=True)
class Golden:
    """``tokens`` is None where nothing is said of them."""

    prompt: str
    tokens: list[int] | None


def cases() -> list[Case]:
    return [_read_case(path) for path in sorted((FOLDER / "cases").glob("*.txt"))]


def golden_path(dialect: str, case: Case) -> Path:
    return FOLDER / dialect / f"{case.name}.txt"


def read_golden(dialect: str, case: Case) -> Golden:
    text = golden_path(dialect, case).read_text(encoding="utf-8")
    _, _, text = text.partition("=== prompt\n")
    prompt, _, tokens = text.removesuffix("\n").partition("\n=== tokens")
    ids = [int(word) for word in tokens.partition("\n")[2].split()]
    return Golden(prompt, ids or None)


def dialect_for(name: str) -> Dialect:
    """The dialect as it is chosen for its vocabulary, or as it is known by name."""
    vocabulary = VOCABULARY_OF[name]
    if not vocabulary or name == "mellum":  # refact says that it is not Mellum
        return by_name(name)
    loaded, metadata = vocabularies.load(vocabulary)
    return choose(Vocabulary(loaded.markers, metadata))


def render(dialect: Dialect, case: Case) -> Prompt:
    window = cut(case.caret.text, case.caret.offset, Geometry(0, 99))
    return dialect.render(case.caret.path, window, case.context)


def tokens_of(name: str, prompt: Prompt) -> list[int]:
    loaded, _ = vocabularies.load(VOCABULARY_OF[name])
    tokens, _ = prompt_tokens(loaded, [part.segments for part in prompt])
    return [int(token) for token in tokens]


def _read_case(path: Path) -> Case:
    why, *rest = re.split(r"^=== (.*)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    files = list(zip(rest[::2], rest[1::2], strict=True))
    context = tuple(ContextFile(name, text.removesuffix("\n")) for name, text in files[:-1])
    own_path, marked = files[-1]
    return Case(path.stem, why.strip(), caret_in(marked, own_path), context)


def _write(name: str, case: Case) -> None:
    prompt = render(by_name(name), case)
    text = f"{case.why}\n=== prompt\n{prompt_text(prompt)}\n"
    if vocabulary := VOCABULARY_OF[name]:
        ids = [str(token) for token in tokens_of(name, prompt)]
        lines = [
            " ".join(ids[start : start + _IDS_IN_A_LINE]) for start in range(0, len(ids), _IDS_IN_A_LINE)
        ]
        text += f"=== tokens of {vocabulary}\n" + "".join(f"{line}\n" for line in lines)
    path = golden_path(name, case)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    vocabularies.main()
    vocabularies.silence_llama_cpp()
    for one in cases():
        for dialect_name in NAMES:
            _write(dialect_name, one)
    print(f"wrote {len(cases())} goldens of each of {len(NAMES)} dialects into {FOLDER}")
