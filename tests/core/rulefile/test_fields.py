"""What every field of a rule file means is said once, where the value is defined."""

import msgspec
import pytest

from planner.core.rulebook.book import SettingRow, Settings
from planner.core.rulebook.policies import BundleRule, Match, Portion, Range, UrlSources, WebRule
from planner.core.rulefile import SHAPES
from planner.core.rulefile.callersfile import CallerShape
from planner.core.rulefile.fields import TWINS, Struct, meaning, meanings, structs_of, summary
from planner.core.rulefile.policyfile import PolicyShape, ThenShape
from planner.core.rulefile.pricefile import PriceShape

OUTERMOST: tuple[Struct, ...] = (*SHAPES.values(), Settings)
ALL = sorted({each for shape in OUTERMOST for each in structs_of(shape)}, key=lambda struct: struct.__name__)


@pytest.mark.parametrize("struct", ALL, ids=lambda struct: struct.__name__)
def test_every_field_is_described_in_one_sentence(struct: Struct) -> None:
    """None is left out, and none is described that does not exist."""
    names = [field.name for field in msgspec.structs.fields(struct)]
    for name in names:
        text = meaning(struct, name)
        assert text.endswith(".")
        assert not text.endswith("..")
        assert text[0].isupper() or not text[0].isalpha()
        assert "\n" not in text
        assert "  " not in text
    assert summary(struct).endswith(".")
    if struct not in TWINS and not any(base in TWINS for base in struct.__mro__):
        assert set(meanings(struct)) == set(names)


def test_a_sentence_may_run_over_lines() -> None:
    """The lines below a field that are indented further belong to it."""

    class Example(msgspec.Struct):
        """An example.

        Of two paragraphs.

        Attributes:
            one: begins here
                and ends here.
            two: is another.
        """

        one: int
        two: int

    assert summary(Example) == "An example. Of two paragraphs."
    assert meanings(Example) == {"one": "begins here and ends here.", "two": "is another."}
    assert meaning(Example, "one") == "Begins here and ends here."
    with pytest.raises(KeyError):
        meaning(Example, "three")


def test_what_a_shape_inherits_or_becomes_describes_it() -> None:
    """A row of prices has dates as all rows have; a policy of a file is described by the policy that it becomes."""
    assert meaning(PriceShape, "since").startswith("The first day")
    assert meaning(PriceShape, "models") == "Exact ids, or globs."
    assert meaning(CallerShape, "keys").startswith("Fingerprints")


def test_structs_stand_in_the_order_of_reading() -> None:
    """Each once, the outer before the inner."""
    assert structs_of(PolicyShape) == (PolicyShape, Match, Range, ThenShape, BundleRule, UrlSources, WebRule, Portion)
    assert structs_of(SettingRow) == (SettingRow,)
