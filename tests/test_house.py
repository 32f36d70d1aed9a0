"""The house itself: who may import whom, and that the sources say what pyproject says."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import thumbd_client
import thumbd_daemon
import thumbd_gallery
import thumbd_protocol

ROOT = Path(__file__).resolve().parent.parent


def test_every_import_keeps_to_the_contracts() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_all_packages_have_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for package in (thumbd_client, thumbd_daemon, thumbd_gallery, thumbd_protocol):
        assert package.__version__ == project["version"]


def test_nothing_is_swallowed() -> None:
    sources = [path for name in ("protocol", "daemon", "client") for path in (ROOT / name).rglob("*.py")]
    assert len(sources) > 40
    for path in sources:
        assert not re.search(r"except (Exception|BaseException)?:\s*\n\s*pass\b", path.read_text()), path
