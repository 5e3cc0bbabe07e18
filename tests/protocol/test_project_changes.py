"""The real server over a real folder: a file changes on disk, and the plan knows within a second.

Nobody types meanwhile and the caret stands still; `mellum/explain` tells what the prompt holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from lsp_client import LspClient, at, over_stdio
from scripted import scripted

TAX = "def tax_rate(country):\n    return load_rates(country)[country]\n"
SHOP = """from tax import tax_rate


def total_price(net, country):
    rates = load_rates(country)
    return net * $0
"""
WITHIN_SECONDS = 1.0

Explain = Callable[[], Any]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "tax.py").write_text(TAX)
    (folder / "shop.py").write_text(SHOP.replace("$0", ""))
    return folder


@pytest.fixture
async def explain(tmp_path: Path, project: Path) -> AsyncIterator[Explain]:
    """Asks the server about the caret in shop.py, which is open and has been asked for before."""
    silent = scripted(tmp_path, [{"after": "never", "text": "said"}])
    async with over_stdio(tmp_path, "--model", silent) as (client, _):
        await client.initialize(workspaceFolders=[{"uri": project.as_uri(), "name": "project"}])
        uri = (project / "shop.py").as_uri()
        caret = client.open(uri, SHOP)
        await _indexed(client)
        assert await client.inline(uri, caret) == []

        async def explained() -> Any:
            return await client.request("mellum/explain", at(uri, caret))

        assert "def tax_rate" in (await explained())["prompt"]
        yield explained
        await client.end()


async def _indexed(client: LspClient) -> None:
    ready = {"files": 2, "state": "ready"}
    await client.until(
        lambda: any(status["index"].items() >= ready.items() for status in client.received("mellum/status"))
    )


async def soon(explain: Explain, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first explanation that satisfies ``condition``, which must come in time."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        explanation: dict[str, Any] = await explain()
        if condition(explanation):
            return explanation
        assert time.monotonic() < deadline, explanation["prompt"]
        await asyncio.sleep(0.02)


def shown(explanation: dict[str, Any]) -> list[str]:
    """The files of the prompt's context, in its order."""
    paths = [part["path"] for part in explanation["parts"] if part["kind"] == "context"]
    assert set(paths) == {chunk["path"] for chunk in explanation["chunks"]}
    return paths


async def test_the_plan_follows_the_folder(explain: Explain, project: Path) -> None:
    """One server and one caret for all: starting both takes longer than every step."""
    tax, rates = project / "tax.py", project / "rates.py"

    rates.write_text("def load_rates(country):\n    return RATES[country]\n")  # created
    explanation = await soon(explain, lambda seen: "def load_rates" in seen["prompt"])
    assert shown(explanation) == ["tax.py", "rates.py"]

    tax.write_text("import math\n\n\n" + TAX.replace("[country]\n", "[country.code]\n"))  # changed
    explanation = await soon(explain, lambda seen: "country.code" in seen["prompt"])
    assert TAX not in explanation["prompt"]
    assert shown(explanation) == ["tax.py", "rates.py"]

    tax.rename(project / "vat.py")
    explanation = await soon(explain, lambda seen: "<filename>tax.py" not in seen["prompt"])
    assert sorted(shown(await soon(explain, lambda seen: "vat.py" in seen["prompt"]))) == [
        "rates.py",
        "vat.py",
    ]

    rates.unlink()
    explanation = await soon(explain, lambda seen: "def load_rates" not in seen["prompt"])
    assert shown(explanation) == ["vat.py"]

    (project / ".gitignore").write_text("vat.py\n")
    assert shown(await soon(explain, lambda seen: "def tax_rate" not in seen["prompt"])) == []
