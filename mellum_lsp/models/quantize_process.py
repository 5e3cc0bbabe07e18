"""The quantiser's own process: ``python -m mellum_lsp.models.quantize_process SOURCE TARGET KIND THREADS``.

Prints ``DONE/TOTAL`` for each tensor, and what llama.cpp logs otherwise; exit code 0 when the file is whole.
"""

from __future__ import annotations

import ctypes
import re
import sys

_WARNING, _ERROR = 3, 4
"""ggml's log levels; the bindings do not name them."""
_TENSOR = re.compile(r"\[\s*(\d+)\s*/\s*(\d+)\s*\]")


def main(source: str, target: str, kind: str, threads: str) -> int:
    import llama_cpp

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def log(level: int, text: bytes, _: ctypes.c_void_p) -> None:
        line = text.decode("utf-8", errors="replace").rstrip("\n")
        tensor = _TENSOR.search(line)
        if tensor:
            print(f"{tensor[1]}/{tensor[2]}", flush=True)
        elif level in (_WARNING, _ERROR):
            print(line, flush=True)

    llama_cpp.llama_log_set(log, ctypes.c_void_p(0))
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    parameters.nthread = int(threads)
    parameters.allow_requantize = True  # the hub's files are Q8_0: nothing better is to be had
    return int(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
