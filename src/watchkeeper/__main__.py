"""`python -m watchkeeper` is the command line."""

import sys

from watchkeeper.cli import main

if __name__ == "__main__":
    sys.exit(main())
