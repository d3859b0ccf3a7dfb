"""How the guide looks at a terminal, and in the manual."""

from __future__ import annotations

from mailsluice.diagnosis.tenant.layout import WIDTH, Code, Step, Table, cell, markdown, plain

STEP = Step(
    "Open the door",
    (
        "Press *Open* > *Now*, and see `a > b`.",
        Code("sh", ("if true; then", "    open", "fi")),
        Table(("what", "where"), (("a key", "*Keys* > <name>"), ("`a | b`", "here"))),
    ),
)


def test_at_a_terminal_a_step_has_a_number_and_its_commands_stand_out() -> None:
    assert plain([STEP]) == (
        "1. Open the door\n"
        "\n"
        "   Press Open > Now, and see `a > b`.\n"
        "\n"
        "      if true; then\n"
        "          open\n"
        "      fi\n"
        "\n"
        "      what     where\n"
        "      a key    Keys > <name>\n"
        "      `a | b`  here\n"
    )


def test_in_the_manual_a_step_is_a_section_and_nothing_in_it_is_taken_for_markup() -> None:
    assert markdown([STEP]) == (
        "## 1. Open the door\n"
        "\n"
        "Press *Open* → *Now*, and see `a > b`.\n"
        "\n"
        "```sh\n"
        "if true; then\n"
        "    open\n"
        "fi\n"
        "```\n"
        "\n"
        "| what | where |\n"
        "| --- | --- |\n"
        "| a key | *Keys* → &lt;name&gt; |\n"
        "| `a \\| b` | here |\n"
    )


def test_steps_follow_each_other_with_an_empty_line_between() -> None:
    assert plain([Step("One", ("a",)), Step("Two", ("b",))]) == "1. One\n\n   a\n\n2. Two\n\n   b\n"


def test_a_long_paragraph_is_broken_between_words_alone() -> None:
    text = " ".join(["Certificates-and-secrets"] * 20)
    lines = plain([Step("One", (text,))]).splitlines()[2:]
    assert max(map(len, lines)) <= WIDTH
    assert " ".join(line.strip() for line in lines) == text


def test_a_command_is_never_broken() -> None:
    line = "x y " * 50
    assert f"      {line.strip()}\n" in plain([Step("One", (Code("sh", (line,)),))])
    assert f"\n   `{line}`\n" in plain([Step("One", (f"some words before `{line}` and after",))])


def test_a_bar_in_a_cell_is_no_border() -> None:
    assert cell("a | b") == "a \\| b"
