"""A renderer that was taken over, started by the very exec of the real ones and locked in like them.

Python imports this file before anything of thumbd. A picture whose first line is ``ATTACK <name>`` makes its renderer
try that, after it has locked itself in, and tell what came of it in place of an answer; ``LIE <name>`` makes it lie.
Everything else is rendered by the real code.
"""

import sys
from collections.abc import Callable
from typing import IO, Any

if "thumbd_daemon.renderer" in sys.orig_argv:
    # Now: in the cage nothing can be imported any more.
    from locked_room.intruder import attacks, lies
    from thumbd_daemon.renderer import recipe

    render = recipe.render

    def taken_over(source: IO[bytes], edge: int, *rest: Any, **named: Any) -> recipe.Picture:
        kind, _, name = source.readline(200).decode("latin-1").strip().partition(" ")
        source.seek(0)
        if kind == "ATTACK":
            raise recipe.CannotRender("decode_error", f"{name}: {attacks.attempt(name, source)}")
        if kind == "LIE":
            lie: Callable[[], recipe.Picture] = lies.LIES[name]
            return lie()
        return render(source, edge, *rest, **named)

    recipe.render = taken_over
