"""Writes a GGUF of a real model's shape with random weights, quantised as llama.cpp's Q4_K_M would be.

    python tests/benchmarks/random_model.py /tmp/mellum-4b-shape.gguf      # Mellum-4b: 30 layers, 2.3 GB

It says nothing sensible, but takes the time and the memory of the real one, without a download.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mellum_lsp.diagnosis.random_model import Shape, write_random_model

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    parser.add_argument("--layers", type=int, default=Shape.layers)
    parser.add_argument("--feed-forward", type=int, default=Shape.feed_forward)
    parser.add_argument("--kind", choices=["Q4_0", "Q4_K_M", "Q8_0"], default="Q4_K_M")
    arguments = parser.parse_args()
    shape = Shape(layers=arguments.layers, feed_forward=arguments.feed_forward)
    print(write_random_model(arguments.path, shape, kind=arguments.kind))
