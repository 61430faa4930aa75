"""The sandbox suite over real machines, beside the drivers that need none."""

import pytest

from tests.contract.test_sandbox import *  # noqa: F403  pytest collects a suite by its names

pytestmark = pytest.mark.timeout(420)  # some tests boot two machines, under emulation
