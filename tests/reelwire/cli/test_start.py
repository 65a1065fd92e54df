"""The first moments of the command, before it has read its arguments."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED_IMPORT = """
import os, signal, sys
class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "reelwire.cli.app":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
from reelwire.cli import main
main()
"""


def test_ctrl_c_while_the_command_is_still_loading_is_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")
