"""What the importer says is written for the command line; over HTTP its options are parameters."""

import re
from dataclasses import replace

from geo.imports.report import Finding

_VALUED = re.compile(r"--(crs|encoding|layer|within) ([^\s，。；：,;:?？)）]+)")
_BARE = re.compile(r"--(crs|encoding|layer|within)\b")


def over_http(text: str) -> str:
    """``--crs gcj02`` becomes ``crs=gcj02``."""
    return _BARE.sub(r"\1", _VALUED.sub(r"\1=\2", text)) if "--" in text else text


def line_over_http(line: Finding) -> Finding:
    """The same for a line of the report; what the file says is not touched."""
    if line.severity in ("new", "changed"):
        return line
    return replace(
        line,
        zh=over_http(line.zh),
        en=over_http(line.en),
        do_zh=over_http(line.do_zh),
        do_en=over_http(line.do_en),
    )
