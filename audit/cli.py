"""Commands and exit codes: 0 PASS, 1 FAIL, 2 usage, 3 INCONCLUSIVE or NOT-ESTIMABLE, 4 an error of ours."""

from __future__ import annotations

import datetime as dt
import json
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="jax-audit",
    help="Audit a JAX/Flax model: robustness, fairness, explanation and calibration, judged on intervals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key, as a.b=c.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the verdict alone.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
Unverified = Annotated[
    bool, typer.Option("--unverified", help="Let a bare record, which no manifest vouches for, exit 0.")
]


@app.command()
def run(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or a shipped name: quickstart.")
    ],
    set_: Set = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs; by default runs/ here.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Smaller budgets; the verdict can't be PASS.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Redo what earlier runs have finished.")] = False,
    time_budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="Begin no check or attack stage after this; unfinished can't PASS.",
        ),
    ] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Audit what CONFIG names and exit with the verdict: 0 PASS, 1 FAIL, 3 undecided."""
    from audit import screen, supervised

    ended = supervised.run(
        config,
        tuple(set_ or ()),
        out=out,
        quick=quick,
        reuse=not fresh,
        silent=quiet or json_,
        time_budget=time_budget,
    )
    if ended.record is None or ended.folder is None:
        screen.error(ended.says)
        raise typer.Exit(ended.code)
    record, folder = ended.record, ended.folder
    if json_:
        print(screen.as_json(record, record.decisions, record.verdict, ended.code, folder))
    else:
        _summary(record, quiet)
        pages = sorted(folder.glob("report.html"))
        screen.OUT.print(f"{'report' if pages else 'record'}: {(pages or [folder])[0]}", markup=False)
    raise typer.Exit(ended.code)


@app.command()
def plan(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or a shipped name: quickstart.")
    ],
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Say before training what each rule of CONFIG's policy could show with the test rows there are."""
    from audit import screen
    from audit.config import load

    loaded = load(config, tuple(set_ or ()))
    from audit.plan import plan as make
    from audit.plan import text

    made = make(loaded)
    if json_:
        print(made.model_dump_json(indent=1))
    else:
        screen.OUT.print(text(made), markup=False)


@app.command()
def gate(
    run: Run,
    policy: Annotated[str | None, typer.Option(help="Another policy: a shipped name or a file.")] = None,
    unverified: Unverified = False,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Judge a stored record again, under its own policy or another, and exit with the verdict."""
    from audit import gate as judge
    from audit import gate_again, ledger, screen
    from audit.opening import open_run
    from audit.policies import load_policy

    record = open_run(run, unverified=True)
    rules = load_policy(policy, Path.cwd()) if policy else record.policy
    asked = [rule.name for rule in rules.rules]
    known = {rule.check: asked for rule in rules.rules} | dict.fromkeys(rules.requires, asked)
    judge.refuse(rules, known)  # what was not measured: NOT-ESTIMABLE
    today = dt.datetime.now(dt.UTC).date()
    doubts, earlier = ledger.judged_again(record, rules)
    record = gate_again.judged(record, rules, today, doubts)
    counted = record.volatile.model_copy(update={"earlier_judgements": earlier})
    record = record.model_copy(update={"volatile": counted})
    if record.unverified and not unverified and record.exit_code == 0:
        record = record.model_copy(update={"exit_code": 3})
        screen.note(f"{run} is a bare record, not verified: exit code 3, never 0, without --unverified")
    if json_:
        print(screen.as_json(record, record.decisions, record.verdict, record.exit_code, run))
    else:
        _summary(record, quiet)
    raise typer.Exit(record.exit_code)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="The earlier run: what was there.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="The later run: better or worse?")],
    unverified: Unverified = False,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Say what got better or worse from one stored run to another.

    Exit code 1 when a measure with a blocking rule is significantly worse, 3 when one cannot be compared, else 0.
    """
    from audit import compare_words, row_outcomes, screen
    from audit.compare import compare as between
    from audit.opening import open_run

    a, b = (open_run(run, unverified=True) for run in (first, second))
    rows = row_outcomes.read(first, a), row_outcomes.read(second, b)
    found = between(a, b, *rows, unverified=unverified)
    for run, record in ((first, a), (second, b)):
        if record.unverified and not unverified:
            screen.note(f"{run} is a bare record, not verified: never exit code 0 without --unverified")
    if json_:
        print(found.model_dump_json(indent=1))
    else:
        text = compare_words.text(found)
        screen.show(text.splitlines()[0] if quiet else text)
    raise typer.Exit(found.exit_code)


@app.command()
def report(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="Where to write; by default into the run folder.")] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="html, markdown, sarif, junit, model_card, cyclonedx, intoto, csv or parquet.",
        ),
    ] = "html",
    audience: Annotated[
        str | None, typer.Option(help="A page for one reader alone: executive, regulator or engineer.")
    ] = None,
) -> None:
    """Rebuild a report or an export from a stored record, byte for byte."""
    from audit import rendering, screen, store
    from audit.opening import open_run

    name, render = rendering.chosen(format_, audience)
    record = open_run(run, unverified=True)
    target = out or (run if run.is_dir() else run.parent) / name
    store.replace(target, render(record))
    screen.OUT.print(str(target), markup=False)
    if record.unverified:
        screen.note(f"{run} is a bare record, not verified, and the page says so")


@app.command()
def verify(
    run: Run,
    key: Annotated[
        Path | None, typer.Option(help="An Ed25519 public key (PEM): the run must be signed by it.")
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=SHA", help="What it must be about: model, data, test, policy or record."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Check every digest of a run folder and judge its numbers again; exit 1 with what differs, by name."""
    from audit import expected, manifest, screen, signing
    from audit.verify import verify as check

    wanted = expected.parsed(expect or ())
    found = check(run)
    problems = [f"CHANGED {problem}" for problem in found.problems]
    if found.record:
        signed = signing.problems(run, found.record, key) if key else []
        problems += [f"CHANGED {problem}" for problem in signed]
        problems += [f"ANOTHER {problem}" for problem in expected.problems(found.record, wanted)]
    for problem in problems:
        screen.OUT.print(problem, markup=False)
    if not problems and not quiet and found.record:
        sealed = (run / manifest.SIGNATURE).exists()
        how = f"signed with {key}" if key else "signature not checked: give --key" if sealed else "not signed"
        screen.OUT.print(f"as written: {found.files:,} files, {how}", markup=False)
        for name, digest in expected.digests(found.record).items():
            screen.OUT.print(f"  {name}={digest or 'none'}", markup=False)
    raise typer.Exit(1 if problems else 0)


@app.command()
def sign(
    run: Run,
    key: Annotated[Path, typer.Option(help="An Ed25519 private key (PEM), not encrypted.")],
) -> None:
    """Sign a run folder as it was written: a DSSE envelope over an in-toto statement about its files."""
    from audit import manifest, screen, signing, store
    from audit.errors import StoreError
    from audit.verify import verify as check

    found = check(run)
    if found.problems or found.record is None:
        raise StoreError(f"{run}: {found.problems[0]}", "a run as it was written", "see jax-audit verify")
    store.replace(run / manifest.SIGNATURE, signing.sign(run, found.record, key))
    screen.OUT.print(str(run / manifest.SIGNATURE), markup=False)


@app.command("list")
def list_() -> None:
    """List the checks and what each measures, and the remedies."""
    from audit import screen
    from audit.registry import checks
    from audit.remedies import remedies

    for name, check in checks().items():
        measures = ", ".join(m.name for m in check.measures)
        screen.OUT.print(f"{name:26} {check.title}\n{'':26} measures: {measures}", markup=False)
    for name, remedy in remedies().items():
        screen.OUT.print(f"{name:26} {remedy.title} (a remedy)", markup=False)


@app.command()
def explain(name: Annotated[str, typer.Argument(metavar="CHECK|MEASURE")]) -> None:
    """Explain a check (what it does, its options) or a measure (what it means, its interval)."""
    from audit import explanations, screen

    screen.OUT.print(explanations.text(name), markup=False)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="Write to a file instead of standard output.")] = None,
) -> None:
    """Print the JSON Schema of a configuration, for editors to complete and check it."""
    from audit import screen, store
    from audit.config import schema as build

    text = json.dumps(build(), indent=1, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
    else:
        store.replace(out, text.encode())
        screen.OUT.print(str(out), markup=False)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    print(f"jax-audit {installed('jax-audit')}")


def main() -> None:
    """Run the command line; every mistake of the user's is one line and exit code 2, ours is 4."""
    from audit.errors import AuditError
    from audit.guard import guard

    try:
        guard()
        app()
    except AuditError as error:
        _fail(str(error), 2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(4)
    except Exception:  # noqa: BLE001  (the last resort: fail closed, with the traceback for us)
        traceback.print_exc()
        _fail("this is an error of jax-audit, not yours; nothing was judged", 4)


def _summary(record: object, quiet: bool) -> None:
    """Print the verdict, and unless quiet every decision."""
    from audit import screen
    from reports.summary import summary

    text = summary(record)  # type: ignore[arg-type]
    screen.show(text.splitlines()[0] if quiet else text)


def _fail(message: str, code: int) -> None:
    """Print one line and leave."""
    from audit import screen

    screen.error(message)
    sys.exit(code)
