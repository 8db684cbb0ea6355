"""``python -m vizjax`` is the command ``vizjax``."""

import sys

from vizjax.cli import main

sys.exit(main())
