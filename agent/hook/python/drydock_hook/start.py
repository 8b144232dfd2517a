"""With the process: a door at once, and the hook when gunicorn's arbiter starts."""
import sys

from . import door


def when_gunicorn_is_imported():
    door.install()
    sys.meta_path.insert(0, Finder())


class Finder(object):
    """Steps aside for everything else, and for good once gunicorn.arbiter has been asked for."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != 'gunicorn.arbiter':
            return None
        sys.meta_path.remove(self)
        import importlib.util
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            try:
                patch(module.Arbiter)
            except Exception as error:
                print('drydock: the hook is left out: {!r}'.format(error), file=sys.stderr)

        spec.loader.exec_module = exec_module
        return spec


def patch(Arbiter):
    usual = Arbiter.start

    def start(arbiter):
        usual(arbiter)
        wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            # With --preload the code is in the master: no candidate can load it anew.
            if not arbiter.cfg.preload_app:
                from . import master
                master.install(arbiter, injected=False)
        except Exception as error:
            print('drydock: the hook is left out: {!r}'.format(error), file=sys.stderr)
        finally:
            sys.dont_write_bytecode = wrote

    Arbiter.start = start
