"""Time whole audits beside a script that glues torchattacks or ART, fairlearn, shap and netcal together.

    python -m benchmarks.whole --peers-python PEERS/bin/python [--configs adult fashion_mnist] [--threads 2]

The audit runs as a process of its own, `python -m audit run`, with the checks that the script has too: cold (a fresh
folder, nothing kept or cached), redone (--fresh: only compiled code is there) and again (all that it keeps is there).
Then the script, benchmarks/peers/glue.py, in the peers' environment of benchmarks/requirements-peers.txt, on the
audit's trained weights, checked by their outputs: the same rows, radii, steps and background rows, 200 bootstrap
replicates of fairlearn. It also trains a network of the same size for as many epochs, apart. Prints one JSON object a
line and ends with Markdown tables: seconds of every part, passes of the model, and the figures of both. The audit's
parts include compiling, its proofs of the attacks, and shap on a few rows. Needs JAX_AUDIT_DATA; --most N with
--epochs 1 tries it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.peers.pinned import pin

ROOT = Path(__file__).parents[1]
CONFIGS = ("adult", "fashion_mnist")
LIMIT = 7200  # seconds of the glued script
TRAINING = "model (training)"
SHARED = (
    "accuracy.overall",
    "robustness.fgsm",
    "robustness.pgd",
    "robustness.autoattack",
    "robustness.minimum",
    "fairness.groups",
    "explanation.shapley",
    "calibration.reliability",
)  # what the script does too
Parts = dict[str, dict[str, Any]]


def configuration(name: str, folder: Path, options: argparse.Namespace) -> Path:
    """Return a copy of the shipped configuration with what the script can do too, or fewer rows and epochs of it."""
    given = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    given["checks"] = {check: own for check, own in given["checks"].items() if check in SHARED}
    given.pop("remedies", None)
    rules = given["policy"]["rules"]
    given["policy"]["rules"] = [r for r in rules if r["measure"].rpartition(".")[0] in SHARED]
    for check, own in given["checks"].items():
        if options.most is not None and check.startswith(("robustness.", "explanation.")):
            own["rows"] = min(options.most, own.get("rows") or options.most)
    if options.epochs is not None:
        given["model"]["train"] |= {"epochs": options.epochs, "patience": None}
    copy = folder / f"{name}.yaml"
    copy.write_text(yaml.safe_dump(given, sort_keys=False))
    return copy


def audited(config: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the cold, the redone and the repeated run of the audit, which keep things in the folder alone."""
    from benchmarks.audit import timed_run

    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
    return [timed_run(str(config), folder / "runs", *more) for more in ((), ("--fresh",), ())]


def glued(job: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return what the glued script says, its parts and peak memory, with the seconds of the whole process."""
    command = [options.peers_python, "-m", "benchmarks.peers.glue", str(job), "--n-boot", str(options.n_boot)]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode:
        raise SystemExit(f"the glued script: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "seconds": time.perf_counter() - start}


def parts_of(run: dict[str, Any]) -> Parts:
    """Return each part of an audit: seconds, passes where they are counted, and figures by the glued script's names."""
    seconds = dict(run["record"]["volatile"]["seconds"])
    parts: Parts = {TRAINING: {"seconds": seconds.pop("model", 0.0)}}
    first = sum(seconds.pop(name, 0.0) for name in ("import", "data", "outputs"))
    parts["import, data, rebuild"] = {"seconds": first}
    parts["compiling, inside the others"] = {"seconds": seconds.pop("compile (part of the others)", 0.0)}
    for result in run["record"]["results"]:
        cost, name = result["findings"]["cost"], result["check"]
        forward = cost.get("forward", cost.get("model_evaluations"))
        values = _figures(name, result["findings"]["measurements"])
        own = {"seconds": seconds.pop(name, 0.0), "forward": forward, "backward": cost.get("gradient")}
        parts[name] = {**own, "values": values}
    return parts


def _figures(check: str, measured: list[dict[str, Any]]) -> dict[str, float]:
    """Return the figures of a check by the names that the glued script gives them."""
    found, players = {}, 0
    for m in measured:
        where, value = m["where"], m["estimate"]["value"]
        if m["name"] == "robust_accuracy":
            found[f"{where['norm']} {where['eps']:g}"] = value
        elif m["name"] == "importance":
            found[f"player {players}"] = value
            players += 1
        elif m["name"] == "impact_ratio":
            found[f"impact_ratio {where['attribute']}"] = value
        elif m["name"] in ("accuracy", "auc", "ece_15") and not where:
            found[m["name"]] = value
    return found


def table(name: str, runs: list[Parts], theirs: Parts) -> list[str]:
    """Return a line a part: seconds of the audit's runs and of the script, their ratios, passes of both."""
    lines, cold = [], runs[0]
    for part in [p for p in cold if p != TRAINING] + [TRAINING]:
        peer = theirs.get(part, {})
        seconds = [run[part]["seconds"] for run in runs]
        took = f"{peer['seconds']:.1f}" if peer else ""
        ratios = [f"{s / peer['seconds']:.2f}" if peer.get("seconds") else "" for s in seconds[:2]]
        cells = [
            name,
            part,
            *(f"{s:.1f}" for s in seconds),
            took,
            *ratios,
            _passes(cold[part]),
            _passes(peer),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _passes(part: dict[str, Any]) -> str:
    """Return the model's rows forward and backward."""
    if not part.get("forward") and not part.get("backward"):
        return ""
    return f"{part.get('forward') or 0:,} + {part.get('backward') or 0:,}"


def agreement(name: str, ours: Parts, theirs: Parts) -> list[str]:
    """Return a line a figure that both have, largest difference first within each part; players as one line."""
    lines = []
    for part, peer in theirs.items():
        mine, other = ours.get(part, {}).get("values", {}), peer.get("values", {})
        shared = [key for key in other if mine.get(key) is not None]
        if part == "explanation.shapley" and shared:
            apart = max(abs(mine[key] - other[key]) for key in shared)
            size = max(mine[key] for key in shared)
            lines.append(
                f"| {name} | {part} | largest difference of {len(shared)} means | {size:.3g} at most | {apart:.3g} |"
            )
            continue
        lines += [f"| {name} | {part} | {key} | {mine[key]:.4f} | {other[key]:.4f} |" for key in shared]
    return lines


def timed(name: str, folder: Path, options: argparse.Namespace) -> tuple[list[str], list[str], list[str]]:
    """Time one configuration; return the lines of the three tables."""
    from benchmarks.peers.export import export

    config = configuration(name, folder, options)
    runs = audited(config, folder)
    run, job = Path(runs[0]["answer"]["run"]), folder / "job.npz"
    export(config, run, job, epochs=_epochs(runs[0]))
    peer = glued(job, options)
    ours, theirs, mib = [parts_of(one) for one in runs], peer["parts"], [runs[0]["mib"], peer["mib"]]
    whole = [*(one["seconds"] for one in runs), peer["seconds"]]
    line = {"work": name, "threads": options.threads or os.cpu_count(), "seconds": whole, "mib": mib}
    print(json.dumps({**line, "ours": ours, "theirs": theirs}), flush=True)
    training = [parts[TRAINING]["seconds"] for parts in (*ours, theirs)]
    rest = [a - b for a, b in zip(whole, training, strict=True)]
    lines = []
    for what, seconds in (("whole process", whole), ("without training", rest)):
        ratios = [f"{s / seconds[-1]:.2f}" for s in seconds[:-1]]
        cells = [name, what, *(f"{s:.1f}" for s in seconds), *ratios, *(f"{m:.0f}" for m in mib)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines, table(name, ours, theirs), agreement(name, ours[0], theirs)


def _epochs(run: dict[str, Any]) -> int:
    """Return for how many epochs the audit's network was trained."""
    return len(run["record"]["facts"]["model"]["training"]["rows"])


def main() -> None:
    """Time every configuration, then print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers-python", required=True, help="interpreter of the environment with the peers")
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--threads", type=int, default=0, help="of both sides; 0: all there are")
    parser.add_argument("--n-boot", type=int, default=200, help="fairlearn's bootstrap replicates")
    parser.add_argument("--most", type=int, help="rows of each attack and explanation at most, to try it out")
    parser.add_argument("--epochs", type=int, help="of training, to try it out")
    options = parser.parse_args()
    if "JAX_AUDIT_DATA" not in os.environ:
        raise SystemExit("not run: JAX_AUDIT_DATA does not name the folder of data sets")
    if options.threads:
        pin(options.threads)
    seconds = "audit, cold s | redone s | again s | glued s"
    heads = (
        f"| config | | {seconds} | cold / glued | redone / glued | again / glued | audit MiB | glued MiB |",
        f"| config | part | {seconds} | cold / glued | redone / glued | passes, the audit's account | glued, counted |",
        "| config | part | figure | audit | glued |",
    )
    made: list[list[str]] = [[], [], []]
    for name in options.configs:
        with tempfile.TemporaryDirectory() as folder:
            for lines, more in zip(made, timed(name, Path(folder), options), strict=True):
                lines += more
    for head, lines in zip(heads, made, strict=True):
        print("\n" + "\n".join([head, "|" + "---|" * (head.count("|") - 1), *lines]))


if __name__ == "__main__":
    main()
