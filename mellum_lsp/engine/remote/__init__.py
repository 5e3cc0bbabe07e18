"""An engine on another machine, behind the ``/v1/completions`` of vLLM or of llama.cpp's server."""
