"""What students ask for by right; for a student portal or a privacy officer's tool, with a token that holds rights:handle."""

from __future__ import annotations

from riskmodel_client.asking import Asking, below
from riskmodel_client.responses import Erased, Held, Objection, Seen

PATH = "/v1/students"


class Rights(Asking):
    """What can be asked for a student. Each is itself an event on the audit trail, and each may be done twice with the same outcome."""

    def data_of(self, student_id: str) -> Held:
        """Give all that is held of a student, in words for that student (GDPR, article 15)."""
        return Held.model_validate(self._ask("GET", f"{below(PATH, student_id)}/data"))

    def seen_by(self, student_id: str) -> Seen:
        """Give who saw or did what about a student."""
        return Seen.model_validate(self._ask("GET", f"{below(PATH, student_id)}/seen"))

    def object_for(self, student_id: str) -> Objection:
        """Let a student's objection hold from now on; look at `known`, which says whether the number was one that is here."""
        return Objection.model_validate(self._ask("POST", f"{below(PATH, student_id)}/objection"))

    def withdraw_objection(self, student_id: str) -> Objection:
        """End a student's objection; the next list may hold them again."""
        return Objection.model_validate(self._ask("DELETE", f"{below(PATH, student_id)}/objection"))

    def erase(self, student_id: str) -> Erased:
        """Destroy what is written about a student (GDPR, article 17). It can't be undone.

        Returns
        -------
        Erased
            With what stays and why. Where an answer was lost and it was asked for again, what was destroyed the first time is not counted any more.
        """
        return Erased.model_validate(self._ask("DELETE", below(PATH, student_id)))
