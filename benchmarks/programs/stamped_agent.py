"""Writes down when it was started, as its first act, and then is the smallest agent there is.

Arguments: the file to append to, and the path of the agent program.
"""

import time

STARTED = time.time_ns()

import runpy  # noqa: E402  nothing may come before the time
import sys  # noqa: E402

with open(sys.argv[1], "a") as stamps:  # noqa: PTH123  pathlib takes longer to import than this program to run
    stamps.write(f"{STARTED}\n")
sys.path.insert(0, sys.argv[2].rpartition("/")[0])
runpy.run_path(sys.argv[2], run_name="__main__")
