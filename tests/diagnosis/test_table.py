"""The table of causes in the manual is what the program knows."""

from __future__ import annotations

import re
from pathlib import Path

from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.symptoms import OBSTACLES, REFUSALS, REPLIES
from mailsluice.diagnosis.table import tables

MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
SYMPTOMS = (*REFUSALS.values(), *OBSTACLES.values(), *(reply.symptom for reply in REPLIES))


def rows() -> list[list[str]]:
    """The cells of each row, without the heads."""
    lines = [line for line in tables().splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[cell.strip() for cell in row] for row in cells if row[0].strip() not in {"what is seen", "---"}]


def test_the_manual_has_the_tables_as_they_are() -> None:
    assert f"\n{tables()}\n## " in MANUAL.read_text(), "`make generated` writes them"


def test_all_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    for part in tables().split("### ")[1:]:
        lines = [line for line in part.splitlines() if line.startswith("| ")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_everything_that_is_seen_stands_there_once() -> None:
    seen = ", ".join(row[0] for row in rows() if row[0])
    assert [symptom.seen for symptom in SYMPTOMS if seen.count(symptom.seen) == 0] == []
    assert seen.count("`AADSTS7000215`") == 1


def test_every_cause_that_anything_may_come_from_is_explained() -> None:
    possible = {cause for symptom in SYMPTOMS for cause in (*symptom.causes, *symptom.of_person)}
    explained = {cause for cause in Cause if any(row[1].endswith(f"(`{cause}`)") for row in rows())}
    assert explained == possible


def test_symptoms_with_the_same_causes_share_their_rows() -> None:
    firsts = [row[0] for row in rows() if row[0]]
    assert any(first.startswith("`AADSTS700024`, `AADSTS500133`") for first in firsts)


def test_the_commonest_cause_comes_first() -> None:
    at = next(n for n, row in enumerate(rows()) if "Authentication failure: unknown" in row[0])
    means = [row[1] for row in rows()[at : at + 3]]
    assert "FullAccess" in means[0]
    assert "New-ServicePrincipal" in means[1]
    assert "POP is off" in means[2]


def test_a_cause_is_explained_once_in_a_table_and_named_by_its_word_afterwards() -> None:
    for part in tables().split("### ")[1:]:
        explained = re.findall(r" \(`([a-z-]+)`\) \|", part)
        assert len(explained) == len(set(explained))
        again = [line for line in part.splitlines() if line.endswith("| as above |")]
        words = {word for line in again for word in re.findall("`([a-z-]+)`", line.split(" | ")[-3])}
        assert words <= set(explained)


def test_no_name_is_left_open() -> None:
    assert not re.search(r"\{[a-z]", tables())
    assert not re.search(r"<[A-Za-z]", re.sub("`[^`]*`", "", tables()))
    assert "store the Value; it is shown" in tables()  # and not what stands for the place
    assert Cause.NO_FULL_ACCESS.means not in tables()
