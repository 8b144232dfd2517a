"""Loaded by every Python of the service, since PYTHONPATH names this folder: costs nothing in those that serve nothing.

Python imports the first `sitecustomize` that it finds, so the image's own is run from here.
"""
import sys


def _chain(here):
    """The image's own sitecustomize, as if this one were not there."""
    import importlib.machinery
    import importlib.util
    import os
    rest = [path for path in sys.path if os.path.abspath(path or '.') != here]
    spec = importlib.machinery.PathFinder.find_spec('sitecustomize', rest)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules['sitecustomize'] = module
        spec.loader.exec_module(module)


def _prepare(here):
    wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        import os
        copy = os.environ.get('DRYDOCK_COPY')
        if copy is not None:
            from drydock_hook import past
            past.serve(copy)
        else:
            from drydock_hook import start
            start.when_servers_are_imported()
    except BaseException as error:
        print('drydock: the hook is left out: {!r}'.format(error), file=sys.stderr)
    finally:
        sys.dont_write_bytecode = wrote
        # What the service imports is looked for where it was without us.
        sys.path[:] = [path for path in sys.path if path != here]


def _forget():
    """The bytecode that Python has made of this file, before it ran a line of it: nothing of the kit changes by its use."""
    import os
    try:
        os.unlink(__spec__.cached)
        os.rmdir(os.path.dirname(__spec__.cached))  # where nothing else lies in it
    except (AttributeError, TypeError, OSError):
        pass


_forget()
_here = __file__.rpartition('/')[0]
_prepare(_here)
_chain(_here)
