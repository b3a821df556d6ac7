"""Questions over a store: the floor between where figures are kept and who shows them.

`evaluate` answers PromQL as Prometheus 2.42 does, `parse` tells whether a text is a question at all, `told` puts
an answer as Prometheus' API does (`encoded` at once as JSON), `pretty` puts a question in order; the HTTP API, rules and
the CLI stand on these. `ranges` has what charts
draw with. Nothing here knows a page, a route or a file.
"""

from watchkeeper.query.evaluation import Value, evaluate
from watchkeeper.query.parsing import parse, type_of
from watchkeeper.query.printing import pretty
from watchkeeper.query.reading import Limits
from watchkeeper.query.settings import QuerySettings
from watchkeeper.query.telling import encoded, told

__all__ = ["Limits", "QuerySettings", "Value", "encoded", "evaluate", "parse", "pretty", "told", "type_of"]
