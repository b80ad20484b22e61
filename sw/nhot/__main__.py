"""``python -m nhot``, which is ``nhot``: for torchrun, and where the script is not on the path."""

import os
import sys

from nhot.cli import main

if __name__ == "__main__":
    code = main()
    if os.environ.get("WORLD_SIZE", "1") != "1":
        # One of several processes leaves at once, all being written: in the orderly end of Python,
        # threads of torch's process group now and then abort it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
