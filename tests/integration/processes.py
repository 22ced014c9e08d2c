# SPDX-License-Identifier: BSL-1.0
"""The end of the processes that tests start; needs no server, and no client of one.

A polite end of this process (Ctrl-C, ctest's time limit) runs the clean-ups; after an impolite one only temporary
folders remain.
"""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def end_with_parent():
    """For `preexec_fn`: the child is killed when this process ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
