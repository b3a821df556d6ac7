"""`python -m watchkeeper.cli`: the same door, for a program that starts another of ours by its own Python."""

import sys

from watchkeeper.cli import main

sys.exit(main())
