"""What the stages that train by TRL share, and what TRL's trainers need of us.

The trainers tokenise text themselves, and our examples are token ids already: in ids control tokens are never
text, and an answer that goes on has no end. So a trainer's own preparation is passed over, and what it asks a
tokenizer for is the end's id alone.
"""

from __future__ import annotations

from pathlib import Path
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


def build_model(recipe: Recipe, run: Run, checkpoint: Path | None) -> Any:
    """The model of the checkpoint, with an attention that takes the padded batches that TRL makes."""
    model = checkpoints.build_model(recipe, run, checkpoint)
    model.set_attn_implementation("sdpa")
    return model


def end_alone(recipe: Recipe, run: Run) -> Any:
    """A tokenizer that knows the end of text, which also pads."""
    end = open_tokeniser(recipe, run).end
    vocabulary = Tokenizer(WordLevel({END_OF_TEXT: end}, unk_token=END_OF_TEXT))
    return PreTrainedTokenizerFast(
        tokenizer_object=vocabulary, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT, unk_token=END_OF_TEXT
    )


def common_options(recipe: Recipe, part: Run, device: str) -> dict[str, Any]:
    """The fields of `transformers.TrainingArguments` that are the same for every such stage."""
    return {
        "output_dir": str(_own_checkpoints(part)),
        "use_cpu": device == "cpu",
        "bf16": device != "cpu",
        "seed": recipe.seed,
        "logging_steps": 1,
        "save_steps": 50,
        "report_to": [],
        "disable_tqdm": True,
    }


def train(recipe: Recipe, part: Run, trainer: Any, stage: str) -> Progress:
    """Train, or go on from TRL's own checkpoints; save the model and the log in the run's part."""
    trainer.train(resume_from_checkpoint=any(_own_checkpoints(part).glob("checkpoint-*")) or None)
    progress = Progress(step=trainer.state.global_step)
    tensors = trainer.accelerator.unwrap_model(trainer.model).state_dict()
    if recipe.lora.rank:
        tensors = {n.replace(".default", ""): t for n, t in tensors.items() if ".lora_" in n}
    checkpoints.save(part, recipe, tensors, {}, progress)
    log = Log(part.metrics)
    for row in trainer.state.log_history:
        log.write(event=stage, **row)
    return progress


def _own_checkpoints(part: Run) -> Path:
    return part.root / "trl"
