"""The fairness audit: sensitive attributes beside scores and outcomes of a closed cohort, handed out as aggregates alone.

Nothing that makes a feature, a model or a score may import this package; an import rule keeps it so.
"""

from __future__ import annotations

from riskmodel.fairness.audit import Audit, List, audit
from riskmodel.fairness.proxies import Proxy, find_proxies

__all__ = ["Audit", "List", "Proxy", "audit", "find_proxies"]
