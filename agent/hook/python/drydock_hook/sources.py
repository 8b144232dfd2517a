"""The user's sources as a worker reads them.

Python keys its bytecode by whole seconds of mtime and by size, so a second save within a second can be missed for good:
files of the user's are always compiled from the bytes that lie there. The bytes are remembered; those of code that was
accepted are the last good copy, from which later workers boot, whatever the disk holds by then.
"""
import importlib.machinery
import importlib.util
import linecache
import os
import sys

MAX_BYTES = 16 * 1024 * 1024


class Sources(object):
    def __init__(self, user, copy):
        """`copy`: path → (module's name or None, bytes) of code that was accepted; None to read the disk."""
        self.user = user
        self.copy = copy or {}
        self.read = {}
        self.size = 0

    def install(self):
        Loader = importlib.machinery.SourceFileLoader
        usual = Loader.get_code
        sources = self

        def get_code(loader, fullname):
            path = loader.get_filename(fullname)
            if path not in sources.user:
                return usual(loader, fullname)
            data = sources.data(path, loader)
            sources.remember(path, fullname, data)
            show(path, data)
            return loader.source_to_code(data, path)

        Loader.get_code = get_code
        if self.copy:
            sys.meta_path.insert(0, Finder(self.copy))

    def data(self, path, loader):
        folder, name = os.path.split(path)
        kept = self.copy.get(path) or self.copy.get(os.path.join(os.path.realpath(folder), name))
        return kept[1] if kept is not None else loader.get_data(path)

    def remember(self, path, fullname, data):
        self.size += len(data)
        if self.size <= MAX_BYTES:
            self.read[path] = (fullname, data)

    def complete(self):
        """All that was read, or None where it was too much to keep."""
        return self.read if self.size <= MAX_BYTES else None


def show(path, data):
    """Tracebacks quote the lines that run, not those that somebody has saved since: without a mtime no entry is stale."""
    try:
        lines = importlib.util.decode_source(data).splitlines(True)
    except (SyntaxError, UnicodeError):
        return  # its compilation says so
    linecache.cache[path] = len(data), None, lines, path


class Finder(object):
    """Finds modules of the copy whose file is gone from the disk or has become another kind."""

    def __init__(self, copy):
        self.paths = {name: path for path, (name, _) in copy.items() if name is not None}

    def find_spec(self, fullname, path=None, target=None):
        file = self.paths.get(fullname)
        if file is None or os.path.exists(file):
            return None
        package = [os.path.dirname(file)] if os.path.basename(file) == '__init__.py' else None
        loader = importlib.machinery.SourceFileLoader(fullname, file)
        return importlib.util.spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=package)
