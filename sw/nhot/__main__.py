"""``python -m nhot``, which is ``nhot``: for torchrun, and where the script is not on the path."""

import sys

from nhot.cli import main

if __name__ == "__main__":
    sys.exit(main())
