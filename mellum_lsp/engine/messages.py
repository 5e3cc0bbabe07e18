"""What goes between a server and its engine: msgpack structures in length-prefixed frames.

The same frames serve a pair of pipes and a socket that several servers share: every request carries an id
that its answers repeat. A server begins with `Hello`, the engine answers with `Welcome`, then tells of its
model: `Loading` …, `Ready` or `LoadFailed`. New fields go to the end of a structure, with a default;
anything else needs a new `PROTOCOL`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import msgspec

from mellum_lsp.domain import Marker
from mellum_lsp.engine import interface
from mellum_lsp.engine.interface import EngineError, GenerationStats, ModelInfo
from mellum_lsp.engine.settings import Lifetime

PROTOCOL = 3

LENGTH = struct.Struct(">I")
"""In front of every frame: the number of bytes that follow."""
MAX_FRAME_BYTES = 1 << 24
"""The longest prompt of any model has a tenth of this."""


class Hello(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Server to engine, first of all: which protocol it speaks, the secret of the place where one is needed,
    and how long the engine may outlive its use, see `settings.Lifetime`. Answer: `Welcome`, or the connection
    ends."""

    protocol: int
    secret: str
    lifetime: Lifetime


class Generate(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Server to engine: see `interface.GenerateRequest`. Answers: `Started`, `Prefilled`, `Generated` …, then
    `Finished`; or at any point `Failed`. ``caret_part`` is the index of the part that ends at the caret; -1
    where none is said to."""

    id: int
    parts: list[list[Marker | str]]
    max_tokens: int
    stop_markers: list[str]
    document: str
    priority: int
    min_joint_probability: float
    first_token_rank: int = 0
    must_begin_with: str = ""
    caret_part: int = -1


class Abort(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Server to engine: end this generation. An id that is not known (any more) is ignored."""

    id: int


class Count(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Server to engine: how many tokens has each text? Answer: `Counted` or `Failed`, also during a
    generation."""

    id: int
    texts: list[str]


class Welcome(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server, first of all: the protocol and the process that serves."""

    protocol: int
    pid: int


class Loading(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: the fraction of the model that is loaded."""

    fraction: float


class Ready(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: the model is loaded; requests are welcome from now on."""

    info: ModelInfo


class LoadFailed(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: the model cannot be served; the engine ends."""

    error: str
    message: str


class Started(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: work on a generation begins. Until then, another engine may be asked for it."""

    id: int


class Prefilled(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: the prompt has been evaluated; ``stats`` say as much as is known by then."""

    id: int
    stats: GenerationStats


class Generated(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: one token of a generation."""

    id: int
    token: int
    piece: bytes
    probability: float


class Finished(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: a generation's end, and the speeds as they are known now."""

    id: int
    stats: GenerationStats
    prefill_tokens_per_second: float
    decode_tokens_per_second: float


class Failed(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: a request that could not be served."""

    id: int
    error: str
    message: str


class Counted(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: the number of tokens of each text."""

    id: int
    counts: list[int]


class Ending(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Engine to server: nobody has asked for anything for long, so the engine ends. No answer is missing."""


ToEngine = Hello | Generate | Abort | Count
FromEngine = (
    Welcome
    | Loading
    | Ready
    | LoadFailed
    | Started
    | Prefilled
    | Generated
    | Finished
    | Failed
    | Counted
    | Ending
)

_encoder = msgspec.msgpack.Encoder()
_to_engine: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
_from_engine: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


def frame(message: ToEngine | FromEngine) -> bytes:
    """The message as it goes over the wire, length in front. Raises `RequestInvalid` for one too large."""
    buffer = bytearray(LENGTH.size)
    _encoder.encode_into(message, buffer, LENGTH.size)
    length = len(buffer) - LENGTH.size
    if length > MAX_FRAME_BYTES:
        raise interface.RequestInvalid(
            f"a request of {length:,} bytes is too large\nhint: no model has so much context; plan less"
        )
    LENGTH.pack_into(buffer, 0, length)
    return bytes(buffer)


def body_length(prefix: bytes) -> int:
    """The length of the frame that ``prefix`` announces. Raises `EngineError` for one that cannot be ours."""
    (length,) = LENGTH.unpack(prefix)
    if length > MAX_FRAME_BYTES:
        raise EngineError(
            f"the engine's stream is out of step: a frame of {length:,} bytes\nhint: restart it"
        )
    return int(length)


def decode_to_engine(body: bytes) -> ToEngine:
    return _to_engine.decode(body)


def decode_from_engine(body: bytes) -> FromEngine:
    return _from_engine.decode(body)


_ERRORS: Mapping[str, type[EngineError]] = {
    error.__name__: error
    for error in (
        interface.EngineError,
        interface.ModelError,
        interface.ModelMissing,
        interface.ModelBroken,
        interface.ModelUnsupported,
        interface.ModelTooLarge,
        interface.EngineCrashed,
        interface.RequestInvalid,
    )
}


def to_exception(error: str, message: str) -> EngineError:
    """The exception that the engine named."""
    return _ERRORS.get(error, EngineError)(message)
