"""Writes the OpenAPI description: `python -m milepost_query.description.openapi_file FILE`."""

import json
import sys
from pathlib import Path

from milepost_query.application import routed_application


def openapi_text() -> str:
    """The text of the file that is checked in."""
    return json.dumps(routed_application().openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m milepost_query.description.openapi_file FILE")
    Path(sys.argv[1]).write_text(openapi_text(), encoding="utf-8")
