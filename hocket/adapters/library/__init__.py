"""The music folder: scanned, hashed and watched by a control node, opened by its streaming nodes.

`index` and `opening` are all that a streaming node loads; hashing and watching live in `scan` and
`watch`, so that it starts without their libraries.
"""

from hocket.adapters.library.index import Library, LibraryIndex, load_index
from hocket.adapters.library.opening import open_track

__all__ = ["Library", "LibraryIndex", "load_index", "open_track"]
