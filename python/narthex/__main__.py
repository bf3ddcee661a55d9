"""``python -m narthex``: the same as the ``narthex`` command."""

import sys

from narthex.cli import main

if __name__ == "__main__":
    sys.exit(main())
