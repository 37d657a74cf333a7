"""Make .venv and install a lock file into it, with only the standard library and the pip wheel beside this.

Usage: bootstrap.py LOCK
Works without pip, ensurepip and python3-venv, under PEP 668, and as any user who may write to the folder.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
VENV = TOP / ".venv"
PYTHON = VENV / "bin" / "python"
PIP_WHEEL = TOP / "tools" / "pip-26.0-py3-none-any.whl"
PIP_SHA256 = "98436feffb9e31bc9339cf369fd55d3331b1580b6a6f1173bacacddcf9c34754"
#: Settings of the caller's that would send the packages somewhere else than into .venv.
MISLEADING = ("PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_USER")


def main(lock: str) -> None:
    """Install the packages of ``lock``, each checked against its hash, and the project in editable form."""
    if hashlib.sha256(PIP_WHEEL.read_bytes()).hexdigest() != PIP_SHA256:
        sys.exit(f"{PIP_WHEEL.name} is not the file it should be; get it again with git checkout -- tools")
    if not works():
        print(f"Making .venv with Python {sys.version.split()[0]}", file=sys.stderr)
        venv.create(VENV, clear=True, symlinks=True, with_pip=False)
    print(f"Installing {lock} into .venv (a minute or two, once)", file=sys.stderr)
    pip("--require-hashes", "--only-binary", ":all:", "--requirement", lock)
    pip("--no-build-isolation", "--no-deps", "--no-index", "--editable", ".")


def works() -> bool:
    """Whether .venv holds a Python that runs and is new enough."""
    if not PYTHON.exists():
        return False
    check = [PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(check, capture_output=True, check=False).returncode == 0


def pip(*arguments: str) -> None:
    """Run the bundled pip inside .venv; end with its exit code when it fails."""
    command = [PYTHON, PIP_WHEEL / "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    if code := subprocess.run(command, cwd=TOP, env=environment, check=False).returncode:
        sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
