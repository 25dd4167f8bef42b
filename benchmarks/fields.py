"""One table over the shipped configurations: how good each model is beside a baseline, and what its audit found.

    python -m benchmarks.fields                                   # every shipped configuration, each run anew
    python -m benchmarks.fields --runs FOLDER readmission oulad   # records that FOLDER holds are read, others run
    python -m benchmarks.fields --baselines compas law_school     # the models alone: trained, and set beside

Seconds and peak memory are those of a whole process of its own (where a record is read: its stages' seconds, and no
memory). The main finding is the first rule that failed, else the first that the data could not decide. Baselines are
scikit-learn's with their usual settings, on the same training rows. All but quickstart and digits need
JAX_AUDIT_DATA.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.audit import baselines, timed_run, value

CONFIGS = Path(__file__).parent.parent / "configs"
METRICS = ("auc", "accuracy", "r2")
NAMES = {"auc": "AUC", "accuracy": "accuracy", "r2": "R2"}
WORST = ("FAIL", "NOT-ESTIMABLE", "INCONCLUSIVE")
HEAD = ("config", "data", "test n", "model", "metric", "ours", "baselines", "seconds", "peak MiB", "verdict",
        "main finding")  # fmt: skip


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("configs", nargs="*", help="shipped names; all where none is given")
    parser.add_argument("--runs", type=Path, help="a folder of finished runs")
    parser.add_argument("--baselines", action="store_true", help="train and set beside, without an audit")
    given = parser.parse_args(arguments)
    names = given.configs or sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    rows = []
    for name in names:
        rows.append(_trained(name) if given.baselines else _audited(name, given.runs))
        print(json.dumps(dict(zip(HEAD, rows[-1], strict=True))), flush=True)
    print("\n| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def _audited(name: str, runs: Path | None) -> tuple[str, ...]:
    """Return a configuration's row: its record read, or its audit run in a process of its own."""
    record, mib = _stored(name, runs), None
    if record is None:
        with tempfile.TemporaryDirectory() as folder:
            run = timed_run(name, Path(folder))
            record, seconds, mib = run["record"], run["seconds"], run["mib"]
    else:
        parts = record["volatile"]["seconds"]
        seconds = sum(spent for part, spent in parts.items() if not part.startswith("compile"))
    facts = record["facts"]
    metric, ours = next(((m, v) for m in METRICS if (v := value(record, m)[0]) is not None), ("", None))
    data = facts["data"]
    return (
        name, data["name"], f"{data['splits']['test']:,}", facts["model"]["name"], NAMES.get(metric, ""), _number(ours),
        _beside(name, data["modality"], metric), f"{seconds:.0f}", "" if mib is None else f"{mib:.0f}",
        record["verdict"], _finding(record),
    )  # fmt: skip


def _trained(name: str) -> tuple[str, ...]:
    """Return a configuration's row without an audit: its model trained, and its test metric."""
    from sklearn.metrics import r2_score, roc_auc_score

    from audit.assemble import read_data, read_model
    from audit.config import load
    from audit.digests import dataset_digest
    from audit.subject import observe

    loaded = load(name)
    data = read_data(loaded)
    made = read_model(loaded, data, dataset_digest(data), None, lambda done, total: None)
    subject, test = observe(made.model, data), data.test
    if data.task == "regression":
        metric, ours = "r2", r2_score(test.y, subject.outputs["test"][:, 0])
    elif data.task == "binary":
        metric, ours = "auc", roc_auc_score(test.y, subject.probabilities()[:, 1])
    else:
        metric, ours = "accuracy", float((subject.predictions() == test.y).mean())
    best = _beside(name, data.modality, metric)
    return (
        name,
        data.name,
        f"{len(test):,}",
        made.model.name,
        NAMES[metric],
        _number(ours),
        best,
        "",
        "",
        "",
        "",
    )


def _stored(name: str, runs: Path | None) -> dict[str, Any] | None:
    """Return the newest finished record of a configuration in a folder, None where there is none."""
    from audit.config import load

    if runs is None:
        return None
    called = load(name).config.name
    for path in sorted(runs.glob("*/evidence.json"), reverse=True):
        record = json.loads(path.read_text())
        if record["name"] == called:
            return record
    return None


def _beside(name: str, modality: str, metric: str) -> str:
    """Return every baseline's metric and name; nothing for data that the baselines cannot take."""
    if modality not in ("table", "image") or not metric:
        return ""
    return ", ".join(
        f"{row[metric]:.4f} ({row['library']})" for row in baselines(name) if row[metric] is not None
    )


def _finding(record: dict[str, Any]) -> str:
    """Return the reason of the first rule with the gravest verdict, up to its bound."""
    for verdict in WORST:
        for decision in record["decisions"]:
            if decision["verdict"] == verdict and decision["rule"]["severity"] == "blocking":
                return f"{verdict}: {decision['reason'].split(';')[0].split('. Of')[0]}".replace("|", "/")
    return "every blocking rule passed"


def _number(found: float | None) -> str:
    """Return four decimals, or nothing."""
    return "" if found is None else f"{found:.4f}"


if __name__ == "__main__":
    main(sys.argv[1:])
