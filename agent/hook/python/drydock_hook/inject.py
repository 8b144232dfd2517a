"""Into a master that runs: the agent puts this text into the configuration file that gunicorn's own HUP executes.

`Arbiter.reload` → `Application.load_config` → the file. The arbiter is found among the frames that led here, and whatever
else happens the reload that is under way neither starts nor ends a worker (gunicorn 19.9 to 27). `_drydock_folder` is the
folder of the hook; all names begin with an underscore, since gunicorn takes the others for settings.
"""


def _drydock_inject(folder):
    import sys
    frame = sys._getframe()
    while frame is not None:
        arbiter = frame.f_locals.get('self')
        if type(arbiter).__name__ == 'Arbiter' and frame.f_code.co_name == 'reload':
            break
        frame = frame.f_back
    else:
        return
    own = {name: arbiter.__dict__.get(name) for name in ('spawn_worker', 'manage_workers', 'murder_workers')}
    age = arbiter.worker_age
    arbiter.spawn_worker = arbiter.manage_workers = lambda *args: None
    # gunicorn 27 waits after it until every worker is younger than `worker_age` was: -1 is passed at once.
    arbiter.worker_age = -1

    def murder_workers():
        """The first thing that the loop does after the reload."""
        for name, was in own.items():
            if was is None:
                arbiter.__dict__.pop(name, None)
            else:
                setattr(arbiter, name, was)
        arbiter.worker_age = age
        wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        sys.path.insert(0, folder)
        try:
            if not arbiter.cfg.preload_app:
                # One that was taken out may have been of another build.
                for name in [name for name in sys.modules if name.split('.')[0] == 'drydock_hook']:
                    del sys.modules[name]
                from drydock_hook import master
                master.install(arbiter)
        except Exception as error:
            print('drydock: the hook is left out: {!r}'.format(error), file=sys.stderr)
        finally:
            sys.path.remove(folder)
            sys.dont_write_bytecode = wrote
        return arbiter.murder_workers()

    arbiter.murder_workers = murder_workers


try:
    _drydock_inject(_drydock_folder)
except Exception as _error:
    print('drydock: the hook is left out: {!r}'.format(_error))
