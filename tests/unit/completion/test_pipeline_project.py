"""A real index under the pipeline: what becomes of plans when the project changes, and what typing costs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from prompt.carets import typed

from mellum_lsp.completion.outcome import Explanation
from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.plans import REST_SECONDS
from mellum_lsp.domain import Chunk, prompt_text
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.engine.scripted import Pause, Script, ScriptedEngine
from mellum_lsp.retrieval.project import ProjectIndex

from .golden import caret_in
from .pipeline_lab import Make, interactive, until

TAX = """def tax_rate(country):
    rates = load_rates(country)
    return rates[country]
"""
SHOP = """from tax import tax_rate


def total_price(net, country):
    rates = load_rates(country)
    return net * $0
"""
INVOICE = """def send_invoice(invoice, customer):
    invoice.customer = customer
    invoice.address = customer.address
    invoice.order.invoice = invoice
    return invoice.send(customer.address)
"""
TWO_PLACES = """def total_price(net, country):
    rates = load_rates(country)
    net = abs(net)
    return net * $0


def finish(order):
    order.close()
    invoice = order.invoice
    customer = order.customer
    $0
    invoice.address = customer.address
    return invoice
"""
WITHIN_SECONDS = 1.0
"""What the project's state may lag behind in a plan."""


class OnlyInFull(ProjectIndex):
    """A project whose chunks cannot be compressed, so that they compete for room."""

    def compressed(self, chunk: Chunk) -> None:
        return None


def silent(request: GenerateRequest) -> Script:
    """A model that never says anything worth keeping, so that every keystroke asks it again."""
    return [("qqqq", 0.01)] if request.max_tokens else ""


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(silent)


@pytest.fixture
def index() -> ProjectIndex:
    index = ProjectIndex()
    index.add("tax.py", TAX)
    return index


@pytest.fixture
def context_in_small_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts in which a few short files compete for the room."""
    monkeypatch.setattr("mellum_lsp.prompt.budget._FEWEST_TOKENS_WITH_CONTEXT", 120)


def paths(explanation: Explanation) -> list[str]:
    """The files of the prompt's context, in its order."""
    return [part.path for part in explanation.parts if part.kind == "context"]


def warmed(engine: ScriptedEngine) -> str:
    """The prompt that was evaluated in the background last."""
    background = [one for one in engine.generations if not one.request.max_tokens and one.ended]
    return prompt_text(background[-1].request.parts) if background else ""


class TestWhileTheCaretStandsStill:
    async def test_a_new_file_is_taken_up_behind_what_is_held(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        completer, caret = make(engine, index), caret_in(SHOP)
        await completer.warm(caret)
        assert "<filename>tax.py" in warmed(engine)
        index.add("rates.py", "def load_rates(country):\n    return RATES[country]\n")
        await until(lambda: "<filename>rates.py" in warmed(engine), WITHIN_SECONDS)
        assert paths(await completer.explain(caret)) == ["tax.py", "rates.py"]

    async def test_what_is_new_costs_only_what_stands_behind_it(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        completer, caret = make(engine, index), caret_in(SHOP)
        before = await completer.explain(caret)
        index.add("rates.py", "def load_rates(country):\n    return RATES[country]\n")
        after = await completer.explain(caret)
        tokens = {part.path: part.tokens for part in after.parts if part.kind == "context"}
        assert paths(before) == ["tax.py"]
        assert after.tokens.reused >= tokens["tax.py"]

    async def test_a_removed_file_is_dropped(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        completer, caret = make(engine, index), caret_in(SHOP)
        await completer.warm(caret)
        assert "def tax_rate" in warmed(engine)
        index.remove("tax.py")
        await until(lambda: "def tax_rate" not in warmed(engine), WITHIN_SECONDS)
        explanation = await completer.explain(caret)
        assert (paths(explanation), explanation.chunks) == ([], ())

    async def test_a_changed_file_is_shown_as_it_is_now(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        completer, caret = make(engine, index), caret_in(SHOP)
        await completer.warm(caret)
        index.add("tax.py", "\n\n" + TAX.replace("rates[country]", "rates[country.code]"))
        await until(lambda: "country.code" in warmed(engine), WITHIN_SECONDS)
        explanation = await completer.explain(caret)
        assert "return rates[country]\n" not in explanation.prompt
        assert [(one.chunk.path, one.chunk.start_line) for one in explanation.chunks] == [("tax.py", 3)]

    async def test_lines_that_merely_moved_cost_nothing(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        completer, caret = make(engine, index), caret_in(SHOP)
        await completer.warm(caret)
        index.add("tax.py", "\n\n" + TAX)
        explanation = await completer.explain(caret)
        assert explanation.tokens.evaluated == 1
        assert len(engine.generations) == 2

    @pytest.mark.usefixtures("context_in_small_prompts")
    async def test_something_clearly_better_gets_a_plan_of_its_own(self, make: Make) -> None:
        """The budget has no room for both."""
        engine = ScriptedEngine(silent, context_tokens=400)
        index = OnlyInFull()
        index.add("far/notes.py", "def notes(country):\n    net = 0\n" + "    spare = net\n" * 25)
        completer, caret = make(engine, index, context_tokens=200), caret_in(SHOP)
        assert paths(await completer.explain(caret)) == ["far/notes.py"]
        index.add("tax.py", TAX)
        assert paths(await completer.explain(caret)) == ["tax.py"]

    async def test_nobody_is_shown_what_is_gone_while_the_new_prompt_is_evaluated(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        completer, caret = make(engine, index), caret_in(SHOP)
        await completer.warm(caret)
        index.remove("tax.py")
        await asyncio.sleep(0.3)  # no evaluation, however slow, may keep it longer
        await completer.complete(typed(caret, "t"))
        assert "def tax_rate" not in prompt_text(interactive(engine)[-1].request.parts)

    async def test_another_document_is_brought_up_to_date_when_it_is_asked_for_again(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        completer, caret = make(engine, index), caret_in(SHOP)
        other = replace(caret_in("import os\n\nos.$0\n"), path="other.py", document="other")
        await completer.warm(caret)
        await completer.warm(other)
        index.remove("tax.py")
        await completer.complete(caret)
        assert "def tax_rate" not in prompt_text(interactive(engine)[-1].request.parts)


async def test_what_does_not_fit_in_full_is_shown_compressed(make: Make) -> None:
    engine, index = ScriptedEngine(silent), ProjectIndex()
    body = "".join(f"        country = self.step_{number}(country)\n" for number in range(45))
    index.add("rates.py", f"class Rates:\n    def load_rates(self, country):\n{body}")
    caret = caret_in(SHOP)
    (chunk,) = (await make(engine, index, context_tokens=1000).explain(caret)).chunks
    assert (chunk.whole, "step_44" in chunk.chunk.text) == (None, True)
    explanation = await make(engine, index, context_tokens=520).explain(caret)
    (chunk,) = explanation.chunks
    assert chunk.whole and "step_44" in chunk.whole.text
    assert "<filename>rates.py\nclass Rates:\n    def load_rates(self, country): ...\n<" in explanation.prompt


class TestWhileTheUserTypes:
    LINE = 'net * (1 + tax_rate(country)["full"][0])'

    async def cost_of(self, completer: Completer, engine: ScriptedEngine, index: ProjectIndex) -> list[int]:
        """The tokens evaluated for each keystroke: its request, and all background work since the last.

        The document goes into the index as it is typed, as a server does it.
        """
        caret = caret_in(SHOP)
        await completer.warm(caret)
        known, costs = len(engine.generations), []
        for length in range(1, len(self.LINE) + 1):
            now = typed(caret, self.LINE[:length])
            index.add(now.path, now.text)
            await completer.complete(now)
            if length % 10 == 0:
                await asyncio.sleep(2 * REST_SECONDS)  # the background has its turn
            costs.append(sum(one.stats.evaluated_tokens for one in engine.generations[known:]))
            known = len(engine.generations)
        return costs

    async def test_forty_characters_with_the_closers_that_editors_insert_cost_hardly_any_tokens(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        costs = await self.cost_of(make(engine, index), engine, index)
        assert len(costs) == 40
        assert len(interactive(engine)) == 40, "every keystroke asked the model"
        assert sum(costs) / 40 < 4, costs
        assert max(costs) < 8, costs

    async def test_a_file_that_changes_meanwhile_is_taken_up_once(
        self, make: Make, engine: ScriptedEngine, index: ProjectIndex
    ) -> None:
        completer = make(engine, index)
        task = asyncio.create_task(self.cost_of(completer, engine, index))
        await until(lambda: len(interactive(engine)) > 15)
        index.add("rates.py", "def load_rates(country):\n    return RATES[country]\n")
        costs = await task
        assert "<filename>rates.py" in prompt_text(interactive(engine)[-1].request.parts)
        assert len([cost for cost in costs if cost > 8]) == 1

    @pytest.mark.usefixtures("context_in_small_prompts")
    async def test_what_is_typed_does_not_change_the_plan_until_the_line_is_left(
        self, make: Make, engine: ScriptedEngine
    ) -> None:
        index = OnlyInFull()
        index.add_all([("tax.py", TAX), ("invoice.py", INVOICE)])
        completer = make(engine, index, context_tokens=130)
        first, *rest = TWO_PLACES.split("$0")
        here = caret_in(f"{first}$0{''.join(rest)}")
        there = caret_in(f"{first}{rest[0]}$0{rest[1]}")
        await completer.warm(here)
        assert paths(await completer.explain(here)) == ["tax.py"]
        writes_of_invoices = typed(here, "send_invoice(invoice, customer, invoice.address)")
        assert paths(await completer.explain(writes_of_invoices)) == ["tax.py"]
        assert paths(await completer.explain(there)) == ["invoice.py"]


async def test_a_busy_engine_is_not_asked_to_evaluate_what_has_been_replaced(
    make: Make, index: ProjectIndex
) -> None:
    engine = ScriptedEngine(silent, prefill=Pause(30.0))
    completer = make(engine, index)
    warming = asyncio.create_task(completer.warm(caret_in(SHOP)))
    await until(lambda: engine.generations)
    index.add("rates.py", "def load_rates(country):\n    return RATES[country]\n")
    await until(lambda: len(engine.generations) > 1)
    assert engine.generations[0].stats.stop == "aborted"
    assert "<filename>rates.py" in prompt_text(engine.generations[1].request.parts)
    warming.cancel()


@pytest.mark.usefixtures("context_in_small_prompts")
@pytest.mark.parametrize(("room", "context_is_shown"), [(4096, True), (240, False)])
async def test_the_old_prompt_serves_on_where_the_engine_has_room_for_both(
    make: Make, index: ProjectIndex, room: int, context_is_shown: bool
) -> None:
    engine = ScriptedEngine(silent, context_tokens=room)
    completer, caret = make(engine, index, context_tokens=200, max_tokens=20), caret_in(SHOP)
    index.add("rates.py", "def load_rates(country):\n    return RATES[country]\n" + "# more\n" * 12)
    await completer.warm(caret)
    evaluated = asyncio.Event()
    engine.prefill = Pause(evaluated)
    known = len(engine.generations)
    index.add("vat.py", "def vat(net, country):\n    return net * load_rates(country)\n")
    await until(lambda: len(engine.generations) > known)
    request = asyncio.create_task(completer.complete(caret))
    await until(lambda: interactive(engine))
    evaluated.set()
    await request
    prompt = prompt_text(interactive(engine)[0].request.parts)
    assert ("<filename>tax.py" in prompt) == context_is_shown


async def test_budgets_follow_a_speed_that_has_changed(make: Make, index: ProjectIndex) -> None:
    """It was measured while other work kept the machine busy."""
    engine = ScriptedEngine(silent, prefill_tokens_per_second=50)
    index.add("far.py", "def load_rates(country):\n    return net\n" + "    # more\n" * 40)
    completer, caret = make(engine, index), caret_in(SHOP)
    assert paths(await completer.explain(caret)) == []
    engine._loaded = replace(engine.info, prefill_tokens_per_second=900.0)
    far_away = replace(caret, text="\n" * 20 + caret.text, offset=caret.offset + 20)
    assert paths(await completer.explain(far_away)) != []


async def test_a_closed_completer_listens_no_longer(make: Make, engine: ScriptedEngine) -> None:
    index = ProjectIndex()
    completer = make(engine, index)
    await completer.warm(caret_in(SHOP))
    await completer.close()
    known = len(engine.generations)
    index.add("tax.py", TAX)
    await asyncio.sleep(0.05)
    assert len(engine.generations) == known
