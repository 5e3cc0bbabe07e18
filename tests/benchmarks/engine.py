"""How fast the engine decodes beside a bare llama.cpp loop, what a keystroke costs, how soon it stops.

    python tests/benchmarks/engine.py models/nano-135m.gguf

Engine and bare loop take turns in one run, each in a process of its own, so that whatever else the machine
does hits both. The bare loop is `llama_decode` and llama.cpp's greedy sampler with llama.cpp's own defaults.
The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp

from mellum_lsp import machine
from mellum_lsp.domain import Part
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.process import SPIN_COUNT
from mellum_lsp.engine.settings import EngineSettings

PROMPT = f"squares = {[n * n for n in range(150)]}\nnumbers = {list(range(150))}"[:-1]
"""About a thousand tokens, and a list that a model goes on with as long as it is let."""
TOKENS = 48
MEASUREMENTS = ("decoding", "keystrokes", "aborts", "callbacks")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="turns of engine and bare loop")
    parser.add_argument("--aborts", type=int, default=40)
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="leave the others out")
    parser.add_argument("--part", choices=["bare", "callbacks"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part == "bare":
        serve_bare_loop(arguments.model)
    elif arguments.part == "callbacks":
        print(json.dumps(measure_callbacks(arguments.model)))
    else:
        chosen = arguments.only or MEASUREMENTS
        report = asyncio.run(measure(arguments.model, arguments.rounds, arguments.aborts, chosen))
        report["load_average"] = os.getloadavg()[0]
        print(json.dumps(report))


async def measure(model: Path, rounds: int, aborts: int, chosen: Sequence[str]) -> dict[str, Any]:
    # Token by token, as the bare loop: what drafts bring is `drafts.py`'s to say.
    engine = LlamaEngine(model, EngineSettings(context_tokens=4096, drafts=False))
    began = time.perf_counter()
    info = await engine.start()
    report: dict[str, Any] = {
        "model": info.name,
        "load_s": round(time.perf_counter() - began, 3),
        "threads": machine.cores().physical,
        "prefill_tokens_per_s": round(info.prefill_tokens_per_second),
    }
    print(f"{info.name}: loaded in {report['load_s']} s, {report['threads']} threads")
    if "decoding" in chosen:
        report |= await measure_decoding(engine, model, rounds)
    if "keystrokes" in chosen:
        report |= await measure_keystrokes(engine)
    if "aborts" in chosen:
        report |= await measure_aborts(engine, aborts)
    await engine.close()
    if "callbacks" in chosen:
        callbacks = part("callbacks", model, {"GOMP_SPINCOUNT": SPIN_COUNT})
        report["token_ms_with_callback"] = json.loads(callbacks.communicate()[0])
        print(f"callbacks: {report['token_ms_with_callback']}")
    return report


def part(name: str, model: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A part of the measurement in a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, "--part", name, str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
    )


async def measure_decoding(engine: LlamaEngine, model: Path, rounds: int) -> dict[str, Any]:
    bare = part("bare", model, {})
    assert bare.stdin and bare.stdout
    ratios, ours, theirs = [], [], []
    for round_ in range(rounds + 1):
        # Another text every time: what the model has just said is not computed again.
        generation = engine.generate(GenerateRequest(prompt(f"# {round_}\n{PROMPT}"), TOKENS))
        _ = [token async for token in generation]
        stats = generation.stats
        engine_rate = (stats.generated_tokens - 1) / stats.decode_ms * 1e3
        bare.stdin.write("go\n")
        bare.stdin.flush()
        bare_rate = float(await asyncio.to_thread(bare.stdout.readline))
        if round_:  # the first turn warms both up
            ours.append(engine_rate)
            theirs.append(bare_rate)
            ratios.append(engine_rate / bare_rate)
    bare.stdin.close()
    bare.wait()
    result = {
        "decode_tokens_per_s": round(statistics.median(ours), 1),
        "bare_decode_tokens_per_s": round(statistics.median(theirs), 1),
        "decode_ratio": round(statistics.median(ratios), 3),
    }
    print(f"decode: {result}")
    return result


async def measure_keystrokes(engine: LlamaEngine) -> dict[str, Any]:
    """Ten tokens after each of thirty typed characters: until the first token, and until the last."""
    first, whole, evaluated = [], [], []
    for typed in range(1, 31):
        began = time.perf_counter()
        generation = engine.generate(
            GenerateRequest(prompt(PROMPT + ", 15 and so on, for ever and ever"[:typed]), 10, document="k")
        )
        arrivals = [time.perf_counter() - began async for _ in generation]
        if typed > 1 and arrivals:
            first.append(arrivals[0])
            whole.append(time.perf_counter() - began)
            evaluated.append(generation.stats.evaluated_tokens)
    result = {
        "keystroke_first_token_ms": milliseconds(first),
        "keystroke_ten_tokens_ms": milliseconds(whole),
        "keystroke_evaluated_tokens": round(statistics.mean(evaluated), 2),
    }
    print(f"keystrokes: {result}")
    return result


async def measure_aborts(engine: LlamaEngine, count: int) -> dict[str, Any]:
    """From `abort` until the stream has ended, the engine being free: inside prefill and while decoding."""
    latencies: dict[str, list[float]] = {"prefill": [], "decode": []}
    for attempt in range(count):
        for kind, text in (
            ("prefill", f"{attempt}\n{PROMPT}{PROMPT}"),
            ("decode", f"# {attempt}\n{PROMPT[-200:]}"),
        ):
            generation = engine.generate(GenerateRequest(prompt(text), 500, document="a"))
            if kind == "decode":
                await anext(aiter(generation))
            await asyncio.sleep(random.uniform(0.02, 0.2))
            began = time.perf_counter()
            generation.abort()
            async for _ in generation:
                pass
            if generation.stats.stop == "aborted":
                latencies[kind].append(time.perf_counter() - began)
    result = {f"abort_in_{kind}_ms": milliseconds(values) for kind, values in latencies.items()}
    print(f"aborts: {result}")
    return result


def measure_callbacks(model: Path) -> dict[str, float]:
    """A token's time with no callback, with ours, and with a Python function that says "go on"."""
    loop = BareLoop(model)
    flag = AbortFlag()
    python = llama_cpp.ggml_abort_callback(lambda data: False)
    callbacks = {
        "none": lambda: llama_cpp.llama_set_abort_callback(
            loop.context, llama_cpp.ggml_abort_callback(), None
        ),
        "native": lambda: flag.watch(loop.context),
        "python": lambda: llama_cpp.llama_set_abort_callback(loop.context, python, None),
    }
    times: dict[str, list[float]] = {}
    for busy in (False, True):
        stop = threading.Event()
        if busy:
            threading.Thread(target=spin, args=[stop]).start()
        for _ in range(4):
            for name, install in callbacks.items():
                install()
                rate = loop.run(16, PROMPT[-80:])
                times.setdefault(name + ("_beside_busy_thread" if busy else ""), []).append(1e3 / rate)
        stop.set()
    return {name: round(statistics.median(values), 2) for name, values in times.items()}


def spin(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1000))


class BareLoop:
    """The shortest loop that decodes with llama.cpp."""

    def __init__(self, model: Path):
        self._log = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self._log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        parameters = llama_cpp.llama_model_default_params()
        self._model = llama_cpp.llama_model_load_from_file(str(model).encode(), parameters)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        context = llama_cpp.llama_context_default_params()
        context.n_ctx = 4096
        context.n_threads = context.n_threads_batch = machine.cores().physical
        self.context = llama_cpp.llama_init_from_model(self._model, context)
        self._sampler = llama_cpp.llama_sampler_init_greedy()

    def run(self, count: int, text: str = PROMPT) -> float:
        """Evaluate ``text``, decode ``count`` tokens; returns the tokens per second of decoding."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        data = text.encode()
        tokens = (llama_cpp.llama_token * len(data))()
        size = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, len(data), False, False)
        llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(tokens, size))
        next_token = (llama_cpp.llama_token * 1)()
        next_token[0] = llama_cpp.llama_sampler_sample(self._sampler, self.context, -1)
        began = time.perf_counter()
        for _ in range(count - 1):
            llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(next_token, 1))
            next_token[0] = llama_cpp.llama_sampler_sample(self._sampler, self.context, -1)
        return (count - 1) / (time.perf_counter() - began)


def serve_bare_loop(model: Path) -> None:
    """Run once for every line of stdin."""
    loop = BareLoop(model)
    for _ in sys.stdin:
        print(loop.run(TOKENS), flush=True)


def prompt(text: str) -> tuple[Part, ...]:
    return (Part("prefix", "bench.py", (text,)),)


def milliseconds(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 2)
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }


if __name__ == "__main__":
    main()
