"""Two tables: what must never exit 0 (each misreading, each cheat), and what must (honest audits, far inside limits).

Each file cases_TOPIC.py here holds two tuples, CASES (never 0) and HONEST (0).
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from hostile import Case

TOPICS = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
NEVER = [case for topic in TOPICS for case in importlib.import_module(topic).CASES]
MUST = [case for topic in TOPICS for case in importlib.import_module(topic).HONEST]


@pytest.mark.parametrize("case", NEVER, ids=lambda case: case.name)
def test_never_exits_0(case: Case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = case.attempt(tmp_path)
    assert code == case.exit != 0, said
    assert case.says in said


@pytest.mark.parametrize("case", MUST, ids=lambda case: case.name)
def test_must_exit_0(case: Case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = case.attempt(tmp_path)
    assert (code, case.exit) == (0, 0), said
    assert case.says in said


def test_names_differ():
    names = [case.name for case in [*NEVER, *MUST]]
    assert len(names) == len(set(names))
