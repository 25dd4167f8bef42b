"""Time the shipped configurations as whole processes, and set each model beside two scikit-learn baselines.

    python -m benchmarks.audit quickstart digits adult fashion_mnist compas law_school credit_default
    python -m benchmarks.fields            # one table over every shipped configuration

prints one JSON object a line (work, library, threads, n, value, seconds, evaluations) and ends with Markdown
tables: test accuracy and AUC beside the baselines', seconds and peak memory of the whole process, and where
the time went. All but quickstart and digits need JAX_AUDIT_DATA.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

MANY = 1_000  # pixels beyond which boosting's trees would take longer than the audit


def timed_run(config: str, out: Path, *more: str) -> dict[str, Any]:
    """Run one audit in a process of its own; its record, wall seconds and peak memory in MiB."""
    command = [sys.executable, "-P", "-m", "audit", "run", config, "--out", str(out), "--json", *more]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1, 3):
        raise SystemExit(f"{config} exited {code}")
    answer = json.loads(text)
    record = json.loads((Path(answer["run"]) / "evidence.json").read_text())
    return {"answer": answer, "record": record, "seconds": seconds, "mib": usage.ru_maxrss / 1024}


def value(record: dict[str, Any], name: str) -> tuple[float | None, int]:
    """Return a measure of accuracy.overall and its n."""
    for result in record["results"]:
        for m in result["findings"]["measurements"]:
            if result["check"] == "accuracy.overall" and m["name"] == name and not m["where"]:
                return m["estimate"]["value"], m["estimate"]["n"]
    return None, 0


def evaluations(record: dict[str, Any]) -> int:
    """Return the model evaluations of all checks (forward and gradient, one example each)."""
    return sum(sum(result["findings"]["cost"].values()) for result in record["results"])


def baselines(config: str) -> list[dict[str, Any]]:
    """Fit a linear model and gradient boosting on the configuration's own training rows (MANY pixels: the former)."""
    from audit.assemble import read_data
    from audit.config import load
    from audit.crossfit import seen_by

    data = read_data(load(config))
    if data.modality == "text":
        return [_counted_words(data)]
    columns = [f.kind == "categorical" for f in data.features]
    folds = 0 if data.folds is None else len(data.folds)
    parts = [seen_by(data, k) for k in range(folds)] or [data]
    rows = []
    for library, model in _models(data, columns).items():
        found = [_fitted(library, model, part, columns) for part in parts]
        n = np.array([row["n"] for row in found])
        rows.append({"library": library, "n": int(n.sum()), "seconds": sum(row["seconds"] for row in found)})
        for name in ("accuracy", "auc", "r2"):  # of folds, the mean over the models fitted without each
            values = [row[name] for row in found]
            rows[-1][name] = None if None in values else float(np.average(values, weights=n))
    return rows


def _fitted(library: str, model: Any, data: Any, columns: list[bool]) -> dict[str, Any]:
    """Fit a baseline on the training rows and measure it on the test rows."""
    train, test = data.splits["train"], data.splits["test"]
    x, z = _flat(train.x), _flat(test.x)
    boosted = library == "gradient boosting"
    a, b = (x, z) if boosted else (_one_hot(x, columns, x), _one_hot(z, columns, x))
    start = time.perf_counter()
    keep = slice(None) if boosted or len(a) <= 60_000 else slice(0, 60_000)
    model.fit(a[keep], train.y[keep])
    found = {
        "n": len(test),
        "accuracy": None,
        "auc": None,
        "r2": None,
        "seconds": time.perf_counter() - start,
    }
    if data.task == "regression":
        return found | {"r2": float(model.score(b, test.y))}
    return found | {"accuracy": float((model.predict(b) == test.y).mean()), "auc": _auc(model, b, test.y)}


def _counted_words(data: Any) -> dict[str, Any]:
    """Fit logistic regression on TF-IDF weights of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, test = data.splits["train"], data.splits["test"]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = make_pipeline(words, LogisticRegression(C=20, max_iter=300))
    start = time.perf_counter()
    model.fit(train.text.tolist(), train.y)
    seconds, right = time.perf_counter() - start, model.predict(test.text.tolist()) == test.y
    return {"library": "TF-IDF and logistic regression", "n": len(test), "accuracy": float(right.mean()),
            "auc": None, "r2": None, "seconds": seconds}  # fmt: skip


def _models(data: Any, columns: list[bool]) -> dict[str, Any]:
    """Return the baselines that fit the task: logistic or ridge regression, and gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if data.task == "regression":
        boosting = _boosting(HistGradientBoostingRegressor, data, columns)
        return {"ridge regression": make_pipeline(StandardScaler(), Ridge()), "gradient boosting": boosting}
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    if data.modality != "table" and _flat(data.splits["test"].x).shape[1] > MANY:
        return {"logistic regression": logistic}
    boosting = _boosting(HistGradientBoostingClassifier, data, columns)
    return {"logistic regression": logistic, "gradient boosting": boosting}


def _boosting(kind: Any, data: Any, columns: list[bool]) -> Any:
    """Return gradient boosting with its usual settings; fewer iterations for many classes of pixels."""
    iterations = 100 if data.modality == "table" or len(data.splits["train"]) < 5_000 else 30
    return kind(categorical_features=columns or None, random_state=0, max_iter=iterations)


def _flat(x: np.ndarray) -> np.ndarray:
    """Return one row of numbers an example."""
    return np.asarray(x).reshape(len(x), -1)


def _one_hot(x: np.ndarray, columns: list[bool], train: np.ndarray) -> np.ndarray:
    """Return x with each categorical code column replaced by indicator columns of the codes in train."""
    parts = []
    for j in range(x.shape[1]):
        if columns and columns[j]:
            parts.append((x[:, [j]] == np.unique(train[:, j])[None]).astype(np.float32))
        else:
            parts.append(x[:, [j]])
    return np.concatenate(parts, axis=1)


def _auc(model: Any, x: np.ndarray, y: np.ndarray) -> float | None:
    """Return the AUC of a binary task."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, model.predict_proba(x)[:, 1])) if len(np.unique(y)) == 2 else None


def main(configs: list[str]) -> None:
    quality = ["| config | model | test n | accuracy | AUC | fit seconds |", "|---|---|---|---|---|---|"]
    whole = ["| config | verdict | seconds, cold | seconds, again | peak MiB | report KiB | evaluations |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    stages = ["| config | stage: seconds |", "|---|---|"]
    for config in configs:
        with tempfile.TemporaryDirectory() as folder:
            cold = timed_run(config, Path(folder))
            warm = timed_run(config, Path(folder))
            page = Path(cold["answer"]["run"]) / "report.html"
            size = page.stat().st_size / 1024 if page.exists() else float("nan")
        record, spent = cold["record"], cold["record"]["volatile"]["seconds"]
        (accuracy, n), (auc, _) = value(record, "accuracy"), value(record, "auc")
        rows = [{"library": "jax-audit", "n": n, "accuracy": accuracy, "auc": auc, "seconds": spent.get("model", 0.0)},
                *baselines(config)]  # fmt: skip
        for row in rows:
            line = {"work": config, "threads": os.cpu_count(), "value": row["accuracy"], **row}
            line["evaluations"] = evaluations(record) if row["library"] == "jax-audit" else None
            print(json.dumps(line), flush=True)
            auc_text = "" if row["auc"] is None else f"{row['auc']:.4f}"
            right = "" if row["accuracy"] is None else f"{row['accuracy']:.4f}"
            quality.append(f"| {config} | {row['library']} | {row['n']:,} | {right} | {auc_text} | "
                           f"{row['seconds']:.1f} |")  # fmt: skip
        whole.append(f"| {config} | {record['verdict']} | {cold['seconds']:.1f} | {warm['seconds']:.1f} | "
                     f"{cold['mib']:.0f} | {size:.0f} | {evaluations(record):,} |")  # fmt: skip
        stages.append(f"| {config} | " + ", ".join(f"{k}: {v:.1f}" for k, v in spent.items()) + " |")
    for table in (quality, whole, stages):
        print("\n" + "\n".join(table))


if __name__ == "__main__":
    main(sys.argv[1:] or ["quickstart", "digits"])
