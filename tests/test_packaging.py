"""The wheel: three packages, templates and configurations inside, and it runs from hostile folders."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The wheel's files, as installed."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def run(site, cwd, *argv):
    """Run the installed command line in a folder."""
    start = f"import sys; sys.path.insert(0, {str(site)!r}); sys.argv = ['jax-audit', *{list(argv)!r}]; "
    command = [sys.executable, "-P", "-c", start + "from audit.cli import main; main()"]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}
    )


def test_the_wheel_holds_three_packages_and_what_they_read(site):
    assert {p.name for p in site.iterdir() if p.suffix != ".dist-info"} == {"audit", "models", "reports"}
    for path in ("audit/_configs/quickstart.yaml", "audit/_configs/policies/default.yaml",
                 "reports/templates/page.html.j2", "reports/templates/page.css"):  # fmt: skip
        assert (site / path).is_file(), path


def test_shipped_configurations_are_found_in_the_wheel(site, tmp_path):
    done = run(site, tmp_path, "run", "quickstrt")
    assert done.returncode == 2
    assert "perhaps 'quickstart'" in done.stderr


@pytest.mark.parametrize("name", ["models.py", "audit.py", "audit/__init__.py", "reports.py"])
def test_hostile_folders_change_nothing(site, tmp_path, name):
    hostile = tmp_path / name
    hostile.parent.mkdir(exist_ok=True)
    hostile.write_text("raise SystemExit(0)\n")
    done = run(site, tmp_path, "gate", "nowhere")
    assert done.returncode == 2
    assert "holds no evidence.json" in done.stderr


def test_a_package_of_ours_overwritten_by_another_distribution_is_refused(site, tmp_path):
    other = tmp_path / "models"
    other.mkdir()
    (other / "__init__.py").write_text("")
    start = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(site)!r}]; sys.argv = ['jax-audit', 'version']; "
    command = [sys.executable, "-P", "-c", start + "from audit.cli import main; main()"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=site)
    assert done.returncode == 2
    assert "'models' comes from" in done.stderr
