"""Robust accuracy under this suite's attacks and its peers', same weights, images, sizes and budgets.

    python -m benchmarks.robust_accuracy --peers-python PEERS/bin/python

The peers (torchattacks, Foolbox, ART) live in an environment of their own: benchmarks/requirements-peers.txt. Each
runs in its own process on the network rebuilt in PyTorch, after its logits were found equal to ours. Every input
that comes back, ours too, is scored anew by our model in float32: in the ball, in the box, another label. Budgets
are the protocol's of Croce and Hein 2020, not the libraries' defaults. Prints one JSON object a line and ends with
Markdown tables; exits with 1 where our robust accuracy is higher than the best peer's by more than one in 500
(and, for attacks averaged over seeds, two standard errors).
Finished pieces are kept in bench-peers/ and not run again. Fashion-MNIST needs JAX_AUDIT_DATA.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import ours
from benchmarks.peers.processes import PEERS, PeerFailed, ask, peers_here
from benchmarks.peers.victims import VICTIMS, Victim, logits, survives, victim

ROOT = Path(__file__).parents[1]
OURS = "jax-audit"
TESTED = {"pgd": 500, "apgd-ce": 500, "apgd-t": 500, "fab-t": 200, "square": 200, "autoattack": 200}
TESTED["autoattack, annealed"] = 200  # with this suite's own fifth stage; no peer has one
SLACK = 500  # one example in so many that ours may be behind
SEEDS = {"pgd": 10, "apgd-ce": 5}  # averaged, since one random start moves the count by several; else one
Piece = dict[str, Any]


def measure(
    v: Victim, library: str, options: argparse.Namespace, attack: str, norm: str, eps: float
) -> Piece:
    """Return one line: how many of the tested are still decided rightly, and what finding that out took."""
    seeds = SEEDS.get(attack, 1)
    if library == OURS:
        a = ours.attack(attack, v.network, v.x, v.y, norm=norm, eps=eps, seeds=seeds)
        moved, cost = a.x, {"seconds": a.seconds, "compiling": a.compiling}
        cost |= {"forward": a.forward, "backward": a.backward}
        cost["wrong"] = sum(int((logits(v.network, m).argmax(1) != v.y).sum()) for m in moved)
    else:
        how = {"attack": attack, "norm": norm, "eps": eps, "seeds": seeds, "threads": options.threads}
        moved, cost = ask(options.peers_python, library, v, how)
    standing = [survives(v.network, v.x, m, v.y, norm=norm, eps=eps).sum() for m in moved]
    refused = cost.pop("wrong") - (seeds * len(v.x) - int(np.sum(standing)))
    passes = {way: round(cost.pop(way) / len(v.x) / seeds, 1) for way in ("forward", "backward")}
    took = {"seconds": round(cost["seconds"] / seeds, 2), "compiling": round(cost.get("compiling", 0.0), 2)}
    error = float(np.std(standing, ddof=1)) / math.sqrt(seeds) if seeds > 1 else 0.0
    mean = {"standing": float(np.mean(standing)), "error": round(error, 3)}
    mean["value"] = round(mean["standing"] / v.tested, 4)
    return {"n": v.tested, "clean": len(v.x), "seeds": seeds, **mean, "refused": refused, **took, **passes}


def pieces(options: argparse.Namespace, peers: dict[str, Any]) -> Iterator[Piece]:
    """Yield the line of every piece asked for, measured now unless its folder holds it."""
    folder = Path(options.folder)
    (folder / "pieces").mkdir(parents=True, exist_ok=True)
    for name in options.victims:
        if VICTIMS[name].data != "digits" and "JAX_AUDIT_DATA" not in os.environ:
            print(f"{name}: not run: JAX_AUDIT_DATA does not name the folder of data sets", flush=True)
            continue
        for attack in options.attacks:
            v = victim(name, folder, min(TESTED[attack], options.most))
            for norm in options.norms:
                eps = VICTIMS[name].eps[norm]
                for library in (OURS, *peers):
                    if library != OURS and attack not in peers[library]["attacks"]:
                        continue
                    work = f"{name}, {norm} {eps:g}, {attack}, {v.tested} images"
                    path = folder / "pieces" / f"{work}, {library}.json".replace(", ", "_").replace(" ", "-")
                    if options.again and library == OURS or not path.exists():
                        label = library if library == OURS else f"{library} {peers[library]['version']}"
                        line = {"work": work, "library": label, "threads": options.threads}
                        try:
                            line |= measure(v, library, options, attack, norm, eps)
                        except PeerFailed as error:
                            print(f"{work}: {error}", flush=True)
                            continue
                        path.write_text(json.dumps(line))
                    line = json.loads(path.read_text())
                    print(json.dumps(line), flush=True)
                    yield {**line, "victim": name, "norm": norm, "eps": eps, "attack": attack, "of": library}


def table(rows: list[Piece], libraries: list[str], cell: Any, more: str = "") -> list[str]:
    """Return a Markdown table: a line a victim, norm and attack, a column a library, and what `more` heads."""
    lines = [f"| model | size | attack | n | {' | '.join(libraries)} |{f' {more} |' if more else ''}",
             "|" + "---|" * (4 + len(libraries) + bool(more))]  # fmt: skip
    for work in dict.fromkeys(row["work"] for row in rows):
        of = {row["of"]: row for row in rows if row["work"] == work}
        first = next(iter(of.values()))
        cells = [cell(of[name]) if name in of else "" for name in libraries]
        behind = [_behind(of)] if more else []
        text = [first["victim"], f"{first['norm']} {first['eps']:g}", first["attack"], str(first["n"])]
        lines.append("| " + " | ".join([*text, *cells, *behind]) + " |")
    return lines


def _behind(of: dict[str, Piece]) -> str:
    """Return by how many examples our robust accuracy is above the best peer's; bold where too many."""
    if OURS not in of or len(of) == 1:
        return ""
    gap = of[OURS]["standing"] - _best(of)["standing"]
    return f"**{gap:+.3g}**" if late(of) else f"{gap:+.3g}"


def _best(of: dict[str, Piece]) -> Piece:
    """Return the line of the peer that leaves the fewest standing."""
    return min((row for name, row in of.items() if name != OURS), key=lambda row: row["standing"])


def late(of: dict[str, Piece]) -> bool:
    """Return whether ours leaves more standing than the best peer by over one in SLACK and two standard errors."""
    if OURS not in of or len(of) == 1:
        return False
    best, own = _best(of), of[OURS]
    margin = math.ceil(own["n"] / SLACK) + 2 * math.hypot(own["error"], best["error"])
    return own["standing"] - best["standing"] > margin


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers-python", help="interpreter of the environment with the peers")
    parser.add_argument("--victims", nargs="+", choices=list(VICTIMS), default=list(VICTIMS))
    parser.add_argument("--attacks", nargs="+", choices=list(TESTED), default=list(TESTED))
    parser.add_argument("--norms", nargs="+", choices=["linf", "l2"], default=["linf", "l2"])
    parser.add_argument("--most", type=int, default=500, help="images at most")
    parser.add_argument("--folder", default=str(ROOT / "bench-peers" / "robust_accuracy"))
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the peers' PyTorch")
    parser.add_argument("--again", action="store_true", help="measure our pieces again")
    options = parser.parse_args()
    peers = peers_here(options.peers_python)
    rows = list(pieces(options, peers))
    libraries = [name for name in (OURS, *PEERS) if any(row["of"] == name for row in rows)]
    print("\nRobust accuracy, % (and refused: called wrong, but out of ball or box, or right in JAX):\n")
    print("\n".join(table(rows, libraries, _accuracy, "ours less the best peer, examples")))
    print("\nSeconds without compiling; passes of the model an attacked example, forward + backward:\n")
    print("\n".join(table(rows, libraries, _spent)))
    works = {row["work"] for row in rows}
    behind = [work for work in works if late({row["of"]: row for row in rows if row["work"] == work})]
    print(f"\nOurs higher than the best peer by more than one in {SLACK}: {len(behind)} of {len(works)}")
    return 1 if behind else 0


def _accuracy(row: Piece) -> str:
    """Return the robust accuracy of a line, and what was refused."""
    return f"{100 * row['value']:.1f}" + (f" ({row['refused']})" if row["refused"] else "")


def _spent(row: Piece) -> str:
    """Return the seconds and passes of a line."""
    return f"{row['seconds']:.1f} s; {row['forward']:,.0f} + {row['backward']:,.0f}"


if __name__ == "__main__":
    raise SystemExit(main())
