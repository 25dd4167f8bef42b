"""The Markdown tables of benchmarks/attacks.py, from its rows."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def times(rows: list[Row], ours: str) -> list[str]:
    """Return seconds, compiling, passes an image and peak memory, and each one's seconds over ours."""
    heads = ["work", "threads", "library", "n", "robust accuracy, %", "seconds (range)", "theirs / ours"]
    heads += ["first call, more s", "passes an image", "peak MiB", "how"]
    lines = [_line(heads), "|" + "---|" * len(heads)]
    for row in rows:
        if row["work"] == "units":
            continue
        own = _own(rows, row, ours)
        ratio = "" if own is None or own is row else f"{row['seconds'] / own['seconds']:.2f}"
        if not row.get("comparable", True):
            ratio += " (not comparable)"
        passes = "" if "forward" not in row else f"{_an(row, 'forward')} + {_an(row, 'backward')}"
        span = f"{row['seconds']:.2f} ({min(row['all']):.2f} to {max(row['all']):.2f})"
        cells = [_work(row), row["threads"] or "all", f"{row['of']} {row['version']}", row["n"], _accuracy(row), span,
                 ratio, f"{row['compiling']:.1f}", passes, f"{row['mib']:.0f}", row["choice"]]  # fmt: skip
        lines.append(_line(cells))
    return [
        *lines,
        "",
        *_best(rows, ours),
        *dict.fromkeys(f"{r['case']}: {r['note']}" for r in rows if r["note"]),
    ]


def stages(rows: list[Row]) -> list[str]:
    """Return what each stage of AutoAttack took in the last repeat, and what stands after it or was left out."""
    lines = [
        "| work | threads | library | stage | seconds | standing after it | passes an image |",
        "|" + "---|" * 7,
    ]
    for row in rows:
        for stage in row.get("stages", [[]])[-1]:
            passes = ""
            if "forward" in stage:
                passes = f"{stage['forward'] / row['images']:,.0f} + {stage['backward'] / row['images']:,.0f}"
            after = stage.get("left_out") or stage.get(
                "standing", stage.get("rows", 0) - stage.get("felled", 0)
            )
            cells = [
                _work(row),
                row["threads"] or "all",
                row["of"],
                stage["stage"],
                f"{stage['seconds']:.2f}",
                after,
            ]
            lines.append(_line([*cells, passes]))
    return lines if len(lines) > 2 else []


def units(rows: list[Row]) -> list[str]:
    """Return milliseconds an image, by kind of pass and batch."""
    found = [row for row in rows if row["units"]]
    if not found:
        return []
    kinds = list(found[0]["units"])
    lines = [_line(["ms an image", "threads", "library", *kinds, "how"]), "|" + "---|" * (4 + len(kinds))]
    for row in found:
        cells = [f"{row['units'][kind]:.3f}" for kind in kinds]
        lines.append(_line([_work(row), row["threads"] or "all", row["of"], *cells, row["choice"]]))
    return lines


def operations(rows: list[Row], peak_tflops: float | None) -> list[str]:
    """Return images and operations a second, and the share of the ceiling, of what ran in JAX."""
    lines = ["| work | threads | library | device | images/s | GFLOP/s | ceiling, GFLOP/s | share, % |",
             "|" + "---|" * 8]  # fmt: skip
    for row in rows:
        if "matmul_flops" not in row or not row.get("forward"):
            continue
        alone = row["forward"] - row["backward"]
        rate = (alone * row["forward_flops"] + row["backward"] * row["gradient_flops"]) / row["seconds"]
        top = 1e12 * peak_tflops if peak_tflops else row["matmul_flops"]
        cells = [
            _work(row),
            row["threads"] or "all",
            row["of"],
            row["device"],
            f"{row['images'] / row['seconds']:,.0f}",
        ]
        lines.append(_line([*cells, f"{rate / 1e9:,.1f}", f"{top / 1e9:,.1f}", f"{100 * rate / top:.1f}"]))
    return lines if len(lines) > 2 else []


def _best(rows: list[Row], ours: str) -> list[str]:
    """Return a line a case: ours over the best peer, and over the bare loop of its own network."""
    said = []
    for row in rows:
        if row["of"] != ours:
            continue
        same = [r for r in rows if _key(r) == _key(row)]
        peers = [r for r in same if r["attack"] and r["library"] != "jax" and r.get("comparable", True)]
        best = min(peers, key=lambda r: r["seconds"], default=None)
        text = f"{_work(row)}, {row['threads'] or 'all'} threads: ours / best peer "
        text += "not known" if best is None else f"({best['of']}) {row['seconds'] / best['seconds']:.3f}"
        floors = [r for r in same if r["of"] == "bare loop, JAX as chosen"]
        text += "".join(f"; ours / bare loop {row['seconds'] / r['seconds']:.3f}" for r in floors)
        said.append(f"- {text}" + ("" if row.get("comparable", True) else "; OURS IS NOT COMPARABLE"))
    return said


def _own(rows: list[Row], row: Row, ours: str) -> Row | None:
    """Return our row of the same case and threads."""
    return next((r for r in rows if r["of"] == ours and _key(r) == _key(row)), None)


def _key(row: Row) -> tuple[Any, ...]:
    """Return what makes rows comparable."""
    return row["work"], row["case"], row["threads"]


def _work(row: Row) -> str:
    """Return the work and what it was done on."""
    return f"{row['work']}: {row['case']}"


def _accuracy(row: Row) -> str:
    """Return robust accuracy in percent, of the images tested."""
    if "value" not in row:
        return ""
    return f"{100 * row['value']:.1f}" + ("" if row["attack"] else " (of those decided rightly)")


def _an(row: Row, way: str) -> str:
    """Return the passes of an attacked image."""
    return f"{row[way] / row['images']:,.0f}"


def _line(cells: list[Any]) -> str:
    """Return a table's line."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
