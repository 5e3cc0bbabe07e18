"""A model of one's own from nothing: vocabulary, pretraining, tuning, export."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'training' (torch, transformers)")
pytest.importorskip("transformers", reason="needs the extra 'training' (torch, transformers)")
tokenizers = pytest.importorskip("tokenizers", reason="needs the extra 'training' (tokenizers)")

from training import export, fim, pretrain, sft, tokenizer
from training.corpus import build
from training.recipe import Base, Recipe, Run, Sft, Tokenizer
from training.tokens import Tokeniser

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
TEXTS = [
    "def total(prices):\n    return sum(prices) * 1234  # 10% off\n",
    "x = {'naïve': \"🙂\"}\t\tif\u00a0y:\r\n",
    "   a   b\n\n\n\tc  'don't' _under__score",
]


@pytest.fixture
def own(recipe: Recipe, run: Run) -> tuple[Recipe, Run]:
    """A run with a vocabulary of its own, learned from its corpus."""
    shutil.rmtree(run.base)
    settings = replace(recipe.sft, planned_tokens=1024)
    own = replace(
        recipe,
        markers={},
        base=Base(file="vocabulary.gguf", scratch=SIZES),
        tokenizer=Tokenizer(vocabulary=320),
        fim=replace(recipe.fim, pretrain_shards=1),
        pretrain=Sft(
            row_tokens=512, loss_positions=512, other_text_weight=1.0, learning_rate=3e-3,
            planned_tokens=4096, validate_every=4, threads=1,
        ),
        sft=settings,
    )  # fmt: skip
    build.build(own, run)
    tokenizer.build(own, run)
    return own, run


def test_llama_cpp_splits_text_as_the_learned_tokenizer_does(own: tuple[Recipe, Run]) -> None:
    recipe, run = own
    learned = tokenizers.Tokenizer.from_file(str(run.root / "tokenizer" / "tokenizer.json"))
    served = Tokeniser(run.base / recipe.base.file, {})
    assert served.size == 320
    for text in TEXTS:
        assert served.encode(text) == learned.encode(text).ids
        assert learned.decode(learned.encode(text).ids) == text


def test_the_vocabulary_has_mellums_markers_and_text_never_becomes_one(own: tuple[Recipe, Run]) -> None:
    recipe, run = own
    served = Tokeniser(run.base / recipe.base.file, {})
    ids = {served.marker(name) for name in tokenizer.SPECIAL_TOKENS}
    assert ids == set(range(len(tokenizer.SPECIAL_TOKENS)))
    assert not ids & set(served.encode("<fim_middle><|endoftext|>"))


def test_a_model_from_nothing_is_pretrained_tuned_and_exported(own: tuple[Recipe, Run]) -> None:
    recipe, run = own
    fim.build(recipe, run)
    progress = pretrain.train(recipe, run)
    assert progress is not None
    assert progress.tokens == 4096
    rows = [json.loads(line) for line in run.pretrain.metrics.read_text().splitlines()]
    losses = [row["validation_loss"] for row in rows if row["event"] == "validation"]
    assert losses[-1] < losses[0]
    assert sft.train(recipe, run).tokens == 1024
    tuned = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert tuned[0]["event"] == "start"
    export.export(recipe, run)
    proof = json.loads((run.export / "proof.json").read_text())
    assert proof["quantisations"]["F16"]["kl_nats"] < 1e-3
    assert proof["same_tokens"]


def test_tuning_begins_where_pretraining_ended(own: tuple[Recipe, Run]) -> None:
    from training import checkpoints

    recipe, run = own
    fim.build(recipe, run)
    pretrain.train(recipe, run)
    pretrained = checkpoints.build_model(recipe, run.pretrain, checkpoints.newest(run.pretrain))
    begun = checkpoints.build_model(recipe, run, None)
    for name, tensor in pretrained.state_dict().items():
        assert torch.equal(tensor, begun.state_dict()[name]), name
