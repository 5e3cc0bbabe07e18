"""How each dialect renders a prompt, and which dialect a model's vocabulary and metadata choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.domain import Marker, Prompt, prompt_text
from mellum_lsp.prompt.dialects import DIALECT_KEY, NAMES, ContextFile, Vocabulary, by_name, choose
from mellum_lsp.prompt.dialects.comments import commented
from mellum_lsp.prompt.windows import Geometry, Window, cut

from .carets import caret_in

CONTEXT = (ContextFile("a.py", "A = 1"), ContextFile("b.ts", "const b = 2"))


def render(dialect: str, marked: str, context: tuple[ContextFile, ...] = ()) -> Prompt:
    caret = caret_in(marked, path="c.py")
    return by_name(dialect).render(caret.path, cut(caret.text, caret.offset, Geometry(0, 9)), context)


def text_of(dialect: str, marked: str, context: tuple[ContextFile, ...] = ()) -> str:
    return prompt_text(render(dialect, marked, context))


@pytest.mark.parametrize(
    ("dialect", "prompt"),
    [
        ("mellum", "<filename>c.py\n<fim_suffix>)\nS<fim_prefix>P\nf(<fim_middle>"),
        ("qwen", "<|fim_prefix|>P\nf(<|fim_suffix|>)\nS<|fim_middle|>"),
        ("starcoder2", "<fim_prefix>P\nf(<fim_suffix>)\nS<fim_middle>"),
        ("codegemma", "<bos>c.py\n<|fim_prefix|>P\nf(<|fim_suffix|>)\nS<|fim_middle|>"),
        (
            "deepseek_coder",
            "<｜begin▁of▁sentence｜><｜fim▁begin｜>P\nf(<｜fim▁hole｜>)\nS<｜fim▁end｜>",
        ),
        ("granite", "<fim_prefix>P\nf(<fim_suffix>)\nS<fim_middle>"),
        ("codestral", "<s>[SUFFIX])\nS[PREFIX] P\nf("),
        ("plain", "# c.py\nP\nf("),
    ],
)
def test_a_file_by_itself(dialect: str, prompt: str) -> None:
    caret = caret_in("P\nf(¦)\nS", path="c.py")
    window = Window(caret.prefix, caret.suffix, "", 0)
    assert prompt_text(by_name(dialect).render(caret.path, window, ())) == prompt


@pytest.mark.parametrize(
    ("dialect", "prompt"),
    [
        (
            "mellum",
            "<filename>a.py\nA = 1\n<filename>b.ts\nconst b = 2\n"
            "<filename>c.py\n<fim_suffix>\nS<fim_prefix>P<fim_middle>",
        ),
        (
            "qwen",
            "<|repo_name|>project\n<|file_sep|>a.py\nA = 1\n<|file_sep|>b.ts\nconst b = 2\n"
            "<|file_sep|>c.py\n<|fim_prefix|>P<|fim_suffix|>\nS<|fim_middle|>",
        ),
        (
            "starcoder2",
            "<repo_name>project<file_sep>a.py\nA = 1<file_sep>b.ts\nconst b = 2"
            "<file_sep><fim_prefix>c.py\nP<fim_suffix>\nS<fim_middle>",
        ),
        (
            "codegemma",
            "<bos>a.py\nA = 1\n<|file_separator|>b.ts\nconst b = 2\n<|file_separator|>"
            "c.py\n<|fim_prefix|>P<|fim_suffix|>\nS<|fim_middle|>",
        ),
        (
            "deepseek_coder",
            "<｜begin▁of▁sentence｜><｜fim▁begin｜># a.py\nA = 1\n\n// b.ts\nconst b = 2\n\n"
            "# c.py\nP<｜fim▁hole｜>\nS<｜fim▁end｜>",
        ),
        (
            "granite",
            "<fim_prefix># a.py\nA = 1\n\n// b.ts\nconst b = 2\n\n# c.py\nP<fim_suffix>\nS<fim_middle>",
        ),
        (
            "codestral",
            "<s>[SUFFIX]\nS[PREFIX] +++++ a.py\nA = 1\n\n+++++ b.ts\nconst b = 2\n\n+++++ c.py\nP",
        ),
        ("plain", "# a.py\n# A = 1\n\n# b.ts\n# const b = 2\n\n# c.py\nP"),
    ],
)
def test_a_file_with_project_context(dialect: str, prompt: str) -> None:
    assert text_of(dialect, "P¦\nS", CONTEXT) == prompt


@pytest.mark.parametrize("dialect", NAMES)
class TestEveryDialect:
    def test_ends_the_prefix_part_with_the_text_before_the_caret(self, dialect: str) -> None:
        for context in ((), CONTEXT):
            [part] = [part for part in render(dialect, "before¦ behind", context) if part.kind == "prefix"]
            assert isinstance(part.segments[-1], str)
            assert part.segments[-1].strip() == "before"

    def test_turns_no_text_into_a_marker(self, dialect: str) -> None:
        spelled = "<fim_middle><|fim_middle|><｜fim▁end｜>[PREFIX]<|endoftext|><filename>"
        prompt = render(dialect, f"{spelled}¦\n{spelled}", (ContextFile(spelled, spelled),))
        empty = render(dialect, "¦", (ContextFile("", ""),))
        assert markers_of(prompt) == markers_of(empty)

    def test_keeps_auto_closed_brackets_out(self, dialect: str) -> None:
        assert text_of(dialect, "f(¦)\n") == text_of(dialect, "f(¦\n")

    def test_says_truly_whether_the_prefix_comes_last(self, dialect: str) -> None:
        prompt = render(dialect, "before¦behind", CONTEXT)
        kinds = [part.kind for part in prompt]
        behind = prompt[kinds.index("prefix") + 1 :]
        texts_behind = [segment for part in behind for segment in part.segments if isinstance(segment, str)]
        assert by_name(dialect).prefix_last == (not texts_behind)

    def test_stops_where_it_would_begin_another_hole(self, dialect: str) -> None:
        stops = by_name(dialect).stop_markers
        own = [marker for marker in markers_of(render(dialect, "a¦b", CONTEXT)) if "begin▁of" not in marker]
        assert set(own) - {"<s>", "<bos>"} <= set(stops)
        assert len(set(stops)) == len(stops)


def markers_of(prompt: Prompt) -> list[str]:
    return [segment.text for part in prompt for segment in part.segments if isinstance(segment, Marker)]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"unknown dialect 'klingon'; known: mellum, qwen"):
        by_name("klingon")


STARCODER = {"<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"}
STARCODER_1 = STARCODER | {"<filename>", "<gh_stars>", "<reponame>"}
QWEN = {"<|endoftext|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"}
MISTRAL = {"<s>", "</s>", "[INST]", "[/INST]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]"}


@pytest.mark.parametrize(
    ("name", "markers", "metadata"),
    [
        ("mellum", STARCODER_1, {"general.architecture": "llama"}),
        ("mellum", STARCODER_1, {"general.architecture": "mellum", "general.name": "Mellum2 12B A2.5B Base"}),
        ("mellum", STARCODER_1, {"general.name": "Mellum 4b", "general.tags": "starcoder"}),
        ("mellum", STARCODER_1 | {"<file_sep>", "<repo_name>"}, {"general.name": "nano-135m"}),
        ("starcoder2", STARCODER | {"<file_sep>", "<repo_name>"}, {"general.architecture": "starcoder2"}),
        ("granite", STARCODER_1, {"general.architecture": "llama", "general.name": "Granite 3b Code Base"}),
        ("granite", STARCODER_1, {"general.architecture": "granitemoe"}),
        ("granite", STARCODER_1, {"general.architecture": "starcoder"}),
        ("granite", STARCODER, {}),
        ("granite", {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|end_of_text|>"}, {}),
        ("qwen", QWEN | {"<|repo_name|>", "<|file_sep|>"}, {"general.architecture": "qwen2"}),
        ("codegemma", QWEN | {"<bos>", "<|file_separator|>"}, {"general.architecture": "gemma"}),
        ("deepseek_coder", {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"}, {}),
        ("codestral", MISTRAL, {"general.name": "Codestral-22B-v0.1"}),
        ("codestral", MISTRAL, {"general.architecture": "llama"}),
        ("plain", MISTRAL, {"general.name": "Mistral-7B-v0.3"}),
        ("plain", MISTRAL, {"general.name": "Mamba Codestral 7B v0.1"}),
        ("plain", {"<|endoftext|>", "<filename>", "<file_sep>"}, {"general.name": "SmolLM2 135M"}),
        ("plain", set(), {}),
    ],
)
def test_the_dialect_follows_from_markers_and_metadata(
    name: str, markers: set[str], metadata: dict[str, str]
) -> None:
    assert choose(Vocabulary(frozenset(markers), metadata)).name == name


def test_a_dialect_named_in_the_metadata_is_taken_where_the_vocabulary_can_speak_it() -> None:
    metadata = {DIALECT_KEY: "starcoder2"}
    assert choose(Vocabulary(frozenset(STARCODER_1), metadata)).name == "starcoder2"
    assert choose(Vocabulary(frozenset({"<s>"}), metadata)).name == "plain"


def test_granite_4_spells_its_markers_with_bars() -> None:
    markers = frozenset({"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|end_of_text|>"})
    prompt = choose(Vocabulary(markers, {})).render("c.py", Window("P", "S", "", 0), ())
    assert prompt_text(prompt) == "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"


def test_only_stops_at_markers_that_the_vocabulary_has() -> None:
    dialect = choose(Vocabulary(frozenset(STARCODER_1 - {"<fim_pad>"}), {}))
    assert "<fim_pad>" not in dialect.stop_markers
    assert "<filename>" in dialect.stop_markers


@pytest.mark.parametrize(
    ("metadata", "begins"),
    [
        ({"tokenizer.ggml.add_bos_token": "true"}, True),
        ({"tokenizer.ggml.add_bos_token": "false", "tokenizer.ggml.model": "llama"}, False),
        ({"tokenizer.ggml.model": "llama"}, True),
        ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe"}, True),
        ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"}, False),
    ],
)
def test_prompts_begin_as_the_vocabulary_wants(metadata: dict[str, str], begins: bool) -> None:
    dialect = choose(Vocabulary(frozenset({"<s>", "</s>"}), metadata))
    prompt = dialect.render("c.py", Window("P", "S", "", 0), ())
    assert prompt_text(prompt).startswith("<s>") == begins


@pytest.mark.parametrize(
    ("path", "comment"),
    [
        ("a/b.py", "# one\n#\n# two\n"),
        ("b.rs", "// one\n//\n// two\n"),
        ("b.HTML", "<!-- one -->\n<!--  -->\n<!-- two -->\n"),
        ("Makefile", "# one\n#\n# two\n"),
        ("dir.rs/Makefile", "# one\n#\n# two\n"),
    ],
)
def test_comments_follow_the_files_language(path: str, comment: str) -> None:
    assert commented(path, "one\n\ntwo") == comment


def test_the_documentation_of_each_dialect_names_its_source() -> None:
    folder = Path(__file__).parents[3] / "mellum_lsp" / "prompt" / "dialects"
    for name in NAMES:
        if name != "plain":
            text = (folder / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
            assert any(source in text for source in ("arXiv:", "model card", "README", "mistral-common")), (
                name
            )


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("JetBrains/Mellum-4b-sft-python", "mellum"),
        ("Qwen/Qwen2.5-Coder-7B", "qwen"),
        ("deepseek-ai/deepseek-coder-1.3b-base", "deepseek_coder"),
        ("gpt-4", "plain"),
    ],
)
def test_a_remote_model_is_known_by_its_name(name: str, dialect: str) -> None:
    """Nobody can look into the vocabulary of a model on a server."""
    chosen = choose(Vocabulary(frozenset(), {"general.name": name}))
    assert chosen.name == dialect
    assert chosen.stop_markers == by_name(dialect).stop_markers
