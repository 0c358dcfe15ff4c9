"""`python -m grafana`: writes the dashboards to `grafana/dashboards/`, with the addresses that links begin with."""

import argparse
from pathlib import Path
from typing import Final

from grafana import decisions, finance, operations
from grafana.pages import DOCS, PLANNER, make, text

FOLDER: Final = Path(__file__).parent / "dashboards"
PAGES: Final = {"finance": finance.PAGE, "operations": operations.PAGE, "decisions": decisions.PAGE}


def written(*, planner: str = PLANNER, docs: str = DOCS) -> dict[str, str]:
    """Every dashboard's JSON by its file name."""
    return {f"{name}.json": text(make(page, planner=planner, docs=docs)) for name, page in PAGES.items()}


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(prog="python -m grafana", description=__doc__)
    parser.add_argument("--planner", default=PLANNER, help="where the planner is, for people's browsers")
    parser.add_argument("--docs", default=DOCS, help="where the folder docs/ is served")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to write")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name, content in written(planner=asked.planner, docs=asked.docs).items():
        (asked.out / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
