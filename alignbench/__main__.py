"""`python -m alignbench` is the command line."""

import sys

from alignbench.cli.main import main

sys.exit(main())
