"""Where figures are kept: the door of the frame store, and of its twin on another machine (`victoriametrics`).

On the disk it is one folder: `log/` (what is not sealed yet), `t0-*.db`, `t1-*.db`, `t2-*.db` (samples,
first rollup, hours), `meta.db` (streams and layouts), `lock`. `open_store` opens it for one program.
What a chunk is stands in `codec`, what happens when in `framestore` and `upkeep`.
"""

from watchkeeper.store.framestore import FrameStore, Statistics, open_store
from watchkeeper.store.settings import StoreSettings
from watchkeeper.store.victoriametrics import VictoriaMetrics

__all__ = ["FrameStore", "Statistics", "StoreSettings", "VictoriaMetrics", "open_store"]
