"""The user's settings: which there are, with their defaults, and what each room is told of them.

`Settings` is the one description: the JSON schema that ships beside this module and in ``docs/`` is generated
from it (``python -m mellum_lsp.lsp.settings`` prints it), and a test holds the three together.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.thresholds import Thresholds
from mellum_lsp.engine.remote.settings import API_KEY_VARIABLE, RemoteSettings
from mellum_lsp.engine.settings import EngineSettings, Lifetime
from mellum_lsp.workspace.settings import IndexSettings

_COMPLETION, _ENGINE, _INDEX = CompletionSettings(), EngineSettings(), IndexSettings()
_LIFETIME = Lifetime()

Count = Annotated[int, Meta(ge=1)]


class EngineOptions(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Where and how the model runs."""

    mode: Annotated[
        Literal["shared", "own"],
        Meta(
            description="`shared` uses one engine process, and so one copy of the model in memory, together "
            "with all other servers of this user that want the same. `own` runs one for this server alone."
        ),
    ] = "shared"
    url: Annotated[
        str | None,
        Meta(
            description="Address of an OpenAI-compatible completion server (vLLM, llama.cpp's server): "
            "prompts, and so code, are sent there. Null keeps everything on this machine.",
            examples=["http://127.0.0.1:8000/v1"],
        ),
    ] = None
    model: Annotated[
        str | None, Meta(description="Which of its models the server shall use. Null means its first.")
    ] = None
    dialect: Annotated[
        Literal[
            "mellum",
            "qwen",
            "starcoder2",
            "codegemma",
            "deepseek_coder",
            "granite",
            "codestral",
            "plain",
        ]
        | None,
        Meta(description="How the server's model wants to be asked. Null tells it from the model's name."),
    ] = None
    api_key_variable: Annotated[
        str, Meta(description="The environment variable that holds the server's key.")
    ] = API_KEY_VARIABLE
    threads: Annotated[
        Count | None, Meta(description="Threads that decode. Null means as many as were fastest here.")
    ] = _ENGINE.threads
    gpu_layers: Annotated[
        Annotated[int, Meta(ge=0)] | Literal["auto"],
        Meta(description="Layers of the model on the GPU; `auto` puts as many there as fit."),
    ] = _ENGINE.gpu_layers
    memory_megabytes: Annotated[
        Count | None,
        Meta(
            description="The most memory that the engine may take; a model that needs more is refused. Null "
            "means what is free when it starts."
        ),
    ] = None
    keep_states: Annotated[
        bool,
        Meta(
            description="Whether what the model has evaluated is kept in the cache folder, readable for you "
            "alone, so that the next engine begins warm. It is derived from source text."
        ),
    ] = _ENGINE.keep_states
    idle_seconds: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(
            description="How long a shared engine keeps the model in memory after the last editor that used "
            "it has closed."
        ),
    ] = _LIFETIME.idle_seconds
    unload_seconds: Annotated[
        Annotated[float, Meta(ge=1)],
        Meta(
            description="How long an engine keeps the model in memory while editors are open that ask for "
            "nothing. The next request loads it again."
        ),
    ] = _LIFETIME.unload_seconds


class Settings(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Settings of mellum-lsp."""

    enabled: Annotated[bool, Meta(description="Whether completions are offered at all.")] = True
    model: Annotated[
        str | None,
        Meta(
            description="A name of the catalogue or the path of a `.gguf` file. Null means the environment "
            "variable `MELLUM_LSP_MODEL`, and without it the embedded model.",
            examples=["nano-135m", "/home/me/models/mellum-4b-dpo-all.Q8_0.gguf"],
        ),
    ] = None
    lora: Annotated[
        str | None,
        Meta(
            description="The path of a LoRA adapter (GGUF) that the model is served with; `none` for the "
            "model alone. Null means what `mellum-lsp adapt` has tuned for this workspace, if anything.",
            examples=["/home/me/models/shop-lora.gguf", "none"],
        ),
    ] = None
    gate: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(
            description="How sure the model must be of all that is shown: the joint probability of the "
            "tokens. Lower shows more and is wrong more often; 0 shows everything. Null is calibrated: for "
            "each form of completion by what is known of the model, and by what you accept."
        ),
    ] = None
    max_lines: Annotated[Count, Meta(description="The most lines that one suggestion has.")] = (
        _COMPLETION.max_lines
    )
    minimum_characters: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(description="Suggestions with fewer visible characters are not shown unless asked for."),
    ] = _COMPLETION.minimum_characters
    mid_word: Annotated[
        bool, Meta(description="Whether to suggest where a word continues right behind the caret.")
    ] = _COMPLETION.mid_word
    suppress_in: Annotated[
        tuple[Literal["comment", "string"], ...],
        Meta(
            description="Places in which nothing is suggested unless asked for; docstrings are comments.",
            examples=[["comment"], ["comment", "string"]],
        ),
    ] = _COMPLETION.suppress_in
    prefetch: Annotated[
        bool,
        Meta(
            description="Whether what follows a suggestion is generated while it is looked at, so that it is "
            "there when the suggestion is accepted. Costs some CPU time."
        ),
    ] = _COMPLETION.prefetch
    context_tokens: Annotated[
        Annotated[int, Meta(ge=64)] | None,
        Meta(
            description="The longest prompt, in tokens. Null derives it from the speed measured on this "
            "machine and `latencyTargetMs`."
        ),
    ] = _COMPLETION.context_tokens
    latency_target_ms: Annotated[
        Count, Meta(description="How long a suggestion may take, in milliseconds.")
    ] = _COMPLETION.latency_target_ms
    languages: Annotated[
        tuple[str, ...],
        Meta(
            description="LSP language identifiers that are served and indexed. `*` is every language, and "
            "`-markdown` takes one out.",
            examples=[["*", "-markdown"], ["python", "typescript"]],
        ),
    ] = _COMPLETION.languages
    exclude: Annotated[
        tuple[str, ...],
        Meta(
            description="Patterns as in `.gitignore` of files that are neither indexed nor completed, "
            "besides those that the project ignores itself.",
            examples=[["*.min.js", "vendor/"]],
        ),
    ] = _INDEX.exclude
    max_file_bytes: Annotated[Count, Meta(description="Larger files are not indexed.")] = (
        _INDEX.max_file_bytes
    )
    feedback: Annotated[
        bool,
        Meta(
            description="Whether acceptances are counted, on this machine and without a word of source text."
        ),
    ] = True
    collect_preferences: Annotated[
        bool,
        Meta(
            description="Whether suggestions that are shown are kept with their prompt and with what is "
            "written in their place, source text therefore, on this machine, for the training of a model of "
            "one's own. `mellum-lsp stats clear-preferences` forgets them."
        ),
    ] = False
    engine: EngineOptions = EngineOptions()

    def completion(self, calibrated: Thresholds | None = None) -> CompletionSettings:
        """What the completion pipeline is told; ``calibrated`` thresholds count where no gate is set."""
        return CompletionSettings(
            enabled=self.enabled,
            gate=_COMPLETION.gate if self.gate is None else self.gate,
            thresholds=calibrated if self.gate is None else None,
            max_lines=self.max_lines,
            minimum_characters=self.minimum_characters,
            mid_word=self.mid_word,
            suppress_in=self.suppress_in,
            prefetch=self.prefetch,
            context_tokens=self.context_tokens,
            latency_target_ms=self.latency_target_ms,
            languages=self.languages,
        )

    def indexing(self) -> IndexSettings:
        """What the index is told."""
        return IndexSettings(
            exclude=self.exclude, languages=self.languages, max_file_bytes=self.max_file_bytes
        )

    def remote(self) -> RemoteSettings | None:
        """Where a remote engine is, None where everything stays on this machine."""
        options = self.engine
        if not options.url:
            return None
        return RemoteSettings(
            options.url, options.model or "", options.dialect or "", options.api_key_variable
        )

    def engine_settings(self, lora: str | None = None) -> EngineSettings:
        """What the engine is told: of a context, room for the longest prompt that was asked for."""
        room = self.context_tokens and self.context_tokens + _COMPLETION.max_tokens
        return EngineSettings(
            threads=self.engine.threads,
            gpu_layers=self.engine.gpu_layers,
            context_tokens=room,
            memory_bytes=self.engine.memory_megabytes and self.engine.memory_megabytes * 1_000_000,
            keep_states=self.engine.keep_states,
            lora=lora,
        )

    def engine_lifetime(self) -> Lifetime:
        """How long the engine may outlive its use."""
        return Lifetime(self.engine.idle_seconds, self.engine.unload_seconds)


def schema() -> str:
    """The JSON schema of the settings object, as the files that ship hold it."""
    (document,), components = msgspec.json.schema_components([Settings], ref_template="#/$defs/{name}")
    root = components.pop("Settings")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mellum-lsp",
        **{key: value for key, value in root.items() if key != "title"},
        "$defs": components,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
