"""``thumbctl``, and ``python -m thumbd_client``: a Ctrl+C that comes while all is still being loaded is one too."""

import sys


def main() -> None:
    """Run the command."""
    try:
        from .ctl import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
