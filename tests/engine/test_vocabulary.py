"""Text stays text, a marker is one token, and the tokens of a prompt spell exactly the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import MIDDLE, decode, fim, make_decoder, plain
from tiny_gguf import MARKERS, write_tiny_gguf

from mellum_lsp.domain import Marker
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.interface import RequestInvalid
from mellum_lsp.engine.vocabulary import Vocabulary, prompt_tokens

TEXTS = (
    "def f(self):\n    return 1\n",
    " two words",
    "\n\n\ttabs  and   spaces \n",
    "é 日本語 😀 \u200d\u0301",
    "a\0b",
    "\r\n",
    "x",
    " ",
    "",
    "<fim_middle> and <|endoftext|> and <filename> and <fim_pref",
)


@pytest.fixture(params=["byte-level BPE", "sentencepiece", "user-defined markers"])
def vocabulary(request: pytest.FixtureRequest, tmp_path: Path) -> Vocabulary:
    model = write_tiny_gguf(
        tmp_path / "model.gguf",
        sentencepiece=request.param == "sentencepiece",
        markers_are_user_defined=request.param == "user-defined markers",
    )
    return make_decoder(model).vocabulary


@pytest.mark.parametrize("text", TEXTS)
def test_the_tokens_of_a_text_spell_the_text(vocabulary: Vocabulary, text: str) -> None:
    assert spelled(vocabulary, vocabulary.tokenise(text)) == text
    assert vocabulary.count(text) == len(vocabulary.tokenise(text))


@pytest.mark.parametrize("marker", MARKERS)
def test_text_that_spells_a_marker_stays_text(vocabulary: Vocabulary, marker: str) -> None:
    tokens = vocabulary.tokenise(f"a{marker}b")
    assert vocabulary.marker(marker) not in tokens
    assert not vocabulary.ends & set(tokens.tolist())


def test_a_segment_in_the_middle_of_a_prompt_gets_no_space_in_front(vocabulary: Vocabulary) -> None:
    tokens, counts = prompt_tokens(vocabulary, [[Marker("<fim_prefix>"), "one", "two", MIDDLE, "three"]])
    texts = [token for token in tokens.tolist() if token not in vocabulary.ends]
    assert spelled(vocabulary, texts) == "onetwothree"
    assert counts == [len(tokens)]


def test_a_marker_is_exactly_its_token(decoder: Decoder) -> None:
    tokens, counts = prompt_tokens(decoder.vocabulary, [[MIDDLE], ["<fim_middle>"]])
    assert tokens[0] == MARKERS.index("<fim_middle>")
    assert counts[0] == 1
    assert counts[1] > 1


def test_a_marker_that_the_vocabulary_lacks_is_refused(decoder: Decoder) -> None:
    with pytest.raises(RequestInvalid, match=r"no token <other>\nhint: .*dialect"):
        prompt_tokens(decoder.vocabulary, [[Marker("<other>")]])


def test_an_ordinary_token_can_serve_as_marker(decoder: Decoder) -> None:
    assert decoder.vocabulary.marker("def") == int(decoder.vocabulary.tokenise("def")[0])


def test_a_prompt_begins_as_the_model_wants_and_only_once(tmp_path: Path) -> None:
    vocabulary = make_decoder(write_tiny_gguf(tmp_path / "bos.gguf", add_bos=True)).vocabulary
    begin = MARKERS.index("<|endoftext|>")
    added, counts = prompt_tokens(vocabulary, [["x"], ["y"]])
    assert added.tolist()[0] == begin
    assert counts == [2, 1]
    spelled_by_dialect, counts = prompt_tokens(vocabulary, [[Marker("<|endoftext|>")], ["x"], ["y"]])
    assert spelled_by_dialect.tolist() == added.tolist()
    assert counts == [1, 1, 1]


def test_nothing_is_added_where_the_model_does_not_ask_for_it(decoder: Decoder) -> None:
    assert prompt_tokens(decoder.vocabulary, [["x"]])[1] == [1]


def test_part_tokens_count_every_part(decoder: Decoder) -> None:
    stats = decode(decoder, fim("abc", suffix="\n", context="x y"), 1).stats
    assert list(stats.part_tokens) == [4, 2, 4, 1]
    assert stats.prompt_tokens == 11


def test_lone_surrogates_do_not_reach_native_code(decoder: Decoder) -> None:
    assert decode(decoder, plain("a\ud800b"), 1).stats.prompt_tokens == 3


def spelled(vocabulary: Vocabulary, tokens: object) -> str:
    return b"".join(vocabulary.piece(int(token)) for token in tokens).decode()
