"""Which chunks go into a budget, and in which form."""

from __future__ import annotations

from dataclasses import replace

from mellum_lsp.domain import Chunk, ScoredChunk
from mellum_lsp.prompt.dialects import ContextFile
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.plan import make_plan
from mellum_lsp.prompt.selection import select

from .carets import caret_in, one_per_character
from .plans import budget, first_line, found

BODY = "def f(a):\n" + "    body\n" * 9


def cost(file: ContextFile) -> int:
    return len(file.path) + len(file.text)


def texts(chosen: tuple[ScoredChunk, ...]) -> list[str]:
    return [one.chunk.text for one in chosen]


def test_what_fits_enters_in_full() -> None:
    (one,) = select([found("a.py", 1, BODY)], 200, cost, compress=first_line)
    assert (one.chunk.text, one.whole) == (BODY, None)


def test_what_does_not_fit_in_full_enters_compressed_and_says_what_was_found() -> None:
    big = found("a.py", 1, BODY)
    (one,) = select([big], 60, cost, compress=first_line)
    assert (one.chunk.text, one.whole, one.found) == ("def f(a):…", big.chunk, big.chunk)


def test_so_more_of_the_project_fits() -> None:
    chunks = [found(f"{name}.py", 1, BODY.replace("f(", f"{name}(")) for name in "abc"]
    first = chunks[0].chunk.text
    assert texts(select(chunks, 150, cost)) == [first]
    assert texts(select(chunks, 150, cost, compress=first_line)) == [first, "def b(a):…", "def c(a):…"]


def test_what_does_not_fit_in_any_form_is_passed_over_for_something_smaller() -> None:
    chunks = [found("a.py", 1, "def " + "f" * 60 + "():\n    pass\n"), found("b.py", 1, "b = 1")]
    assert texts(select(chunks, 40, cost, compress=first_line)) == ["b = 1"]


class TestOneFile:
    """A compressed form may reach far behind the chunk that it stands for: to the end of its class."""

    CLASS = found("a.py", 1, "class A:\n" + "    field\n" * 20)
    METHOD = found("a.py", 20, "    def g(self):\n        return 1")
    PROMISED = "class A:\n    def g(self): ..."

    def whole_class(self, chunk: Chunk) -> Chunk | None:
        return replace(chunk, end_line=40, text=self.PROMISED) if chunk == self.CLASS.chunk else None

    def test_what_a_compressed_form_shows_is_not_shown_again(self) -> None:
        chosen = select([self.CLASS, self.METHOD], 80, cost, compress=self.whole_class)
        assert texts(chosen) == [self.PROMISED]

    def test_and_what_is_shown_in_full_is_not_hidden_by_one(self) -> None:
        chosen = select([self.METHOD, self.CLASS], 80, cost, compress=self.whole_class)
        assert texts(chosen) == [self.METHOD.chunk.text]


def test_the_carets_own_file_is_never_compressed() -> None:
    """Its compressed form could hold the line that is to be completed, as the index last saw it."""
    far = BODY.rstrip("\n")
    caret = caret_in("¦" + "\n" * 60 + far)
    own = found(caret.path, 61, far)
    for total, shown in [(80, []), (300, [far])]:
        plan = make_plan(caret, [own], budget(total, 10, 5), Mellum(), one_per_character, first_line)
        assert texts(plan.chunks) == shown
