"""Each dialect renders its goldens, and real vocabularies give them their tokens."""

from __future__ import annotations

import pytest

from mellum_lsp.domain import Marker, prompt_text
from mellum_lsp.models.files import shipped_file
from mellum_lsp.prompt.dialects import NAMES, Vocabulary, by_name, choose
from mellum_lsp.prompt.windows import Window

from . import vocabularies
from .goldens import VOCABULARY_OF, Case, cases, dialect_for, read_golden, render, tokens_of

SENTENCEPIECE = ("codestral", "plain")

every_case = pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
with_vocabulary = pytest.mark.parametrize("dialect", [name for name in NAMES if VOCABULARY_OF[name]])


@pytest.fixture(autouse=True)
def vocabulary(request: pytest.FixtureRequest) -> None:
    """Skips a test of tokens where the vocabulary has not been fetched."""
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    needed = VOCABULARY_OF.get(parameters.get("dialect", ""))
    if needed and "token" in request.node.name and not vocabularies.path_of(needed).is_file():
        pytest.skip(f"the vocabulary {needed} is not here; `{vocabularies.FETCH}` fetches it")


@every_case
@pytest.mark.parametrize("dialect", NAMES)
def test_the_text_of_a_prompt_is_the_goldens(dialect: str, case: Case) -> None:
    assert prompt_text(render(by_name(dialect), case)) == read_golden(dialect, case).prompt


@every_case
@with_vocabulary
def test_the_tokens_of_a_prompt_are_the_goldens(dialect: str, case: Case) -> None:
    assert tokens_of(dialect, render(by_name(dialect), case)) == read_golden(dialect, case).tokens


@every_case
@with_vocabulary
def test_only_markers_become_control_tokens(dialect: str, case: Case) -> None:
    loaded, _ = vocabularies.load(VOCABULARY_OF[dialect])
    prompt = render(dialect_for(dialect), case)
    markers = [loaded.marker(s.text) for part in prompt for s in part.segments if isinstance(s, Marker)]
    assert None not in markers
    assert [token for token in tokens_of(dialect, prompt) if token in loaded.ends] == markers


@every_case
@with_vocabulary
def test_the_tokens_spell_the_text(dialect: str, case: Case) -> None:
    loaded, _ = vocabularies.load(VOCABULARY_OF[dialect])
    prompt = render(by_name(dialect), case)
    texts = [segment for part in prompt for segment in part.segments if isinstance(segment, str)]
    spelled = b"".join(loaded.piece(token) for token in tokens_of(dialect, prompt)).decode()
    if dialect in SENTENCEPIECE:  # writes blanks as U+2581 and so takes that character for a blank
        texts = [text.replace("\u2581", " ") for text in texts]
    assert spelled == "".join(texts)


@pytest.mark.parametrize("dialect", [name for name in NAMES if VOCABULARY_OF[name] and name != "mellum"])
def test_real_vocabularies_choose_their_dialect_by_markers_and_tokens(dialect: str) -> None:
    chosen = dialect_for(dialect)
    assert chosen.name == dialect
    case = cases()[0]
    assert tokens_of(dialect, render(chosen, case)) == tokens_of(dialect, render(by_name(dialect), case))


def test_codestrals_tokens_are_those_of_mistrals_own_example() -> None:
    """mistral-common's test of `encode_fim`: ``<s>[SUFFIX]return▁a▁+▁b[PREFIX]▁def▁f(``."""
    if not vocabularies.path_of("codestral").is_file():
        pytest.skip(f"the vocabulary codestral is not here; `{vocabularies.FETCH}` fetches it")
    loaded, _ = vocabularies.load("codestral")
    prompt = dialect_for("codestral").render("a.py", Window("def f(", "return a + b", "", 0), ())
    pieces = [loaded.piece(token).decode() for token in tokens_of("codestral", prompt)]
    assert pieces == ["", "", "return", " a", " +", " b", "", " def", " f", "("]


def test_the_embedded_model_speaks_mellums_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    path = shipped_file("nano-135m.gguf")
    if not path.is_file():
        pytest.skip("the embedded model is not in models/ yet")
    monkeypatch.setattr(vocabularies, "path_of", lambda name: path)
    loaded, metadata = vocabularies.load("embedded")
    dialect = choose(Vocabulary(loaded.markers, metadata))
    assert dialect.name == "mellum"
