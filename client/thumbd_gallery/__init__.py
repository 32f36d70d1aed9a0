"""The window: a folder's pictures in a grid that never waits.

The way of a thumbnail: `grid` shows a range of `layout`'s cells → `focus` says which paths those are and what is near
→ `link` (a thread with the daemon's connection) asks → the daemon's answer finds its row in `model` by path
→ `pictures` reads the PNG that the answer names → `delegate` paints it with `theme`'s colours. Nothing here opens,
lists or decodes a file of the user's: names and pictures come from the daemon alone.
"""

__version__ = "0.1.0"
