"""The models that serve now: loaded once, watched, and swapped whole when a promotion has written new ones."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from riskmodel.catalogue import Feature
from riskmodel.champion import POINTER, read_champions
from riskmodel.contract.definition import DatasetDefinition
from riskmodel.errors import ModelFault, RiskModelError
from riskmodel.explain.reasons import Teller, told_frequency
from riskmodel.explain.words import Words, load_words
from riskmodel.features.alone import Usual
from riskmodel.model import RiskModel
from riskmodel.scoring import tellers
from serving.languages import LANGUAGES

LOOK_AGAIN_AFTER = 1.0


@dataclass(frozen=True)
class Serving:
    """Everything that answering needs, prepared once per promotion.

    Attributes
    ----------
    models : dict of target to RiskModel
    tellers : dict of target to dict of language to Teller
    words : dict of language to Words
    definition : DatasetDefinition
        As the models keep it: grade scale, delays, declared columns.
    like : dict of target to target
        The first target whose model looks at the same columns: its matrix serves both.
    versions : dict of target to str
        The version of each target's model.
    catalogue : dict of name to Feature
    usual : dict of landmark to Usual
        What was usual in the programmes of the newest cohort.
    frequencies : dict of target to dict of language to list of str
        How 0 to 100 of a hundred students are told.
    intervals : dict of language to dict of (low, high) to str
        How intervals of a hundred were told before.
    """

    models: dict[str, RiskModel]
    tellers: dict[str, dict[str, Teller]]
    words: dict[str, Words]
    definition: DatasetDefinition
    like: dict[str, str]
    versions: dict[str, str]
    catalogue: dict[str, Feature]
    usual: dict[int, Usual]
    frequencies: dict[str, dict[str, list[str]]]
    intervals: dict[str, dict[tuple[int, int], str]]

    @classmethod
    def of(
        cls, models: dict[str, RiskModel], tellers: dict[str, dict[str, Teller]], words: dict[str, Words], definition: DatasetDefinition
    ) -> Serving:
        """Prepare what follows from the models."""
        like = {
            target: next(other for other in models if models[other].design.columns == model.design.columns)
            for target, model in models.items()
        }
        versions = {target: f"{target}-{model.version}" for target, model in models.items()}
        first = next(iter(models.values()))
        usual = {landmark: Usual(context) for landmark, context in first.contexts.items()}
        frequencies = {
            target: {language: [told_frequency(each, target, own) for each in range(101)] for language, own in words.items()}
            for target in models
        }
        intervals: dict[str, dict[tuple[int, int], str]] = {language: {} for language in words}
        return cls(models, tellers, words, definition, like, versions, dict(first.catalogue), usual, frequencies, intervals)


class Champions:
    """Watches the champion folder.

    A new champion that can't be read does not take the place of the one that serves; `problem` then says why.

    Parameters
    ----------
    folder : Path
    words_file : Path or None
        An institution's own phrases.
    """

    def __init__(self, folder: Path, words_file: Path | None = None) -> None:
        self.folder = folder
        self.words = {language: load_words(language, words_file) for language in LANGUAGES}  # type: ignore[arg-type]
        self.problem: str | None = None
        self._serving: Serving | None = None
        self._seen: tuple[int, int] | None = None
        self._looked = -LOOK_AGAIN_AFTER
        self._lock = threading.Lock()

    @property
    def due(self) -> bool:
        """Tell whether `get` will look at the folder, and perhaps read a new champion, which takes half a second."""
        return time.monotonic() - self._looked >= LOOK_AGAIN_AFTER

    def get(self) -> Serving:
        """Give what serves now.

        Raises
        ------
        ModelFault
            Nothing was promoted yet, or what was can't be read and nothing served before.
        """
        if self.due:
            with self._lock:
                if self.due:
                    self._look()
        if self._serving is None:
            raise ModelFault(self.problem or "no model was promoted yet.", remedy="Run 'riskmodel train' and 'riskmodel promote'.")
        return self._serving

    def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            stat = (self.folder / POINTER).stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
        except OSError:
            seen = None
        if seen is not None and seen == self._seen:
            return
        try:
            models = read_champions(self.folder)
            definition = DatasetDefinition.model_validate(next(iter(models.values())).facts.definition)
            told = {target: tellers(model, definition, list(self.words.values())) for target, model in models.items()}
            self._serving = Serving.of(models, told, self.words, definition)
            self._seen, self.problem = seen, None
        except (RiskModelError, ValueError) as error:
            self._seen = seen
            self.problem = error.message if isinstance(error, RiskModelError) else "the champion's definition can't be read."
