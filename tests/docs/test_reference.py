"""The reference tells what the code has: no less, no more."""

from __future__ import annotations

import re

from kernelq.kernel.discovery import Discovery
from kernelq.kernel.hooks import NAMES


def headings(page: str) -> list[str]:
    """Return the headings of the second level."""
    return re.findall(r"^## (.+)$", page, re.MULTILINE)


def test_every_setting_has_a_heading(reference):
    """In the order of the alphabet, those of the installed plugins included."""
    from kernelq import KernelQ

    with KernelQ("docs") as app:
        app.finalize()
        assert app.conf.names() == headings(reference.settings_page())


def test_every_hook_has_a_heading_and_a_sentence(reference):
    """A hook without a docstring could not be used."""
    page = reference.hooks_page()

    assert sorted(NAMES) == headings(page)
    assert [] == [name for name, doc in reference.DOCS.items() if not (doc or "").strip().endswith(".")]


def test_every_group_that_is_in_use_has_a_heading(reference):
    """And so have those that wait for their first plugin."""
    assert sorted(reference.GROUPS) == headings(reference.groups_page())
    assert set() == set(Discovery().groups()) - set(reference.GROUPS)


def test_every_contract_is_on_the_page_of_contracts(repository):
    """One directive for each file."""
    page = (repository / "docs/reference/contracts.md").read_text()
    shown = set(re.findall(r"^::: kernelq\.kernel\.contracts\.(\w+)$", page, re.MULTILINE))
    files = (repository / "core/src/kernelq/kernel/contracts").glob("[a-z]*.py")

    assert {path.stem for path in files} == shown


def test_every_control_command_has_a_heading_and_a_summary(reference):
    """What `kernelq inspect --help` shows is never empty."""
    discovery = Discovery()
    loaded = [found.load() for found in discovery.found("kernelq.commands")]

    assert [command.name for command in loaded] == headings(reference.commands_page())
    assert [] == [command.name for command in loaded if not command.summary.endswith(".")]
    assert discovery.names("kernelq.commands") == [command.name for command in loaded]


def test_every_command_of_the_command_line_has_a_heading_and_help(reference):
    """Sub-commands too; every option has a help text."""
    import click

    from kernelq.cli.main import root

    contexts = list(reference._walk(click.Context(root, info_name="kernelq")))
    mute = [
        f"{context.command_path} {option.name}"
        for context in contexts
        for option in context.command.params
        if isinstance(option, click.Option) and not option.help and not option.hidden
    ]

    assert [context.command_path for context in contexts] == headings(reference.cli_page())
    assert mute == []


def test_every_page_is_in_the_navigation(repository):
    """A page that nobody can reach is not there."""
    navigation = (repository / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    pages = set(re.findall(r"[\w/-]+\.md", navigation))
    docs = repository / "docs"
    written = {str(path.relative_to(docs)) for path in docs.rglob("*.md") if "examples" not in path.parts}

    assert written | {f"reference/{name}.md" for name in ("settings", "hooks", "groups", "commands", "cli")} == pages
