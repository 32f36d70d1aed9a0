"""``python -m thumbd_client`` is ``thumbctl``."""

import sys

try:
    from .ctl import main

    main()
except KeyboardInterrupt:  # before there was anything to interrupt
    sys.exit(130)
