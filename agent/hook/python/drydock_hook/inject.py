"""Into a master that runs: the agent puts this text into the configuration file that gunicorn's own HUP executes.

`Arbiter.reload` → `Application.load_config` → the file. The arbiter is found among the frames that led here, and whatever
else happens the reload that is under way changes nothing (gunicorn 19.9 to 27): no worker starts or ends, and what was
read is thrown away for the configuration that counts. So TTIN and TTOU stay as they are, and a file of the user's that
was changed or broken since the start, which would end the master, is not read at all.

`_drydock_folder` is the folder of the hook, `_drydock_original` where the user's own file lies meanwhile, or None, and at
the abstract socket `_drydock_refusal` the agent hears why the hook stays out. All names begin with an underscore, since
gunicorn takes the others for settings.
"""


def _drydock_inject(folder, file, refusal):
    """The settings that the reload needs to get to its end; None when this is no reload of a gunicorn that we know."""
    import importlib.util
    import os
    import socket
    import sys
    frame = sys._getframe()
    while frame is not None:
        arbiter = frame.f_locals.get('self')
        if type(arbiter).__name__ == 'Arbiter' and frame.f_code.co_name == 'reload':
            break
        frame = frame.f_back
    else:
        return None
    own = {name: arbiter.__dict__.get(name) for name in ('setup', 'spawn_worker', 'manage_workers', 'murder_workers')}
    cfg, age = arbiter.cfg, arbiter.worker_age

    def setup(app):
        """gunicorn's would take the new configuration for the one that counts."""
        app.cfg = cfg
        os.environ.update(cfg.env)
        os.chdir(cfg.chdir)

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
            if cfg.preload_app:
                raise RuntimeError('gunicorn runs with --preload')
            # One that was taken out may have been of another build.
            for name in [name for name in sys.modules if name.split('.')[0] == 'drydock_hook']:
                del sys.modules[name]
            from drydock_hook import master
            master.install(arbiter, injected=True)
        except Exception as error:
            print('drydock: the hook is left out: {!r}'.format(error), file=sys.stderr)
            refuse(str(error))
        finally:
            sys.path.remove(folder)
            sys.dont_write_bytecode = wrote
        return arbiter.murder_workers()

    def refuse(why):
        """To the agent, if it still listens; the master waits for nobody."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.setblocking(False)
            try:
                agent.connect('\0' + refusal)
                agent.send(why[:1000].encode('utf-8', 'replace'))
            except OSError:
                pass

    arbiter.setup = setup
    arbiter.spawn_worker = arbiter.manage_workers = lambda *args: None
    # gunicorn 27 waits after it until every worker is younger than `worker_age` was: -1 is passed at once.
    arbiter.worker_age = -1
    arbiter.murder_workers = murder_workers
    try:
        cached = importlib.util.cache_from_source(file)  # Python has made bytecode of us, beside the user's files
        os.unlink(cached)
        os.rmdir(os.path.dirname(cached))  # where nothing else lies in it
    except (OSError, NotImplementedError):
        pass
    app = getattr(cfg, 'wsgi_app', None)
    return {} if app is None else {'wsgi_app': app}


_drydock_settings = _drydock_inject(_drydock_folder, __file__, _drydock_refusal)
if _drydock_settings is not None:
    globals().update(_drydock_settings)
elif _drydock_original is not None:
    exec(compile(open(_drydock_original, 'rb').read(), __file__, 'exec'))
