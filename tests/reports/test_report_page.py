"""reports.html: well-formed, escaped, small, the same bytes twice, and never against its own record."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from reports import areas, html, page, uncompared
from reports.blocks import blocks
from reports.grids import Context, as_grid
from reports.methods import measures

NAMES = (
    "passing",
    "failing",
    "inconclusive",
    "empty_policy",
    "waived",
    "quick",
    "hostile",
    "many_groups",
    "many_classes",
)
VOID = {"meta", "col", "br", "input", "img", "wbr"}


class Tree(HTMLParser):
    """Reads a page, demanding that tags balance; keeps tags, ids, links and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)


@pytest.fixture(scope="module")
def pages(make):
    return {name: html.render(make.EVERY[name]()).decode() for name in NAMES}


def read(text: str) -> Tree:
    tree = Tree()
    tree.feed(text)
    tree.close()
    assert tree.open == []
    return tree


@pytest.mark.parametrize("name", NAMES)
def test_well_formed_small_and_linked(pages, name):
    tree = read(pages[name])
    assert len(pages[name].encode()) < 1_000_000
    ids = [a["id"] for _, a in tree.tags if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for _, a in tree.tags if a.get("href", "").startswith("#")}
    assert targets <= set(ids)
    assert not [a for _, a in tree.tags for k in ("src", "href") if k in a and not a[k].startswith("#")]
    assert all(a.get("scope") for t, a in tree.tags if t == "th")
    outer = [a for t, a in tree.tags if t == "svg" and "viewbox" not in a]
    assert all({"aria-hidden", "role"} & set(a) for a in outer)  # an image with a sentence, or hidden


@pytest.mark.parametrize("name", NAMES)
def test_verdict_word_is_the_records(pages, make, name):
    record = make.EVERY[name]()
    tree = read(pages[name])
    assert f"<title>{record.verdict}: " in pages[name]
    assert re.search(rf"Verdict: </span>{record.verdict}</span>", pages[name])
    text = " ".join("".join(tree.text).split())
    assert f"exit code {record.exit_code}" in text
    assert record.digest[:8] in text


@pytest.mark.parametrize("name", NAMES)
def test_twice_the_same_bytes(pages, make, name):
    assert html.render(make.EVERY[name]()).decode() == pages[name]


def test_the_same_bytes_in_another_process(pages, make, tmp_path):
    path = tmp_path / "evidence.json"
    path.write_bytes(make.failing().to_bytes())
    code = (
        "import sys; from audit.evidence import Record; from reports import html;"
        "sys.stdout.buffer.write(html.render(Record.model_validate_json(open(sys.argv[1], 'rb').read())));"
        "assert 'jax' not in sys.modules and 'numpy' not in sys.modules"
    )
    env = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=True, env=env)
    assert done.stdout.decode() == pages["failing"]


@pytest.mark.parametrize("name", ("hostile", "failing"))
def test_policy_allows_one_script_by_its_digest(pages, name):
    script = re.findall(r"<script>(.*?)</script>", pages[name], re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    meta = re.search(r'Content-Security-Policy" content="([^"]*)"', pages[name])
    assert meta
    policy = meta[1].replace("&#39;", "'")
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_hostile_names_stay_text(pages, make):
    text = pages["hostile"]
    tree = read(text)
    assert sum(t == "script" for t, _ in tree.tags) == 1
    assert not any(t == "img" or any(k.startswith("on") for k in a) for t, a in tree.tags)
    assert "\u202e" not in text
    assert "<script>alert('x')</script>\ufffd" in "".join(tree.text)
    style = text.split("<style>")[1].split("</style>")[0]
    assert "alert(" not in style and "<img" not in style


def test_a_verdict_against_its_decisions_is_refused(make):
    forged = make.failing().model_copy(update={"verdict": "PASS", "exit_code": 0})
    with pytest.raises(ValueError, match="verdict=PASS, but its blocking requirements make FAIL"):
        html.render(forged)


def test_a_decision_against_its_bound_is_refused(make):
    record = make.passing()
    forged = tuple(d.model_copy(update={"bound": 0.1}) if d.rule.id == "A1" else d for d in record.decisions)
    with pytest.raises(ValueError, match="rule A1 reads PASS, but bound=0.1 says otherwise"):
        html.render(record.model_copy(update={"decisions": forged}))


def test_advisory_failures_do_not_make_the_verdict(make):
    record = make.failing()
    rest = tuple(d for d in record.decisions if d.verdict == "PASS" or d.rule.severity == "advisory")
    passed = record.model_copy(update={"decisions": rest, "verdict": "PASS", "exit_code": 0})
    text = html.render(passed).decode()
    assert "Advisory besides: 1 inconclusive." in text


def test_sections_in_order_and_absent_areas_absent(make):
    assert [s.title for s in page.sections(make.failing())] == [
        "Findings",
        "Not measured",
        "System and intended use",
        "Requirements",
        "Accuracy",
        "Groups",
        "Robustness",
        "Calibration",
        "Explanation",
        "Why these measures",
        "How to reproduce",
        "Attestation",
    ]
    titles = [s.title for s in page.sections(make.inconclusive())]
    assert "Groups" not in titles and "Calibration" not in titles
    assert [s.number for s in page.sections(make.inconclusive())] == list(range(1, len(titles) + 1))


def test_every_judged_number_has_n_interval_method_limit_and_source(pages, make):
    text = "".join(read(pages["failing"]).text)
    for d in make.failing().decisions:
        if d.estimate and d.estimate.value is not None:
            assert f"{d.estimate.n:,} rows" in text and d.estimate.method in text
            assert f"{d.estimate.value:.3f} [{d.estimate.low:.3f}, {d.estimate.high:.3f}]" in text
        assert d.rule.source in text and d.rule.id in text


def test_descriptive_numbers_are_never_judged(pages):
    text = "".join(read(pages["failing"]).text)
    assert text.count("descriptive, never judged") == 2  # log loss and ECE


def test_empty_fields_say_so(pages):
    text = "".join(read(pages["failing"]).text)
    assert "Providernot provided" in text.replace("\n", "")
    assert "Pre-screening; a person decides." in text


def test_no_date_is_said(make):
    record = make.passing(volatile=make.Volatile())
    assert "date not provided" in html.render(record).decode()


def test_quick_is_said_at_once(pages):
    front = pages["quick"].split('class="cards"')[0]
    assert "<b>Quick run.</b> A quick run measures less and cannot PASS." in front


def test_small_groups_keep_their_row(pages, make):
    text = pages["many_groups"]
    assert all(f"<bdi>group {i}</bdi>" in text for i in range(200))


def test_empty_denominator_is_no_number(make):
    f = make.fairness({"A": (0, 40), "B": (10, 50)})
    rule = make.rule("F", "fairness.groups.selection_rate_difference", at_most=0.01)
    decisions = (make.decide(rule, make.find(f, "selection_rate_difference"), "FAIL"),)
    tree = read(html.render(make.record((f,), decisions, "FAIL", 1)).decode())
    cells = "".join(tree.text)
    assert "no estimate" in cells and "nan" not in cells.lower().replace("finan", "")


def _table(*names: str, rows: tuple, kind: str = "plain"):
    from audit.evidence import Column, Table

    columns = tuple(Column(name=n, label=n, kind="text" if i == 0 else "number") for i, n in enumerate(names))
    return Table(name="t", title="T", kind=kind, columns=columns, rows=rows)  # type: ignore[arg-type]


def test_bounds_join_their_number():
    grid = as_grid(_table("class", "recall", "recall low", "recall high", rows=(("a", 0.5, 0.4, 0.6),)))
    assert [h.text for h in grid.heads] == ["class", "recall"]
    assert (grid.lines[0].cells[1].text, grid.lines[0].cells[1].ci) == ("0.500", "[0.400, 0.600]")


def test_classes_called_low_and_high_are_no_bounds():
    matrix = _table("true", "low", "high", rows=(("low", 1, 2), ("high", 3, 4)), kind="matrix")
    assert [[c.text for c in line.cells] for line in as_grid(matrix).lines] == [
        ["low", "1", "2"],
        ["high", "3", "4"],
    ]
    named = _table("true", "predicted low", "predicted high", rows=(("low", 1, 2),))
    assert [c.text for c in as_grid(named).lines[0].cells] == ["low", "1", "2"]


def test_a_table_that_lacks_its_kinds_columns_stays_plain():
    (block,) = blocks(_table("epoch", "accuracy", rows=((1, 0.5),), kind="curve"), Context())
    assert block.kind == "Table" and block.grid is not None


def test_an_empty_table_says_so():
    (block,) = blocks(_table("a", "b", rows=()), Context())
    assert block.caption == "It has no rows."


def test_a_long_table_is_folded_not_cut():
    (block,) = blocks(_table("a", "b", rows=tuple((str(i), i) for i in range(30))), Context())
    assert block.grid is None and block.folded is not None and len(block.folded.lines) == 30


def test_methods_that_differ_in_their_clusters_alone_are_said_once(make):
    record = make.passing()
    result = record.results[0]
    first = result.findings.measurements[0]
    methods = ("exact over 1,200 clusters", "exact over 30 clusters", "exact over 55 clusters", "another one")
    many = tuple(
        first.model_copy(update={"estimate": first.estimate.model_copy(update={"method": m})})
        for m in methods
    )
    changed = result.model_copy(
        update={"findings": result.findings.model_copy(update={"measurements": many})}
    )
    lines = measures(record.model_copy(update={"results": (changed,)})).lines
    assert lines[1].cells[2].text == "exact over 30 to 1,200 clusters; another one"


def test_only_attacks_are_called_upper_bounds(make):
    record = make.failing()
    (found,) = [r for r in record.results if r.check == "robustness.pgd"]
    assert "An attack" in areas.notes(record, "robustness")[-1]
    noise = tuple(
        m.model_copy(update={"estimate": m.estimate.model_copy(update={"side": "two-sided"})})
        for m in found.findings.measurements
    )
    calm = found.model_copy(update={"findings": found.findings.model_copy(update={"measurements": noise})})
    others = [r for r in record.results if r.area != "robustness"]
    assert len(areas.notes(record.model_copy(update={"results": (*others, calm)}), "robustness")) == 1


def test_groups_too_small_to_compare_are_named_in_one_sentence_an_attribute():
    def told(group, rows, of="age"):
        return f"Not compared: {of} = {group}, with {rows} rows under minimum_rows=50."

    said = uncompared.joined([told("a = b", 3), "Something else.", told("c", 1), told("x", 4, "sex")])
    assert said == [
        "Not compared: age = a = b, with 3 rows; c, with 1 rows, all under minimum_rows=50.",
        "Something else.",
        told("x", 4, "sex"),
    ]
