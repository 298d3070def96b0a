"""`python -m mocapcli`."""

import sys

from mocapcli.cli import main

sys.exit(main())
