"""With the process: a door at once, the hook when gunicorn's arbiter starts, and a capture around what uvicorn loads."""
import sys

from . import door


def when_servers_are_imported():
    door.install()
    sys.meta_path.insert(0, Finder({'gunicorn.arbiter': patch_arbiter, 'uvicorn.config': patch_config}))


class Finder(object):
    """Steps aside for everything else, and for each of these modules once it has been asked for."""

    def __init__(self, patches):
        self.patches = patches

    def find_spec(self, fullname, path=None, target=None):
        patch = self.patches.pop(fullname, None)
        if patch is None:
            return None
        import importlib.util
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            safely(lambda: patch(module))

        spec.loader.exec_module = exec_module
        return spec


def patch_arbiter(module):
    usual = module.Arbiter.start

    def install(arbiter):
        # With --preload the code is in the master: no candidate can load it anew.
        if not arbiter.cfg.preload_app:
            from . import master
            master.install(arbiter, injected=False)

    def start(arbiter):
        usual(arbiter)
        safely(lambda: install(arbiter))

    module.Arbiter.start = start


def patch_config(module):
    from . import served
    usual = module.Config.load

    def capture(config):
        config.loaded_app = served.capture(config.loaded_app)

    def load(config):
        usual(config)
        safely(lambda: capture(config))

    module.Config.load = load


def safely(act):
    """What fails leaves the service as it is without us; no bytecode of ours comes of it."""
    wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        act()
    except Exception as error:
        print('drydock: the hook is left out: {!r}'.format(error), file=sys.stderr)
    finally:
        sys.dont_write_bytecode = wrote
