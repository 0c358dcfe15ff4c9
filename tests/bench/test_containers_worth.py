"""What warm containers are said to be worth is what is measured."""

from pathlib import Path

from tests.bench.containers_worth import held, measured, table
from tests.doubles.proxy import run
from tests.endtoend.cases import CASES

GUIDE = Path(__file__).parents[2] / "docs" / "containers.md"


def test_the_table_in_the_guide_is_what_is_measured() -> None:
    """Bill and virtual clock repeat to the last digit."""

    async def main() -> None:
        assert table(await measured()) in GUIDE.read_text(encoding="utf-8")

    run(main())


def test_a_start_is_waited_for_as_long_as_is_assumed() -> None:
    """Two containers fewer, of three: twice the assumption; money does not know of it."""

    async def main() -> None:
        pause = next(case for case in CASES if case.name == "pause")
        quick = [await held(pause, threading=each, start=0.0) for each in (False, True)]
        slow = [await held(pause, threading=each, start=7.0) for each in (False, True)]
        assert quick[0].waited == quick[1].waited
        assert slow[0].waited - slow[1].waited == 14.0
        assert [each.nano for each in quick] == [each.nano for each in slow]

    run(main())
