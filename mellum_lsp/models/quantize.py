"""Quantises a GGUF with llama.cpp's own quantiser, in a process of its own.

The quantiser is native code that runs for minutes, cannot be cancelled and ends the process where it meets
what it does not expect; in a child all of that costs no more than an error message.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from mellum_lsp.engine.interface import EngineError

BITS_PER_WEIGHT = {
    "Q2_K": 3.2,
    "Q3_K_S": 3.6,
    "Q3_K_M": 4.0,
    "Q3_K_L": 4.3,
    "Q4_0": 4.7,
    "IQ4_NL": 4.7,
    "IQ4_XS": 4.5,
    "Q4_K_S": 4.7,
    "Q4_K_M": 4.9,
    "Q5_0": 5.6,
    "Q5_K_S": 5.6,
    "Q5_K_M": 5.7,
    "Q6_K": 6.6,
    "Q8_0": 8.5,
}
"""What can be made here, with the size to expect for a model of some billions of parameters: a bound from the
tables of llama.cpp's tools/quantize/README.md. Types that need an importance matrix are left out."""

_SPARE_BYTES = 64 * 1024**2
_LAST_WORDS = 12


class QuantizationFailed(EngineError):
    """The quantiser could not make the file; what was there before is untouched."""


def quantize(
    source: Path, target: Path, kind: str, threads: int, on_progress: Callable[[float], None] = lambda _: None
) -> None:
    """Write ``source`` as ``target`` in the quantisation ``kind`` (a key of `BITS_PER_WEIGHT`).

    ``on_progress`` gets fractions from 0 to 1. ``target`` appears only when it is whole. Raises
    `QuantizationFailed`; an interrupt ends the child and removes what it wrote.
    """
    # What is asked for is smaller than the source, or it would not be asked for.
    missing, free = source.stat().st_size, shutil.disk_usage(target.parent).free
    if free < missing + _SPARE_BYTES:
        raise QuantizationFailed(
            f"{target.parent} has {free / 1e9:.2f} GB free, and up to {missing / 1e9:.2f} GB are needed.\n"
            "hint: make room, or set XDG_DATA_HOME to a folder on a larger disk."
        )
    unfinished = target.with_suffix(".part")
    command = [sys.executable, "-P", "-m", "mellum_lsp.models.quantize_process"]
    command += [str(source), str(unfinished), kind, str(threads)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        last_words = _follow(child, on_progress)
        if child.wait() or not unfinished.is_file():
            raise QuantizationFailed(
                f"llama.cpp could not quantise {source.name} to {kind}:\n{last_words}\n"
                "hint: `mellum-lsp models verify` tells whether the file is whole; a Q8_0, F16 or BF16 file "
                "is the best source."
            )
        unfinished.replace(target)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        unfinished.unlink(missing_ok=True)


def _follow(child: subprocess.Popen[str], on_progress: Callable[[float], None]) -> str:
    """Pass the child's progress on until it ends; returns the last lines that it wrote otherwise."""
    last_words: deque[str] = deque(maxlen=_LAST_WORDS)
    assert child.stdout
    for line in child.stdout:
        done, slash, total = line.strip().partition("/")
        if slash and done.isdigit() and total.isdigit():
            on_progress(int(done) / max(1, int(total)))
        elif line.strip():
            last_words.append(line.rstrip())
    return "\n".join(last_words)
