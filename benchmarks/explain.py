"""Time this suite's attributions beside captum's and shap's: same weights, rows, background and budgets.

    python -m benchmarks.explain --peers-python PEERS/bin/python [--threads 1] [--rows 1000] [--repeats 3]

The peers live in an environment of their own: benchmarks/requirements-peers.txt. Each side is one process, pinned to
its threads, asked in turn with the other; a first call is apart (it compiles). Shapley values of a perceptron of 3 x
128 units, trained on a function with interactions, are compared by their root mean squared error from the exact
values (12 columns), or from a long run with another seed (100 columns), on fewer rows, since exact values cost 2^12
coalitions; integrated gradients by their largest difference from captum's at the same points. CPU seconds are those
of the process. Prints one JSON object a line and ends with Markdown tables; exits with 1 where the integrated
gradients or Grad-CAM of more than one row in 100 differ from captum's by more than 1e-4: rounding puts a ReLU near its
kink on either side of it, and that moves one of the row's 64 gradients.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.children import Child, PeerFailed
from benchmarks.peers.explained import digits_job, table_job

SAME = 1e-4  # largest difference of a row's values from captum's
KINKS = 0.01  # share of rows that may differ more
POINTS = 64  # of integrated gradients
BACKGROUND = 100
JUDGED = {12: 50, 100: 10}  # columns: rows whose Shapley values are compared
PERMUTATIONS = {
    12: (1, 10, 20),
    100: (1, 5, 10),
}  # columns: of shap, whose default is 20 at 12 columns, 2 at 100
SAMPLED = {12: 512, 100: 2048}  # columns: coalitions or draws of shap's Kernel and Sampling explainers
Row = dict[str, Any]
Ask = tuple[str, str, dict[str, Any]]  # who, what it is called, how


def asked(child: Child, folder: Path, method: str, rows: int, how: dict[str, Any], repeats: int) -> Row:
    """Return the medians of a child's answers, its first call's seconds beyond them, and its values."""
    answer, found = folder / f"{child.name}.npy", []
    for _ in range(repeats + 1):
        found.append(child.ask(do="run", method=method, rows=rows, how=how, answer=str(answer)))
    timed = found[1:] or found
    cpu, wall = (statistics.median(a[name] for a in timed) for name in ("cpu", "wall"))
    spread = [a["cpu"] for a in timed]
    row = {"rows": rows, "cpu": cpu, "wall": wall, "first": found[0]["cpu"] - cpu, "all_cpu": spread}
    return {**row, "evaluations": found[-1]["evaluations"] / rows, "values": np.load(answer)}


def shapley_rows(
    ours: Child, peer: Child | None, folder: Path, d: int, o: argparse.Namespace
) -> Iterator[Row]:
    """Yield a row a method: its error from the reference on a few rows, evaluations and CPU seconds a row."""
    judged = min(JUDGED[d], o.rows)
    long = (
        {"exact_up_to": 12} if d <= 12 else {"rounds": 64, "target_error": 0.0, "exact_up_to": 1, "seed": 9}
    )
    truth = asked(ours, folder, "shapley", judged, long, 0)
    size = float(np.sqrt((truth["values"] ** 2).mean()))
    kind = "exact" if d <= 12 else "64 rounds, another seed"
    yield {"work": f"Shapley, d={d}", "of": f"jax-audit, {kind}", "error": 0.0, **_plain(truth)}
    sampled = {"target_error": 0.0, "exact_up_to": 1}
    asks: list[Ask] = [("ours", f"jax-audit, {r} rounds", {"rounds": r, **sampled}) for r in (1, 2, 4)]
    if peer is not None:
        for count in PERMUTATIONS[d]:
            how = {"explainer": "permutation", "permutations": count}
            asks.append(("peer", f"shap Permutation, {count} permutations", how))
        for explainer in ("kernel", "sampling"):
            how = {"explainer": explainer, "samples": SAMPLED[d]}
            asks.append(("peer", f"shap {explainer.capitalize()}, {SAMPLED[d]} samples", how))
    for who, name, how in asks:
        child = ours if who == "ours" else peer
        assert child is not None
        found = asked(child, folder, "shapley", judged, how, o.repeats)
        error = float(np.sqrt(((found["values"] - truth["values"]) ** 2).mean())) / size
        yield {"work": f"Shapley, d={d}", "of": name, "error": error, **_plain(found)}
    if d > 12:
        return
    whole = asked(ours, folder, "shapley", o.rows, {"rounds": 1, **sampled}, 1)
    yield {"work": f"Shapley, d={d}", "of": "jax-audit, 1 rounds, all rows", "error": None, **_plain(whole)}


def gradient_rows(
    ours: Child, peer: Child | None, folder: Path, name: str, o: argparse.Namespace
) -> Iterator[Row]:
    """Yield integrated gradients (and Grad-CAM of images) of both sides at the same points, and our adaptive ones."""
    fixed = {"steps": POINTS, "most": POINTS, "tolerance": 1.0}
    pairs = [("integrated", f"Integrated gradients, {name}", fixed, {"n_steps": POINTS})]
    if name == "digits":
        pairs.append(("grad_cam", "Grad-CAM, digits", {}, {}))
    for method, work, how, theirs in pairs:
        own = asked(ours, folder, method, o.rows, how, o.repeats)
        yield {"work": work, "of": "jax-audit", "difference": None, **_plain(own)}
        if method == "integrated":
            adaptive = asked(ours, folder, method, o.rows, {}, o.repeats)
            yield {
                "work": work,
                "of": "jax-audit, as many points as needed (1 %)",
                "difference": None,
                **_plain(adaptive),
            }
        if peer is not None:
            found = asked(peer, folder, method, o.rows, theirs, o.repeats)
            apart = np.abs(found["values"] - own["values"]).reshape(o.rows, -1).max(axis=1)
            told = {"difference": float(apart.max()), "other": int((apart > SAME).sum())}
            yield {"work": work, "of": "captum", **told, **_plain(found)}


def table(rows: list[Row]) -> list[str]:
    """Return every row, with its CPU seconds and evaluations over those of the first of its work that is ours."""
    heads = ["work", "method", "rows", "relative RMSE", "largest difference", "rows over 1e-4"]
    heads += ["evaluations a row"]
    heads += ["CPU ms a row (range)", "CPU / ours", "first call, more CPU s"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        own = next(
            r for r in rows if r["work"] == row["work"] and r["of"] in ("jax-audit", "jax-audit, 1 rounds")
        )
        each, base = row["cpu"] / row["rows"], own["cpu"] / own["rows"]
        span = [1000 * c / row["rows"] for c in row["all_cpu"] or [row["cpu"]]]
        cells = [
            row["work"],
            row["of"],
            row["rows"],
            _number(row.get("error")),
            _number(row.get("difference")),
            row.get("other", ""),
        ]
        cells += [f"{row['evaluations']:,.0f}", f"{1000 * each:.3g} ({min(span):.3g} to {max(span):.3g})"]
        cells += [f"{each / base:.2f}", f"{row['first']:.1f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _plain(row: Row) -> Row:
    """Return a row without its values."""
    return {name: value for name, value in row.items() if name != "values"}


def _number(value: float | None) -> str:
    """Return a number for a table's cell, nothing where there is none."""
    return "" if value is None else f"{value:.2g}"


def _child(
    stack: ExitStack, name: str, python: str | None, module: str, job: Path, threads: int
) -> Child | None:
    """Return a live process, or say in one line why there is none."""
    if python is None:
        return None
    try:
        child = Child(name, python, module, job, threads)
    except PeerFailed as error:
        print(error, flush=True)
        return None
    stack.callback(child.close)
    print(json.dumps({"process": name, **child.hello}), flush=True)
    return child


def main() -> int:
    """Print what was measured; return 1 where results differ from captum's."""
    import sys

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers-python")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder", default="runs/benchmark-explain", help="where the digits' network is kept"
    )
    parser.add_argument("--work", nargs="*", default=["12", "100", "digits"], choices=["12", "100", "digits"])
    o = parser.parse_args()
    rows: list[Row] = []
    for name in o.work:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            job = folder / "job.npz"
            if name == "digits":
                digits_job(job, o.rows, Path(o.folder))
            else:
                table_job(job, int(name), o.rows, BACKGROUND)
            ours = _child(stack, "ours", sys.executable, "benchmarks.peers.explain_ours", job, o.threads)
            peer = _child(stack, "peers", o.peers_python, "benchmarks.peers.explain_torch", job, o.threads)
            assert ours is not None
            made = [gradient_rows(ours, peer, folder, name if name == "digits" else f"d={name}", o)]
            made += [] if name == "digits" else [shapley_rows(ours, peer, folder, int(name), o)]
            for row in (row for each in made for row in each):
                print(json.dumps(row), flush=True)
                rows.append(row)
    print("\n" + "\n".join(table(rows)))
    return 1 if any(row.get("other", 0) > KINKS * row["rows"] for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
