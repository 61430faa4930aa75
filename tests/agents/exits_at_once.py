"""Ends before it has said anything on stdout."""

import sys

print("cannot start: no such model", file=sys.stderr)
sys.exit(3)
