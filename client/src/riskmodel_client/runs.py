"""Whole cohorts: runs that the service's workers do, begun once per key however often they are asked for."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import httpx

from riskmodel_client.asking import Asking, as_error, below
from riskmodel_client.responses import Run, RunPage, RunResult, RunResultPage

PATH = "/v1/score-runs"
_GOING = ("waiting", "running")


class ScoreRuns(Asking):
    """What can be asked about runs over cohorts."""

    def begin_run(self, folder: str, on: dt.date, *, key: str | None = None) -> Run:
        """Have a cohort scored that lies in a folder which the service may read.

        Parameters
        ----------
        folder : str
            The folder's name in the service's configuration.
        on : datetime.date
            The day as of which the students are looked at.
        key : str, optional
            Your own name for this run, as in '2026-week-45': asked for again with the same, the same run is given, also after a program was started anew.
            One is drawn where none is given, so that this call alone begins no second run when it is sent again.

        Raises
        ------
        ProblemError
            There is no such folder, too many runs wait ('too-many-runs'), or the key was used for something else ('idempotency-key-reused').
        NoAnswer
        """
        body, headers = {"folder": folder, "on": on.isoformat()}, {"Idempotency-Key": key or str(uuid.uuid4())}
        return Run.model_validate(self._patiently(lambda: self._http.post(PATH, json=body, headers=headers), repeatable=True))

    def upload_run(self, files: Sequence[Path], on: dt.date, *, key: str | None = None) -> Run:
        """Have a cohort scored whose tables are sent along, piece by piece.

        Parameters
        ----------
        files : sequence of Path
            Tables as CSV or Parquet, and `dataset.toml` where the champion's own definition of the data does not fit them.
        on : datetime.date
        key : str, optional
            As for `begin_run`.

        Raises
        ------
        ProblemError
            The service takes no uploads, or not this one ('upload-refused'), among others.
        NoAnswer
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}

        def send() -> httpx.Response:
            with contextlib.ExitStack() as opened:
                parts = [("files", (file.name, opened.enter_context(file.open("rb")), "application/octet-stream")) for file in files]
                return self._http.post(PATH, data={"on": on.isoformat()}, files=parts, headers=headers)

        return Run.model_validate(self._patiently(send, repeatable=True))

    def runs(self) -> Iterator[Run]:
        """Give all runs, newest first, page by page as they are taken."""
        parameters: dict[str, str] = {}
        while True:
            page = RunPage.model_validate(self._ask("GET", PATH, parameters=parameters))
            yield from page.runs
            if page.next_cursor is None:
                return
            parameters = {"cursor": page.next_cursor}

    def run(self, run_id: str) -> Run:
        """Give how a run stands."""
        return Run.model_validate(self._ask("GET", below(PATH, run_id)))

    def wait_for_run(self, run_id: str, *, every: float = 2.0, longest: float = 3600.0) -> Run:
        """Wait until a run has ended, well or not, and give how.

        Parameters
        ----------
        run_id : str
        every : float
            Seconds between two questions.
        longest : float
            Seconds after which it is no longer waited for.

        Raises
        ------
        TimeoutError
            It still goes on; ask again later, nothing is lost.
        """
        until = time.monotonic() + longest
        while (found := self.run(run_id)).state in _GOING:
            if time.monotonic() > until:
                raise TimeoutError(f"run {run_id} is still {found.state}, with {found.students.done} students done")
            self._sleep(every)
        return found

    def cancel_run(self, run_id: str) -> Run:
        """Stop a run at once; what was kept of its students stays kept.

        Raises
        ------
        ProblemError
            It has ended already ('run-ended'), among others.
        """
        return Run.model_validate(self._ask("POST", f"{below(PATH, run_id)}/cancel"))

    def run_results(self, run_id: str) -> Iterator[RunResult]:
        """Give a run's students, each once, page by page as they are taken; of a run that goes on those who are done by now."""
        parameters: dict[str, str] = {}
        while True:
            page = RunResultPage.model_validate(self._ask("GET", f"{below(PATH, run_id)}/results", parameters=parameters))
            yield from page.results
            if page.next_cursor is None or not page.results:
                return
            parameters = {"cursor": page.next_cursor}

    def run_file(
        self,
        run_id: str,
        target: Path,
        *,
        format: Literal["csv", "parquet"] = "csv",
        purpose: Literal["invitation", "evaluation", "check"] = "invitation",
    ) -> None:
        """Write a run's scores to a file, whole or not at all.

        Parameters
        ----------
        run_id : str
        target : Path
        format : {'csv', 'parquet'}
        purpose : {'invitation', 'evaluation', 'check'}
            What the file is for; it stands in every row. The binding study advice is none.

        Raises
        ------
        ProblemError
            The run is not done ('run-not-done'), among others.
        NoAnswer
            The answer broke off; nothing was written.
        """
        draft = target.with_name(f".{target.name}-{secrets.token_hex(6)}")
        path, parameters = f"{below(PATH, run_id)}/file", {"format": format, "purpose": purpose}
        try:
            with self._http.stream("GET", path, params=parameters) as answer, draft.open("wb") as file:
                if not answer.is_success:
                    answer.read()
                    raise as_error(answer, repeatable=True)
                for piece in answer.iter_bytes():
                    file.write(piece)
            draft.replace(target)
        except httpx.TransportError as error:
            raise as_error(error, repeatable=True) from error
        finally:
            draft.unlink(missing_ok=True)
