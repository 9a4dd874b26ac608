"""The data card of a published data set: what it is, how it was made, its licence and its limits."""

from __future__ import annotations

from importlib import resources

import jinja2
from markupsafe import Markup

from survey.export.publish.description import About, Facts
from survey.text.escaping import markdown, markdown_code, python_literal


def data_card(facts: Facts, about: About, *, hostnames: bool) -> str:
    """Return the card in Markdown. All values are escaped, unless the template says otherwise.

    Args:
        facts: The facts in the data.
        about: The publisher's details.
        hostnames: Whether the data include names of hosts.
    """
    folder = resources.files("survey.export.publish")
    environment = jinja2.Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else markdown(str(value)),
    )
    environment.filters["code"] = lambda text: Markup(markdown_code(text))
    environment.filters["literal"] = lambda value: Markup(python_literal(value))
    template = environment.from_string(folder.joinpath("data_card.md.j2").read_text(encoding="utf-8"))
    differences = folder.joinpath("differences.md").read_text(encoding="utf-8")
    return template.render(facts=facts, about=about, hostnames=hostnames, differences=differences)
