"""Into a master that runs: executed by gunicorn's own HUP, which reads its configuration file anew.

`Arbiter.reload` → `Application.load_config` → the file. The arbiter is found among the frames that led here, and the
reload that is under way is made to change nothing (gunicorn 19.9 to 27): no worker starts or ends, and what was read is
thrown away for the configuration that counts. So TTIN and TTOU stay as they are, and a file of the user's that was
changed or broken since the start, which would end the master, is not read at all.
"""
import importlib.util
import os
import sys


def inject():
    """The settings that the reload needs to get to its end; None when it is gunicorn's own, and the hook not in."""
    frame = sys._getframe()
    while frame is not None:
        arbiter = frame.f_locals.get('self')
        if type(arbiter).__name__ == 'Arbiter' and frame.f_code.co_name == 'reload':
            break
        frame = frame.f_back
    else:
        return None
    from . import master
    if arbiter.cfg.preload_app or id(arbiter) in master.installed:
        return None
    cfg, age = arbiter.cfg, arbiter.worker_age

    def setup(app):
        """gunicorn's would take the new configuration for the one that counts."""
        app.cfg = cfg
        os.environ.update(cfg.env)
        os.chdir(cfg.chdir)

    def murder_workers():
        """The first thing that the loop does after the reload."""
        for name in ('setup', 'spawn_worker', 'manage_workers', 'murder_workers'):
            arbiter.__dict__.pop(name, None)
        arbiter.worker_age = age
        try:
            master.install(arbiter)
        except Exception as error:
            print('drydock: the hook is left out: {!r}'.format(error), file=sys.stderr)
        return arbiter.murder_workers()

    arbiter.setup = setup
    arbiter.spawn_worker = arbiter.manage_workers = lambda *args: None
    arbiter.worker_age = -1  # see master.without_workers
    arbiter.murder_workers = murder_workers
    app = getattr(cfg, 'wsgi_app', None)
    return {} if app is None else {'wsgi_app': app}


def forget(file):
    """The bytecode that Python has made of our configuration file, beside the user's files."""
    try:
        cached = importlib.util.cache_from_source(file)
        os.unlink(cached)
        os.rmdir(os.path.dirname(cached))  # where nothing else lies in it
    except (OSError, NotImplementedError):
        pass
