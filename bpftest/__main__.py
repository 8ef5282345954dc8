"""`python -m bpftest`."""

import sys

from bpftest.cli import main

sys.exit(main())
