"""``python -m thumbd_daemon`` is ``thumbd``."""

from .cli import main

main()
