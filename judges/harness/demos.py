"""The demo, served with a shop that is empty at first."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from served import Served

DEMO = Path(__file__).parents[2] / "demo"


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Served]:
    """Serves it on a free port; its data are in ``folder``."""
    env = {**os.environ, "DEMO_DATA": str(folder), "NO_COLOR": "1"}
    subprocess.run([sys.executable, DEMO / "manage.py", "setupdemo", "--empty"], check=True, env=env, stdout=subprocess.DEVNULL)
    application = ["config.asgi:application", "--grpc", "shop.servicers:register", "--app-dir", str(DEMO)]
    with Served([*application, "--bind", "127.0.0.1:0", *arguments], env=env, cwd=folder) as served:
        yield served
