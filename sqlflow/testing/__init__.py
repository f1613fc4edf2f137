"""The suite that every engine passes; an adapter of your own runs it too.

    from sqlflow.testing import EngineSuite, OpenTarget

    class TestMine(EngineSuite):
        @pytest.fixture
        def target(self, tmp_path):
            return OpenTarget(ENGINE, ENGINE.settings(engine="mine", ...), tmp_path)

Each test gets a target that holds nothing. `pytest` must be installed.
"""

from sqlflow.testing.engine import EngineSuite
from sqlflow.testing.target import OpenTarget

__all__ = ["EngineSuite", "OpenTarget"]
