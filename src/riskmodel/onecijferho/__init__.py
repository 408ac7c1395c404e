"""History from 1cijferHO, the sector's yearly enrolment file: past cohorts, their prior education and their outcomes. Knows nothing of models."""

from riskmodel.onecijferho.importing import import_1cho
from riskmodel.onecijferho.linking import Linked, link
from riskmodel.onecijferho.report import Imported

__all__ = ["Imported", "Linked", "import_1cho", "link"]
