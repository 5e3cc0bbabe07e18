"""``mellum-lsp protocol``: recordings played again, and checks of servers and editors, for plugin authors."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mellum_lsp.cli.output import Failure, json_option, print_json

if TYPE_CHECKING:
    from mellum_lsp.conformance.checks import Check, Outcome
    from mellum_lsp.conformance.editors import Finding
    from mellum_lsp.conformance.recordings import Session
    from mellum_lsp.conformance.replay import Report

_RECORDING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def protocol() -> None:
    """Record, replay and check what editors and servers say to each other.

    Example: mellum-lsp protocol check -- mellum-lsp serve --model scripted:{script}
    """


@protocol.command()
@click.argument("recording", type=_RECORDING)
@click.argument("command", nargs=-1)
@click.option("--model", help="A name, a .gguf or scripted:FILE; without it, the one of the recording.")
@click.option("--session", "session_id", help="Of a recording that holds several; without it, the last.")
@click.option("--real-time", is_flag=True, help="Keep the pauses between messages.")
@json_option
def replay(
    recording: Path,
    command: tuple[str, ...],
    model: str | None,
    session_id: str | None,
    real_time: bool,
    as_json: bool,
) -> None:
    """Play the editor's side of RECORDING against a fresh server and show where it answers differently.

    The server is this installation's own, or what COMMAND starts. Ids, process ids and times are not
    compared. Exit code 1 where an answer differs.

    Example: mellum-lsp protocol replay session.jsonl --model scripted:answers.json
    """
    session = _session(recording, session_id)
    begun = time.perf_counter()
    try:
        report = asyncio.run(_replay(session, command, model or session.begin.get("model"), real_time))
    except OSError as error:
        raise Failure(f"the server cannot be started: {error}") from error
    if as_json:
        print_json(_report_document(session, report, time.perf_counter() - begun))
    else:
        _print_report(session, report)
    raise SystemExit(0 if report.is_same else 1)


def _session(recording: Path, session_id: str | None) -> Session:
    from mellum_lsp.conformance.recordings import RecordingError, chosen, read_recording

    try:
        return chosen(read_recording(recording), session_id)
    except RecordingError as error:
        raise Failure(str(error)) from error


async def _replay(session: Session, command: Sequence[str], model: str | None, real_time: bool) -> Report:
    from mellum_lsp.conformance.processes import own_server, server_process
    from mellum_lsp.conformance.replay import replay

    command = command or own_server(*(["--model", model] if model else []))
    with tempfile.TemporaryDirectory(prefix="mellum-lsp-replay-", ignore_cleanup_errors=True) as folder:
        # What the user has accepted so far must neither count here nor be added to.
        environment = {**os.environ, "XDG_STATE_HOME": folder}
        async with server_process(command, environment=environment) as (client, process):
            report = await replay(session, client, real_time=real_time)
            await asyncio.wait_for(process.wait(), client.patience_seconds)
    return report


def _report_document(session: Session, report: Report, seconds: float) -> dict[str, Any]:
    return {
        "session": session.id,
        "client": session.client,
        "same": report.is_same,
        "answers": report.answers,
        "differences": [
            {
                "id": one.id,
                "method": one.method,
                "at": one.at,
                "recorded": one.recorded,
                "replayed": one.replayed,
            }
            for one in report.differences
        ],
        "violations": report.violations,
        "seconds": round(seconds, 3),
    }


def _print_report(session: Session, report: Report) -> None:
    colours = {"-": "red", "+": "green", "@": "cyan"}
    for one in report.differences:
        click.secho(f"{one.method} (id {one.id}, after {one.at:.3f} s)", bold=True)
        for line in one.lines():
            click.secho(f"  {line}", fg=colours.get(line[:1]))
    for violation in report.violations:
        click.secho(violation, fg="red")
    differ = len(report.differences)
    verdict = f"{differ} differ" if differ else "all the same"
    click.echo(f"{session.client}: {report.answers} answers, {verdict}")


@protocol.command()
@click.argument("command", nargs=-1)
@click.option("--only", multiple=True, metavar="NAME", help="Make only this check (may be repeated).")
@click.option("--lsp", "lsp_only", is_flag=True, help="Only what LSP demands, not what this project adds.")
@click.option("--stderr", "show_stderr", is_flag=True, help="Show what the server writes to standard error.")
@json_option
def check(
    command: tuple[str, ...], only: tuple[str, ...], lsp_only: bool, show_stderr: bool, as_json: bool
) -> None:
    """Check that the server which COMMAND starts keeps the promises of the protocol.

    {script} in COMMAND stands for a script of answers; without it, what needs known answers is skipped.
    Without a COMMAND this installation's own server is checked. Exit code 1 where a check fails.

    Example: mellum-lsp protocol check -- mellum-lsp serve --model scripted:{script}
    """
    from mellum_lsp.conformance.checks import CHECKS

    if unknown := set(only) - {one.name for one in CHECKS}:
        known = ", ".join(one.name for one in CHECKS)
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: there are {known}", param_hint="--only")
    checks = [one for one in CHECKS if one.name in only or not only]
    checks = [one for one in checks if one.promise == "lsp" or not lsp_only]
    try:
        outcomes = asyncio.run(_check(command, checks, show_stderr, quiet=as_json))
    except OSError as error:
        raise Failure(f"the server cannot be started: {error}", "check the command behind --") from error
    counts = Counter(outcome.result for outcome in outcomes)
    if as_json:
        print_json({**counts, "checks": [_outcome_document(outcome) for outcome in outcomes]})
    else:
        click.echo(", ".join(f"{number} {result}" for result, number in counts.items()))
    raise SystemExit(1 if counts["failed"] else 0)


async def _check(
    command: Sequence[str], checks: Sequence[Check], show_stderr: bool, *, quiet: bool
) -> list[Outcome]:
    from mellum_lsp.conformance.checks import SCRIPT, Peer, Subject, run
    from mellum_lsp.conformance.processes import own_server, server_process

    command = command or own_server("--model", "scripted:{script}")
    with tempfile.TemporaryDirectory(prefix="mellum-lsp-check-", ignore_cleanup_errors=True) as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps(SCRIPT), encoding="utf-8")
        started = [part.replace("{script}", str(script)) for part in command]
        environment = {**os.environ, "XDG_STATE_HOME": folder}
        stderr = None if show_stderr else asyncio.subprocess.DEVNULL

        @asynccontextmanager
        async def start() -> AsyncIterator[Peer]:
            async with server_process(started, environment=environment, stderr=stderr) as (client, process):
                yield Peer(client, process.wait)

        outcomes = []
        async for outcome in run(Subject(start, scripted=started != list(command)), checks):
            outcomes.append(outcome)
            if not quiet:
                _print_outcome(outcome)
    return outcomes


def _print_outcome(outcome: Outcome) -> None:
    sign, colour = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "yellow")}[
        outcome.result
    ]
    click.echo(f"{click.style(sign, fg=colour)} {outcome.check.name}: {outcome.check.title}")
    if outcome.message:
        click.secho(f"    {outcome.message}", fg=colour)


def _outcome_document(outcome: Outcome) -> dict[str, str]:
    one = outcome.check
    return {
        "name": one.name,
        "title": one.title,
        "promise": one.promise,
        "result": outcome.result,
        "message": outcome.message,
    }


@protocol.command()
@click.argument("recording", type=_RECORDING)
@click.option("--session", "session_id", help="Of a recording that holds several; without it, the last.")
@json_option
def editor(recording: Path, session_id: str | None, as_json: bool) -> None:
    """Tell how the editor of RECORDING keeps the promises of the protocol.

    Record it while you accept, take in parts, dismiss, type through, undo and save:
    mellum-lsp serve --model scripted:FILE --record RECORDING. Exit code 1 where a promise was broken.

    Example: mellum-lsp protocol editor session.jsonl
    """
    from mellum_lsp.conformance.editors import judge

    session = _session(recording, session_id)
    findings = judge(session, recording.stat().st_mtime)
    failed = any(finding.result == "failed" for finding in findings)
    if as_json:
        print_json(
            {"client": session.client, "session": session.id, "passed": not failed, "findings": findings}
        )
    else:
        click.secho(session.client, bold=True)
        for finding in findings:
            _print_finding(finding)
    raise SystemExit(1 if failed else 0)


def _print_finding(finding: Finding) -> None:
    sign, colour = {"passed": ("✓", "green"), "failed": ("✗", "red"), "not seen": ("–", "yellow")}[
        finding.result
    ]
    seen = f" ({finding.seen} times)" if finding.seen else " (not seen)"
    optional = ", optional" if finding.optional and not finding.seen else ""
    click.echo(f"{click.style(sign, fg=colour)} {finding.name}: {finding.title}{seen}{optional}")
    if finding.message:
        click.secho(f"    {finding.message}", fg=colour)
