"""A report as one HTML file that works offline: headings, text, tables and inlined plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: left; }
th { background: var(--soft); } td.number { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0; background: #fff; display: inline-block; max-width: 100%; border-radius: 4px; }
figure svg { max-width: 100%; height: auto; } figcaption { color: #444; padding: 0 1rem .6rem; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; border-radius: 4px; }
"""


class Page:
    """Add things from top to bottom, then ask for the ``html``."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts = [f"<h1>{escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> None:
        self._parts.append(f"<p>{escape(text)}</p>")

    def items(self, texts: Iterable[str]) -> None:
        self._parts.append("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>")

    def code(self, text: str) -> None:
        self._parts.append(f"<pre>{escape(text)}</pre>")

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Cells that begin like a number stand to the right."""
        head = "".join(f"<th>{escape(header)}</th>" for header in headers)
        body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def figure(self, svg: str, caption: str) -> None:
        """An SVG image as `mellum_lsp.bench.plots` makes it, inlined."""
        self._parts.append(f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>")

    @property
    def html(self) -> str:
        body = "\n".join(self._parts)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(self._title)}</title>"
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
            f"<body>\n{body}\n</body></html>\n"
        )


def _cell(text: str) -> str:
    numeric = text[:1].isdigit() or text[:1] in "+-−"
    return f'<td class="number">{escape(text)}</td>' if numeric else f"<td>{escape(text)}</td>"
