"""What can go wrong: the service says no, or says nothing."""

from __future__ import annotations

from riskmodel_client.responses import Problem


class ProblemError(Exception):
    """The service did not do what was asked.

    Attributes
    ----------
    problem : Problem
    request_id : str
        To be told to whoever runs the service.
    """

    def __init__(self, problem: Problem, request_id: str) -> None:
        places = "; ".join(f"{fault.pointer or 'the whole'}: {fault.detail}" for fault in problem.errors[:5])
        super().__init__(f"{problem.status} {problem.kind}: {problem.detail}" + (f" ({places})" if places else ""))
        self.problem = problem
        self.request_id = request_id


class NoAnswer(Exception):
    """The service could not be reached, or broke off.

    Attributes
    ----------
    may_be_done : bool
        Whether what was asked may have been done all the same: look before you ask again.
    """

    def __init__(self, detail: str, *, may_be_done: bool) -> None:
        super().__init__(detail)
        self.may_be_done = may_be_done
