"""The invitation rule: a ranked list cut at the coaches' capacity, some always, a few by chance, each with a coach who has room.

Knows ranks, capacity and who is to be left alone; knows nothing of how a score is made. In the manner of the *uitnodigingsregel*: think in
talks, not in thresholds.
"""

from riskmodel.routing.lots import lots, rank
from riskmodel.routing.route import Clash, Routed, invite, route
from riskmodel.routing.selection import select

__all__ = ["Clash", "Routed", "invite", "lots", "rank", "route", "select"]
