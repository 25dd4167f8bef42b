"""The light commands: no JAX, one line for what is wrong, and our own packages even in hostile folders."""

import os
import subprocess
import sys

import pytest

LOADED = """
import sys, audit.cli as cli
sys.argv = ["jax-audit", *{argv!r}]
code = 0
try:
    cli.main()
except SystemExit as stop:
    code = stop.code
heavy = sorted({{"jax", "flax", "optax", "shap", "fairlearn", "sklearn", "pandas", "orbax"}} & set(sys.modules))
print("CODE", code, "HEAVY", heavy)
"""


def run(*argv, cwd=None, python=("-P",), env=None):
    """Run the command line in a fresh interpreter."""
    command = [sys.executable, *python, "-m", "audit", *argv]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **(env or {})})


LIGHT = [["--help"], ["version"], ["run", "--help"], ["gate", "nowhere"], ["report", "nowhere"],
         ["compare", "nowhere", "nowhere"], ["verify", "nowhere"], ["sign", "nowhere", "--key", "k"]]  # fmt: skip


@pytest.mark.parametrize("argv", LIGHT)
def test_light_commands_load_nothing_heavy(argv):
    done = subprocess.run([sys.executable, "-c", LOADED.format(argv=argv)], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == f"CODE {2 if 'nowhere' in argv else 0} HEAVY []", done.stderr


MISTAKES = ["nonsense", "run", "run no.yaml", "gate no", "explain accurcy", "run quickstart --set seed",
            "report no --format pdf", "verify no", "sign no --key k"]  # fmt: skip


@pytest.mark.parametrize("argv", [line.split() for line in MISTAKES])
def test_a_mistake_is_exit_2_without_a_traceback(argv, tmp_path):
    done = run(*argv, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["models.py", "models/__init__.py", "reports.py", "reports/__init__.py"])
def test_a_hostile_package_never_runs_instead_of_ours(tmp_path, name):
    hostile = tmp_path / name
    hostile.parent.mkdir(exist_ok=True)
    hostile.write_text("raise SystemExit(0)\n")
    done = run("explain", "accuracy", cwd=tmp_path, python=())
    assert done.returncode == 0, done.stderr
    assert "accuracy.overall.accuracy" in done.stdout


@pytest.mark.parametrize("name", ["audit.py", "audit/__init__.py"])
def test_an_audit_in_the_folder_cannot_touch_the_script(tmp_path, name):
    hostile = tmp_path / name
    hostile.parent.mkdir(exist_ok=True)
    hostile.write_text("raise SystemExit(0)\n")
    done = run("gate", "nowhere", cwd=tmp_path)  # -P, as the installed script
    assert done.returncode == 2
    assert "holds no evidence.json" in done.stderr


def test_another_distribution_that_ships_models_is_refused(tmp_path):
    other = tmp_path / "site" / "models"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("")
    done = run("version", env={"PYTHONPATH": str(tmp_path / "site")})
    assert done.returncode == 2
    assert "'models' comes from" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
