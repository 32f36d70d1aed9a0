"""``python -m thumbd_client`` is ``thumbctl``."""

from .ctl import main

main()
