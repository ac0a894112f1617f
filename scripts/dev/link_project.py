"""Link the checkout into the running interpreter's environment, as an editable install does, with no build backend.

`pip install -e .` fetches setuptools from the network, outside the lock file. All that an editable install of pure Python
leaves behind are three things, written here from pyproject.toml: a .pth file with the project's path, a dist-info folder
(name, version and entry points, which `importlib.metadata` reads), and one script for each console entry point.

    python link_project.py PROJECT_ROOT
"""

import shutil
import sys
import sysconfig
import tomllib
from pathlib import Path

SCRIPT = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
# Shell first, Python second: a #! line allows neither spaces nor long paths.
import sys

from {module} import {function}

if __name__ == "__main__":  # a process that multiprocessing spawns, as serve --workers does, imports this file again
    sys.exit({function}())
"""


def entry_points(project: dict[str, object]) -> dict[str, dict[str, str]]:
    """Every entry-point group of pyproject.toml's [project] table: group → name → "module:function"."""
    groups: dict[str, dict[str, str]] = {}
    if isinstance(scripts := project.get("scripts"), dict):
        groups["console_scripts"] = scripts
    if isinstance(others := project.get("entry-points"), dict):
        groups.update(others)
    return groups


def link(root: Path) -> None:
    """Write the path file, the metadata and the scripts; replaces those of an earlier link or install."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    packages = Path(sysconfig.get_path("purelib"))
    for old in [*packages.glob(f"{name}-*.dist-info"), *packages.glob(f"__editable__*{name}*")]:
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()

    (packages / f"{name}.pth").write_text(f"{root}\n", encoding="utf-8")
    info = packages / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    (info / "INSTALLER").write_text("xinban-dev\n", encoding="utf-8")
    groups = entry_points(project)
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{point} = {target}" for point, target in points.items()), "")
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")

    for point, target in groups.get("console_scripts", {}).items():
        module, function = target.split(":")
        script = Path(sysconfig.get_path("scripts")) / point
        script.write_text(
            SCRIPT.format(python=sys.executable, module=module, function=function), encoding="utf-8"
        )
        script.chmod(0o755)


if __name__ == "__main__":
    link(Path(sys.argv[1]).resolve())
