"""The hub's data folder in one file, and back: `backup` while the hub runs, `restore` into an empty folder.

`snapshot` copies each kind of file in the order that makes the copy whole, `manifest` says what is inside and of
which version. The verbs `backup` and `restore` come in here. Nothing here changes the folder that it reads.
"""

from watchkeeper.archive.backup import back_up
from watchkeeper.archive.restore import restore

__all__ = ["back_up", "restore"]
