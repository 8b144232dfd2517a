"""Into a master that runs: executed by gunicorn's own HUP, which reads its configuration file anew.

`Arbiter.reload` → `Application.load_config` → the file. The arbiter is found among the frames that led here, and the
reload that is under way is made to neither start nor end a worker (gunicorn 19.9 to 27).
"""
import sys


def inject():
    frame = sys._getframe()
    while frame is not None:
        arbiter = frame.f_locals.get('self')
        if type(arbiter).__name__ == 'Arbiter' and frame.f_code.co_name == 'reload':
            break
        frame = frame.f_back
    else:
        return
    from . import master
    if arbiter.cfg.preload_app or id(arbiter) in master.installed:
        return
    age = arbiter.worker_age
    arbiter.spawn_worker = arbiter.manage_workers = lambda *args: None
    arbiter.worker_age = -1  # see master.without_workers

    def murder_workers():
        """The first thing that the loop does after the reload."""
        for name in ('spawn_worker', 'manage_workers', 'murder_workers'):
            arbiter.__dict__.pop(name, None)
        arbiter.worker_age = age
        try:
            master.install(arbiter)
        except Exception as error:
            print('drydock: the hook is left out: {!r}'.format(error), file=sys.stderr)
        return arbiter.murder_workers()

    arbiter.murder_workers = murder_workers
