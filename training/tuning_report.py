"""What a search found, for people and for git: one page with pictures, and the winner as a recipe file."""

from __future__ import annotations

from typing import Any

import tomlkit

from riskmodel.contract.findings import Language
from riskmodel.contract.pictures import COLOURS, as_svg, drawing
from riskmodel.families import search
from riskmodel.families.recipe import Recipe
from riskmodel.validation import worse_by
from training.page import Section, page_words, render
from training.tune import Tried, Tuned

MADE_BY = "# Written by 'riskmodel tune'."
_MARKERS = ("o", "s", "^")


def recipe_text(tuned: Tuned) -> str:
    """Give the winner as a recipe file, as `riskmodel train --family FILE` reads it; the same search gives the same text."""
    worse, error = worse_by(tuned.winner.validated, tuned.best.validated)
    document = tomlkit.document()
    comments = [
        MADE_BY.removeprefix("# "),
        f"The simplest of {len(tuned.tried)} trials within one standard error of the best: trial {tuned.winner.number}, best {tuned.best.number}.",
        f"Log loss {tuned.winner.validated.loss:.5f}, {worse:.5f} above the best (standard error {error:.5f}); AUC {tuned.winner.validated.roc_auc:.4f}.",
        f"Learnt from and measured on {', '.join(tuned.learnt_from)}; {tuned.untouched} was not looked at. Seed {tuned.seed}.",
        f"Data {tuned.fingerprint}.",
    ]
    for comment in comments:
        document.add(tomlkit.comment(comment))
    told = tuned.winner.recipe.model_dump(mode="json", exclude_none=True)
    space = told.pop("search")
    used = {"logistic": ("logistic",), "lightgbm": ("lightgbm",), "blend": ("logistic", "lightgbm")}[tuned.winner.recipe.family]
    for name, value in told.items():
        if name not in ("logistic", "lightgbm"):
            document[name] = value
    for part in used:
        document[part] = told[part]
    kept = {name: values for name, values in space.items() if name not in ("logistic", "lightgbm") and values}
    kept |= {part: {name: values for name, values in space[part].items() if values} for part in used}
    document["search"] = kept
    return tomlkit.dumps(document)


def tuning_page(tuned: Tuned, language: Language = "en") -> str:
    """Give the page: what won, search history, importance of parameters, and what simplicity costs."""
    words = page_words("tuning", language)
    worse, error = worse_by(tuned.winner.validated, tuned.best.validated)
    answer = words["answer" if tuned.winner is not tuned.best else "answer_best"].format(
        winner=_named(tuned.winner, words), number=tuned.winner.number, best=tuned.best.number, trials=len(tuned.tried),
        worse=_number(worse, language, 5), error=_number(error, language, 5),
        auc=_number(tuned.winner.validated.roc_auc, language, 3),
    )  # fmt: skip
    paragraphs = [
        words["data"].format(
            institution=tuned.institution, cohorts=", ".join(tuned.learnt_from), folds=", ".join(_fold(name, words) for name in tuned.folds),
            untouched=tuned.untouched, students=tuned.students, days=", ".join(map(str, tuned.landmarks)),
            targets=", ".join(words["targets"][name] for name in tuned.targets), seed=tuned.seed,
        ),
        words["objective"],
        words["caution"],
        words["fingerprint"].format(fingerprint=tuned.fingerprint),
    ]  # fmt: skip
    if tuned.left_out:
        paragraphs.append(words["left_out"].format(count=len(tuned.left_out)))
    sections = [
        _history(tuned, words, language),
        *_importance(tuned, words, language),
        _price(tuned, words, language),
        _winner(tuned, words),
    ]
    sections.append(_all(tuned, words, language))
    return render(language, words["title"], answer, paragraphs, sections, words["as_table"])


def _number(value: float, language: Language, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if language == "nl" else text


def _fold(name: str, words: dict[str, Any]) -> str:
    kind, _, number = name.partition(" ")
    return f"{words['folds'][kind]} {number}" if kind in words["folds"] else name


def _named(tried: Tried, words: dict[str, Any]) -> str:
    return str(words["families"][tried.recipe.family])


def _values(tried: Tried) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in tried.values.items())


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _history(tuned: Tuned, words: dict[str, Any], language: Language) -> Section:
    figure, axes = drawing(3.6)
    least: list[float] = []
    for each in tuned.tried:
        least.append(min([*least[-1:], each.validated.loss]))
    for place, family in enumerate(dict.fromkeys(each.recipe.family for each in tuned.tried)):
        own = [each for each in tuned.tried if each.recipe.family == family]
        axes.scatter(
            [each.number for each in own], [each.validated.loss for each in own], s=26, marker=_MARKERS[place % 3], color=COLOURS[place],
            label=words["families"][family],
        )  # fmt: skip
    axes.step([each.number for each in tuned.tried], least, where="post", color=COLOURS[6], linewidth=1.2, label=words["best_so_far"])
    winner = tuned.winner
    axes.scatter(
        [winner.number], [winner.validated.loss], s=150, facecolors="none", edgecolors=COLOURS[6], linewidths=1.6, label=words["winner"]
    )
    axes.set_xlabel(words["trial"])
    axes.set_ylabel(words["loss"])
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    rows = [
        (str(each.number), _named(each, words), _number(each.validated.loss, language, 5), _number(low, language, 5))
        for each, low in zip(tuned.tried, least, strict=True)
    ]
    header = (words["trial"], words["family"], words["loss"], words["best_so_far"])
    return Section(words["history_title"], (words["history_text"],), as_svg(figure, "history"), header, tuple(rows))


def _importance(tuned: Tuned, words: dict[str, Any], language: Language) -> list[Section]:
    if not tuned.importances:
        return [Section(words["importance_title"], (words["importance_few"],))]
    told = []
    for family, shares in tuned.importances.items():
        figure, axes = drawing(0.9 + 0.32 * len(shares))
        axes.barh(list(shares), [100 * share for share in shares.values()], color=COLOURS[0])
        axes.invert_yaxis()
        axes.set_xlabel(words["importance_unit"])
        rows = tuple((name, f"{_number(100 * share, language, 0)} %") for name, share in shares.items())
        title = words["importance_of"].format(family=words["families"][family])
        text = (words["importance_text"],)
        told.append(Section(title, text, as_svg(figure, f"importance {family}"), (words["parameter"], words["importance_unit"]), rows))
    return told


def _price(tuned: Tuned, words: dict[str, Any], language: Language) -> Section:
    steps = list(tuned.frontier)
    if tuned.winner not in steps:
        steps.append(tuned.winner)
        steps.sort(key=lambda each: (search.complexity(each.recipe, len(tuned.landmarks), tuned.recent_days), each.validated.loss))
    rows, middles, errors = [], [], []
    for each in steps:
        worse, error = worse_by(each.validated, tuned.best.validated)
        middles.append(worse)
        errors.append(error)
        mark = words["winner"] if each is tuned.winner else words["best"] if each is tuned.best else ""
        auc = each.validated.roc_auc - tuned.best.validated.roc_auc
        rows.append(
            (str(each.number), _named(each, words), _values(each), _number(worse, language, 5), _number(error, language, 5),
             _number(auc, language, 4), mark)
        )  # fmt: skip
    figure, axes = drawing(3.4)
    places = list(range(len(steps)))
    axes.axhline(0.0, color="#999999", linewidth=1)
    axes.errorbar(places, middles, yerr=errors, fmt="o", color=COLOURS[0], capsize=3)
    at = steps.index(tuned.winner)
    axes.scatter([at], [middles[at]], s=150, facecolors="none", edgecolors=COLOURS[6], linewidths=1.6, zorder=3, label=words["winner"])
    axes.set_xticks(places, [f"{words['trial']} {each.number}\n{_named(each, words)}" for each in steps], fontsize=8)
    if len(steps) > 6:
        axes.tick_params(axis="x", rotation=60)
    axes.set_xlabel(words["simple_to_complex"])
    axes.set_ylabel(words["worse"])
    axes.legend(frameon=False)
    return Section(
        words["price_title"],
        (words["price_text"], words["price_order"]),
        as_svg(figure, "price"),
        tuple(words["price_header"].split("|")),
        tuple(rows),
    )


def _winner(tuned: Tuned, words: dict[str, Any]) -> Section:
    recipes: tuple[Recipe, ...] = (tuned.winner.recipe, tuned.best.recipe)
    asked = [each for each in tuned.tried if each.asked and each.recipe.family == tuned.winner.recipe.family]
    header, columns = [words["parameter"], words["winner"], words["best"]], list(recipes)
    if asked:
        header.append(words["as_it_was"])
        columns.append(asked[0].recipe)
    rows = [(words["family"], *(str(recipe.family) for recipe in columns))]
    names = dict.fromkeys(choice.name for recipe in columns for choice in search.choices(recipe))
    rows += [(name, *(_plain(_of(recipe, name)) for recipe in columns)) for name in names]
    return Section(words["winner_title"], (words["winner_text"],), "", tuple(header), tuple(rows))


def _of(recipe: Recipe, name: str) -> Any:
    part, _, parameter = name.rpartition(".")
    unused = (part == "logistic" and recipe.family == "lightgbm") or (part == "lightgbm" and recipe.family == "logistic")
    unused = unused or (name == "blend_weight" and recipe.family != "blend")
    return "-" if unused else getattr(getattr(recipe, part) if part else recipe, parameter)


def _all(tuned: Tuned, words: dict[str, Any], language: Language) -> Section:
    rows = tuple(
        (str(each.number), _named(each, words), _values(each), _number(each.validated.loss, language, 5),
         _number(each.validated.roc_auc, language, 4), _number(each.seconds, language, 1))
        for each in tuned.tried
    )  # fmt: skip
    return Section(words["all_title"], (), "", tuple(words["all_header"].split("|")), rows, folded=True)
