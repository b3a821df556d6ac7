"""Questions over a store: the floor between where figures are kept and who shows them.

`evaluate` answers PromQL as Prometheus 2.42 does, `parse` tells whether a text is a question at all; the HTTP
API, rules and the CLI stand on these two. `ranges` has what charts draw with. Nothing here knows a page, a
route or a file.
"""

from watchkeeper.query.evaluation import Value, evaluate
from watchkeeper.query.parsing import parse, type_of
from watchkeeper.query.reading import Limits

__all__ = ["Limits", "Value", "evaluate", "parse", "type_of"]
