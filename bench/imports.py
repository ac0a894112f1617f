"""`xinban import --apply` as a clerk runs it: the whole process, from start to commit."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyogrio
import shapely

from bench.report import Figure
from bench.servers import migrated_database

MAPPING = """
source: {{code: bench-{kind}, name: benchmark file}}
crs: wgs84
{geometry}
external_id: 编号
category: meal_point
fields:
  name: 名称
  address: 地址
  phones: 电话
  hours: 开放时间
"""


def run(*, rows: int, folder: Path) -> list[Figure]:
    """Rows a second committed, and the most memory the process held."""
    figures = []
    for kind, file, geometry in (
        ("csv", _csv(rows, folder), "geometry: {lon: 经度, lat: 纬度}"),
        ("gpkg", _gpkg(rows, folder), ""),
    ):
        mapping = folder / f"{kind}.yaml"
        mapping.write_text(MAPPING.format(kind=kind, geometry=geometry), encoding="utf-8")
        with migrated_database() as url:
            seconds, most_mb = _import(url, file, mapping)
        conditions = f"{rows:,} rows, whole process: check, apply, commit"
        figures += [
            Figure(f"import {kind}", rows / seconds, "rows/s", ">= 5000", conditions),
            Figure(f"import {kind}, memory", most_mb, "MB", "<= 300", conditions),
        ]
    return figures


def _import(url: str, file: Path, mapping: Path) -> tuple[float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from api.cli import main; main()",
            "import",
            str(file),
            "--map",
            str(mapping),
            "--apply",
        ],
        env={**os.environ, "XINBAN_DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    most_mb = 0.0
    while process.poll() is None:
        most_mb = max(most_mb, _high_water_mb(process.pid))
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    assert process.stderr is not None
    if process.returncode:
        raise RuntimeError(f"import failed: {process.stderr.read().decode(errors='replace')[-2000:]}")
    return seconds, most_mb


def _high_water_mb(pid: int) -> float:
    """Most memory held since the program started; the kernel's rusage would count this bench's own, from the fork."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:  # it has just ended
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else 0.0


def _row(i: int) -> tuple[str, str, str, str, str, float, float]:
    return (
        f"B{i:07d}",
        f"中川镇第{i}社区老年助餐点",
        f"兰州新区中川镇纬{i % 40 + 1}路{i % 900 + 1}号",
        f"0931-555-{i % 10000:04d}",
        "Mo-Fr 11:00-13:00,17:00-18:30; PH off",
        103.45 + i * 7919 % 350_000 / 1e6,
        36.35 + i * 104_729 % 350_000 / 1e6,
    )


def _csv(rows: int, folder: Path) -> Path:
    path = folder / "bench.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("编号,名称,地址,电话,开放时间,经度,纬度\n")
        for i in range(rows):
            number, name, address, phone, hours, lon, lat = _row(i)
            file.write(f'{number},{name},{address},{phone},"{hours}",{lon:.6f},{lat:.6f}\n')
    return path


def _gpkg(rows: int, folder: Path) -> Path:
    path = folder / "bench.gpkg"
    made = [_row(i) for i in range(rows)]
    columns = list(zip(*made, strict=True))
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(shapely.points(np.array(columns[5]), np.array(columns[6]))),
        field_data=[np.array(column, dtype=object) for column in columns[:5]],
        fields=["编号", "名称", "地址", "电话", "开放时间"],
        geometry_type="Point",
        crs="EPSG:4326",
        layer="sites",
    )
    return path
