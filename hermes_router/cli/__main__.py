"""``python -m hermes_router.cli``."""

import sys

from hermes_router.cli import main

if __name__ == "__main__":
    sys.exit(main())
