"""``python -m mellum_lsp``: the same as the console script ``mellum-lsp``."""

from mellum_lsp.cli import main

main()
