"""Stage `tokenizer`: a byte-level BPE of one's own with Mellum's special tokens, learned from the corpus.

Writes ``tokenizer/tokenizer.json`` (for transformers) and the same vocabulary as ``base/FILE``, a GGUF with
no weights, from which all other stages and llama.cpp read it. Text is cut before merging as StarCoder's and
SmolLM's tokenizers cut it: digits one by one, then GPT-2's expression.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import gguf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from training.corpus import read_documents
from training.recipe import Recipe, Run
from training.tokens import END_OF_TEXT

SPECIAL_TOKENS = (
    END_OF_TEXT, "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>",
    "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>",
    "<jupyter_code>", "<jupyter_output>", "<empty_output>", "<commit_before>", "<commit_msg>",
    "<commit_after>", "<reponame>",
)  # fmt: skip
"""Mellum's, which are StarCoder's, in StarCoder's order."""
_PRE_TOKENIZER = "starcoder"
"""llama.cpp's name for this way to cut."""


def build(recipe: Recipe, run: Run) -> None:
    """Does nothing where the recipe wants none or the vocabulary is there already."""
    target = run.base / recipe.base.file
    if not recipe.tokenizer.vocabulary or target.exists():
        return
    learned = learn(texts(run, recipe.tokenizer.characters), recipe.tokenizer.vocabulary)
    folder = run.root / "tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    learned.save(str(folder / "tokenizer.json"))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_vocabulary(learned, recipe.name, target)
    print(f"tokenizer: {learned.get_vocab_size()} tokens in {folder}", flush=True)


def texts(run: Run, characters: int) -> Iterator[str]:
    """Of the training documents, up to so many characters."""
    left = characters
    for document in read_documents(run.corpus / "train.jsonl"):
        if document.split == "train" and left > 0:
            left -= len(document.text)
            yield document.text


def learn(source: Iterator[str], vocabulary: int) -> Tokenizer:
    """Deterministic for the same texts in the same order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(source, trainer)
    return tokenizer


def write_vocabulary(tokenizer: Tokenizer, name: str, target: Path) -> None:
    """As a GGUF that llama.cpp opens for its vocabulary alone."""
    table = json.loads(tokenizer.to_str())["model"]
    by_id = sorted(table["vocab"].items(), key=lambda pair: pair[1])
    special = set(SPECIAL_TOKENS)
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_name(name)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_PRE_TOKENIZER)
    writer.add_token_list([token for token, _ in by_id])
    kinds = (gguf.TokenType.CONTROL, gguf.TokenType.NORMAL)
    writer.add_token_types([int(kinds[token not in special]) for token, _ in by_id])
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in table["merges"])
    writer.add_token_merges(list(merges))
    end = table["vocab"][END_OF_TEXT]
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_pad_token_id(table["vocab"]["<fim_pad>"])
    writer.add_add_bos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
