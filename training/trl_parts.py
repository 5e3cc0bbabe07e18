"""What TRL's trainers need of us: they tokenise text themselves, and our examples are token ids already.

In ids control tokens are never text, and an answer that goes on has no end. So a trainer's own preparation is
passed over, and what it asks a tokenizer for is the end's id alone.
"""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from training import checkpoints
from training.checkpoints import Progress
from training.fim import open_tokeniser
from training.recipe import Recipe, Run
from training.sft import Log
from training.tokens import END_OF_TEXT


def end_alone(recipe: Recipe, run: Run) -> Any:
    """A tokenizer that knows the end of text, which also pads."""
    end = open_tokeniser(recipe, run).end
    vocabulary = Tokenizer(WordLevel({END_OF_TEXT: end}, unk_token=END_OF_TEXT))
    return PreTrainedTokenizerFast(
        tokenizer_object=vocabulary, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT, unk_token=END_OF_TEXT
    )


def finish(recipe: Recipe, part: Run, trainer: Any, event: str) -> Progress:
    """Saves what a trainer has made of the model, and its log, in the run's part."""
    progress = Progress(step=trainer.state.global_step)
    tensors = trainer.accelerator.unwrap_model(trainer.model).state_dict()
    if recipe.lora.rank:
        tensors = {n.replace(".default", ""): t for n, t in tensors.items() if ".lora_" in n}
    checkpoints.save(part, recipe, tensors, {}, progress)
    log = Log(part.metrics)
    for row in trainer.state.log_history:
        log.write(event=event, **row)
    return progress
