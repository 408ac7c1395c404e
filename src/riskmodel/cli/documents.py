"""`riskmodel document`: the papers of a registered model, in Dutch or English."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riskmodel.cli.context import progress, say, workspace
from riskmodel.cli.scoring import Language
from riskmodel.files import atomic_file

if TYPE_CHECKING:
    from riskmodel.documents import ServiceFacts

_PREFIX = "riskmodel-"


def document(
    model: Annotated[str, typer.Option("--model", help="Which model, e.g. riskmodel-leave@champion; @challenger works too.")],
    output: Annotated[Path | None, typer.Option(help="A folder for the papers; in the workspace by default.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help="The institution's answers as TOML; written with the questions where it is missing.")
    ] = None,
    language: Annotated[Language, typer.Option(help="Language of the papers.")] = Language.NL,
) -> None:
    """Write model card, technical documentation, facts for the assessments, register entry, instructions and the notice to students."""
    from riskmodel.documents import read_answers, write_papers
    from riskmodel.tables import TARGETS
    from training.document import gather
    from training.tracking import CHALLENGER, CHAMPION

    name, _, alias = model.partition("@")
    target, alias = name.removeprefix(_PREFIX), alias or CHAMPION
    if target not in TARGETS or alias not in (CHAMPION, CHALLENGER):
        known = ", ".join(f"{_PREFIX}{each}@{CHAMPION}" for each in TARGETS)
        raise typer.BadParameter(f"'{model}' is no model; there are {known}, and the same with @{CHALLENGER}.")
    with progress() as listener:
        listener(0, 2, "gathering")
        found, facts = gather(workspace(), target, alias)
        folder = output or workspace().folder / "papers" / f"{target}-{found.version}"
        asked = answers or workspace().folder / "answers.toml"
        new = not asked.exists()
        papers = write_papers(found, facts, read_answers(asked, language.value), asked.name, language.value, _service())
        listener(1, 2, "writing")
        for paper in papers:
            with atomic_file(folder / f"{paper.name}.html") as temporary:
                temporary.write_text(paper.html, encoding="utf-8")
    if new:
        say(f"Written: {asked}, with the questions that only the institution can answer.")
    for paper in papers[:-1]:
        say(f"  {paper.name}: {len(paper.still_open)} still open")
    say(f"Written: {folder / 'index.html'} and {len(papers) - 1} papers beside it")


def _service() -> ServiceFacts:
    """Give how long the service keeps what, and who may see it, from the settings and the roles that are in force in this workspace."""
    from riskmodel.documents import ServiceFacts
    from serving.access.configuration import read_access
    from serving.access.scopes import ALLOWED, MACHINES, Scope
    from serving.settings import read_settings

    settings = read_settings(workspace())
    access = read_access(settings.access_file) if settings.access_file else None
    described = type(settings.retention).model_fields
    return ServiceFacts(
        kept={kind: (days, described[kind].description or "") for kind, days in settings.retention.model_dump().items()},
        may={role.value: tuple(scope.value for scope in Scope if scope in scopes) for role, scopes in ALLOWED.items()},
        given_by={role.value: values for role, values in access.roles.items()} if access else {},
        machines=tuple(scope.value for scope in Scope if scope in MACHINES),
    )
