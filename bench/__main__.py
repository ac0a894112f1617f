"""``./dev bench NAME [--quick] [--json FILE]``."""

import argparse
import sys
from pathlib import Path

from bench import booking, identity, locator, startup
from bench.report import print_table, write_json

BENCHES = {"booking": booking, "identity": identity, "locator": locator, "startup": startup}


def main() -> int:
    """Run one bench; 0 when every target that decides is met."""
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="\n".join(
            f"{name}: {module.__doc__.splitlines()[0]}" for name, module in BENCHES.items() if module.__doc__
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", choices=sorted(BENCHES))
    parser.add_argument("--quick", action="store_true", help="at most a minute and 100k rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    asked = parser.parse_args()
    if asked.name is None:
        parser.print_help()
        return 0
    figures = BENCHES[asked.name].run(quick=asked.quick)
    print_table(figures)
    if asked.json is not None:
        write_json(figures, asked.json)
    return 0 if all(figure.ok is not False for figure in figures if figure.decides) else 1


sys.exit(main())
