"""Shared by all tests."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
settings.load_profile("ci")
