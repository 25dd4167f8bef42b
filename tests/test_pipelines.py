"""The example pipelines: valid YAML, commands and options that exist, and a gate that only a PASS gets through."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from test_verify import files, record

from audit import cli, store

PIPELINES = Path(__file__).parents[1] / "docs" / "pipelines"
COMMANDS = typer.main.get_command(cli.app).commands
RULES = (
    "name: p\nrules:\n  - {id: A1, measure: accuracy.overall.accuracy, at_least: LIMIT, because: a test}\n"
)


def read(name):
    return yaml.safe_load((PIPELINES / name).read_text())


def scripts(name):
    """The shell of a pipeline, a script a step; GitLab runs all its lines in one shell."""
    if name == "github-actions.yml":
        steps = {step.get("name"): step.get("run") for step in read(name)["jobs"]["audit"]["steps"]}
        return [steps["Audit"], steps["Summary"], steps["Gate"]]
    if name == "gitlab-ci.yml":
        return ["\n".join(read(name)["audit"]["script"])]
    return [read(name)["repos"][0]["hooks"][0]["entry"]]


NAMES = sorted(path.name for path in PIPELINES.iterdir())


def test_there_is_a_pipeline_for_each_service():
    assert NAMES == ["github-actions.yml", "gitlab-ci.yml", "pre-commit-config.yaml"]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_and_option_of_a_pipeline_exists(name):
    lines = [line for script in scripts(name) for line in re.split(r"[\n;]", script)]
    calls = [line.partition("jax-audit ")[2] for line in lines if "jax-audit " in line]
    assert calls
    for call in calls:
        command, *words = shlex.split(call.partition("||")[0].rstrip("'"), comments=True)
        known = {option for p in COMMANDS[command].params for option in p.opts}
        assert {word for word in words if word.startswith("--")} <= known, call


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_a_pipeline_gates_by_exit_code_and_by_the_written_verdict(name):
    gate = scripts(name)[-1]
    assert re.search(r'test "\$(CODE|code)" = 0', gate)
    assert "jax-audit gate" in gate and "jax-audit verify" in gate and "verdict.json" in gate
    assert "--format sarif" in "".join(scripts(name)) and "--format markdown" in "".join(scripts(name))


@pytest.fixture
def place(tmp_path):
    """A folder as a pipeline's: `jax-audit` is ours, its `run` copies a stored run and exits with its code."""
    for name in ("bin", "runs", "kept"):
        (tmp_path / name).mkdir()
    script = (
        f'#!/bin/sh\nif [ "$1" = run ]; then cp -r kept/2* runs/; exit "$AUDIT_EXITS"; fi\n'
        f'exec {shlex.quote(sys.executable)} -P -m audit "$@"\n'
    )
    (tmp_path / "bin/jax-audit").write_text(script)
    (tmp_path / "bin/jax-audit").chmod(0o755)
    return tmp_path


def through(place, name, exits):
    """Whether a pipeline's shell lets a release go on, each step as its service runs it."""
    out = place / "out"
    env = {**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}", "AUDIT_EXITS": str(exits),
           "GITHUB_OUTPUT": str(out), "GITHUB_STEP_SUMMARY": str(place / "step.md")}  # fmt: skip
    for script in scripts(name):
        if out.exists():
            env["CODE"] = out.read_text().strip().partition("=")[2]
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script], cwd=place, env=env, capture_output=True, text=True
        )
        if done.returncode:
            return False
    return True


CASES = [  # rows that are right of 1,000, what `run` exits with, whether the release goes on
    ("github-actions.yml", 900, 0, True),
    ("github-actions.yml", 700, 0, False),  # the exit code lies
    pytest.param("github-actions.yml", 805, 3, False, marks=pytest.mark.slow),
    ("gitlab-ci.yml", 900, 0, True),
    pytest.param("gitlab-ci.yml", 900, 1, False, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "right", "exits", "goes"), CASES)
def test_only_a_pass_gets_through_a_pipeline(place, name, right, exits, goes):
    store.write(place / "kept", record(right), files())
    assert through(place, name, exits) is goes
    assert (place / "summary.md").read_text().startswith("# ")
    assert (place / "audit.sarif").stat().st_size > 1000
    if name == "github-actions.yml":
        alerts = json.loads((place / "alerts.sarif").read_text())["runs"][0]["results"]
        kinds = {900: [], 700: ["fail"], 805: ["open"]}  # of A1; the advisory A2 passes
        assert [r["kind"] for r in alerts] == kinds[right]


def test_without_the_written_verdict_nothing_gets_through(place):
    folder = store.write(place / "kept", record(), files())
    (folder / "verdict.json").unlink()
    assert through(place, "gitlab-ci.yml", 0) is False


@pytest.mark.parametrize(("limit", "goes"), [("0.8", True), ("0.95", False)])
def test_the_hook_tries_a_changed_policy_on_the_last_run(place, limit, goes):
    store.write(place / "runs", record(), files())
    (place / "policy.yaml").write_text(RULES.replace("LIMIT", limit))
    assert through(place, "pre-commit-config.yaml", 0) is goes
