"""Imports of the project's own modules: always from their text.

Python keeps compiled modules by size and by the second of the last change: an edit that keeps both would run as it was before.
"""

import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn


class _FromText(SourceFileLoader):
    def path_stats(self, path: Any) -> NoReturn:
        """Say that nothing is known of the file, so that what is kept of it is neither read nor written."""
        raise OSError


_LOADERS = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (_FromText, SOURCE_SUFFIXES))


def import_from_text(root: str) -> None:
    """Let the modules below `root` be imported from their text, from now on; an environment that lies there is left as it is."""
    if not any(getattr(hook, "root", None) == root for hook in sys.path_hooks):
        sys.path_hooks.insert(0, _Hook(root))
        for path in [path for path in sys.path_importer_cache if path.startswith(root)]:
            del sys.path_importer_cache[path]


class _Hook:
    def __init__(self, root: str) -> None:
        self.root = root
        self._finder: Callable[[str], Any] = FileFinder.path_hook(*_LOADERS)

    def __call__(self, path: str) -> Any:
        place = Path(path)
        if not place.is_relative_to(self.root) or "site-packages" in place.parts or place.is_relative_to(sys.prefix):
            raise ImportError(path)
        return self._finder(path)
