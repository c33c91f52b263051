"""Settings that all tests share."""

import os

from hypothesis import settings

# Two test processes on two cores: one thread each is fastest. The stages set their own number.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")
