"""The sandbox suite over real machines, beside the drivers that need none."""

from tests.contract.test_sandbox import *  # noqa: F403  pytest collects a suite by its names
