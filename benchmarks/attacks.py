"""Time this suite's attacks beside its peers': same weights, images and budgets, one process a library.

    python -m benchmarks.attacks --peers-python PEERS/bin/python [--threads 1 2] [--work pgd autoattack resnet units]

The peers (torchattacks, Foolbox, ART) live in an environment of their own: benchmarks/requirements-peers.txt. Every
process is pinned to its threads before JAX or PyTorch is imported, keeps its network, and is asked in turn with the
others; its first call is apart (it compiles). What comes back is scored by our model in float32: a library whose
robust accuracy is above the lowest by more than one in 500 and two standard errors keeps its time, marked as not
comparable. Passes are counted, ours in a run of their own. On a GPU ours alone runs. Prints one JSON object a line
and ends with Markdown tables; exits with 1 where ours is the one not comparable. Fashion-MNIST needs JAX_AUDIT_DATA.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers.children import Child, PeerFailed
from benchmarks.peers.contenders import CONTENDERS, OURS, Contender
from benchmarks.peers.tables import operations, stages, times, units

if TYPE_CHECKING:
    from benchmarks.peers.cases import Case
ROOT = Path(__file__).parents[1]
WORKS = ("pgd", "autoattack", "resnet", "units")
IMAGES = {"pgd": 1000, "autoattack": 100, "resnet": 200, "units": 256}
SLACK = 500  # one image in so many that a library may be behind
VICTIMS = ("Fashion-MNIST", "Fashion-MNIST, PGD-trained")
Row = dict[str, Any]


def cases(work: str, options: argparse.Namespace) -> list[Case]:
    """Return what a work is done on."""
    from benchmarks.peers.cases import images, residual

    most = min(IMAGES[work], options.most)
    names = options.victims[-1:] if work in ("autoattack", "units") else options.victims
    trained = [] if work == "resnet" else images(tuple(names), Path(options.folder), most)
    return [*trained, *([residual(most)] if work in ("resnet", "units") else [])]


def timed(work: str, case: Case, threads: int, options: argparse.Namespace) -> list[Row]:
    """Return a row a contender: all started, then asked in turn, each answer scored."""
    steps = 10 if case.kind == "resnet" else 40
    rows: dict[str, Row] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        live: dict[str, Child] = {}
        for c in CONTENDERS[work]:
            if (c.library != "jax" and options.gpu) or not _asked(c.name, work, options.only):
                continue
            try:
                how = {"library": c.library, "work": c.work, "steps": steps, "threads": threads}
                live[c.name] = _started(c, case, folder, {**how, "batch": options.batch, **c.how}, options)
                stack.callback(live[c.name].close)
                rows[c.name] = _begun(c, case, work, threads, live[c.name].hello)
            except PeerFailed as error:
                print(error, flush=True)
        for turn in range(options.repeats + 1):
            for name, child in list(live.items()):
                try:
                    _ask(child, rows[name], case, folder / "answer.npz", turn)
                    if turn == options.repeats and rows[name]["library"] == "jax":
                        _count(child, rows[name])
                except PeerFailed as error:
                    print(error, flush=True)
                    del live[name], rows[name]
    return [_summed(row) for row in rows.values()]


def _asked(name: str, work: str, only: list[str]) -> bool:
    """Return whether a contender is named, or part of its name where that is no other's whole one."""
    names = [c.name for c in CONTENDERS[work]]
    return any(part == name if part in names else part in name for part in only)


def _started(c: Contender, case: Case, folder: Path, how: Row, options: argparse.Namespace) -> Child:
    """Return a contender's process."""
    from benchmarks.peers.cases import write

    python = sys.executable if c.library == "jax" else options.peers_python
    if python is None:
        raise PeerFailed(f"{c.name}: not run: no --peers-python")
    module = "benchmarks.peers.time_ours" if c.library == "jax" else "benchmarks.peers.time_torch"
    more = {k: v for k, v in how.items() if c.library == "jax" or k != "batch"}
    path = write(folder / f"job-{c.name}.npz".replace(" ", "-"), case, **more)
    return Child(c.name, python, module, path, how["threads"])


def _begun(c: Contender, case: Case, work: str, threads: int, hello: Row) -> Row:
    """Return the row of a contender before it is asked anything."""
    named = {"work": work, "case": case.name, "of": c.name, "library": c.library, "attack": c.attack}
    sizes = {"threads": threads, "n": case.victim.tested, "images": len(case.victim.x)}
    about = {k: hello[k] for k in ("version", "device", "choice", "choosing")}
    return {**named, **sizes, **about, "note": case.note, "all": [], "standing": [], "mib": hello["mib"]}


def _ask(child: Child, row: Row, case: Case, path: Path, turn: int) -> None:
    """Run a contender once, and score what it hands back; the first time is apart."""
    from benchmarks.peers.victims import survives

    answer = child.ask(do="run", seed=turn, answer=str(path))
    row["mib"] = max(row["mib"], answer.pop("mib"))
    if turn == 0:
        row["first"] = answer["seconds"] + answer["compiling"]
        return
    row["all"].append(answer.pop("seconds"))
    row.setdefault("units", []).append(answer.pop("units", {}))
    row.setdefault("stages", []).append(answer.pop("stages", []))
    row |= {k: answer[k] for k in ("forward", "backward", "value") if k in answer}
    if row["attack"]:
        with np.load(path) as file:
            v = case.victim
            stands = survives(v.network, v.x, file["x"], v.y, norm="linf", eps=case.eps)
            row["standing"].append(int(stands.sum()))


def _count(child: Child, row: Row) -> None:
    """Count the passes of ours in a run that is not timed, and ask for the ceiling."""
    if row["work"] != "units":
        answer = child.ask(do="count", seed=len(row["all"]))
        row |= {k: answer[k] for k in ("forward", "backward")}
        for stage, counted in zip(row["stages"][-1], answer.get("stages", []), strict=False):
            stage |= {k: counted[k] for k in ("forward", "backward") if k in counted}
    row |= child.ask(do="ceiling")


def _summed(row: Row) -> Row:
    """Return the row with the median seconds, what the first call took beyond them, and robust accuracy."""
    row["seconds"] = statistics.median(row["all"])
    row["compiling"] = max(0.0, row["first"] - row["seconds"])
    if row["standing"]:
        spread = statistics.stdev(row["standing"]) if len(row["standing"]) > 1 else 0.0
        row["error"] = spread / math.sqrt(len(row["standing"]))
        row["value"] = statistics.mean(row["standing"]) / row["n"]
    every = row.pop("units", [])
    row["units"] = {k: statistics.median(u[k] for u in every) for k in every[0]}
    return row


def compare(rows: list[Row]) -> None:
    """Mark every attack that leaves more standing than the best of its kind by over SLACK and two errors."""
    attacks = [row for row in rows if row["attack"]]
    if not attacks:
        return
    best = min(attacks, key=lambda row: row["value"])
    for row in attacks:
        margin = math.ceil(row["n"] / SLACK) + 2 * math.hypot(row["error"], best["error"])
        row["comparable"] = round((row["value"] - best["value"]) * row["n"], 6) <= margin


def main() -> int:
    """Time, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers-python", help="interpreter of the environment with the peers")
    parser.add_argument("--work", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="on a CPU; 0: all there are")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each, after the first")
    parser.add_argument("--most", type=int, default=1000, help="images at most")
    parser.add_argument(
        "--victims", nargs="+", default=list(VICTIMS), help="also 'digits', 'digits, PGD-trained'"
    )
    parser.add_argument(
        "--only", nargs="+", default=[""], help="contenders of this name, or whose names hold it"
    )
    parser.add_argument("--batch", type=int, default=0, help="rows a batch of ours; 0: the audit's own")
    parser.add_argument("--peak-tflops", type=float, help="of the device; by default a large matmul is timed")
    parser.add_argument("--folder", default=str(ROOT / "bench-peers" / "robust_accuracy"))
    options = parser.parse_args()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # several processes share a GPU
    import jax

    options.gpu = jax.default_backend() != "cpu"
    rows: list[Row] = []
    for work in options.work:
        for threads in [0] if options.gpu else options.threads:
            for case in cases(work, options):
                found = timed(work, case, threads, options)
                compare(found)
                for row in found:
                    print(json.dumps(row), flush=True)
                rows += found
    for table in (times(rows, OURS), stages(rows), units(rows), operations(rows, options.peak_tflops)):
        print("\n" + "\n".join(table))
    return 1 if any(row["of"] == OURS and not row.get("comparable", True) for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
