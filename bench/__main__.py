"""Runs one benchmark: `python -m bench NAME [--json]`."""

import argparse
import json
from importlib import import_module
from typing import Any, Final

import uvloop

BENCHMARKS: Final = (
    "audit",
    "flood",
    "latency",
    "memory",
    "projector",
    "query",
    "rebuild",
    "streams",
)
"""Each is a module here with `async def run(rounds: int) -> dict`."""


def main() -> None:
    """Prints a table, and with `--json` the result as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken over these")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    result = uvloop.run(import_module(f"bench.{arguments.name}").run(arguments.rounds))
    print_table(result)
    if arguments.json:
        print(json.dumps({"benchmark": arguments.name, **result}))


def print_table(result: dict[str, Any], indent: str = "") -> None:
    """One line for each figure, groups indented."""
    for name, value in result.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            print_table(value, f"{indent}  ")
        else:
            shown = f"{value:,.3f}" if isinstance(value, float) else str(value)
            print(f"{indent}{name:<28}{shown:>14}")


if __name__ == "__main__":
    main()
