"""Where freed memory is kept, as glibc itself states."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
if sys.argv[1] == "kept":
    from vocabsem.runtime.malloc import keep_freed_memory
    keep_freed_memory()
meet = threading.Barrier(4)
def work():
    meet.wait()
    assert libc.malloc(1 << 16)
    meet.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own setting")
def test_threads_share_one_store():
    def stores(how):
        done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
        return done.stdout.count("<heap nr=")

    assert stores("left alone") > 1, "each thread has its own otherwise"
    assert stores("kept") == 1
