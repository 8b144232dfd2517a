"""What the user's code raises while a server makes an answer of it: servers log it, and say nothing of it to the client.

One place that is patched once a worker, and a slot a context: a worker may answer several requests at once, in threads or
in tasks of one thread, and what those start inherits theirs.
"""
import logging
import sys
import threading

try:
    from contextvars import ContextVar
    slot = ContextVar('drydock_watch', default=None)
except ImportError:  # Python 3.6: tasks are not told apart
    class Slot(threading.local):
        watch = None

        def get(self):
            return self.watch

        def set(self, watch):
            self.watch = watch

    ContextVar, slot = None, Slot()
installed = False


class Watch(object):
    """Between enter and exit: `error` is what was raised in this context, None where nothing was."""

    error = None
    over = False

    def __enter__(self):
        install()
        self.outer = slot.get()
        slot.set(self)
        return self

    def __exit__(self, *_):
        if slot.get() is self:  # else a task that was given up is closed from elsewhere
            slot.set(self.outer)

    def end(self):
        """Holds nothing from now on, whatever is raised in tasks and threads that outlive it."""
        self.over = True
        self.error = None


def note(error):
    watch = slot.get()
    if watch is not None:
        watch.error = error
        if watch.over:  # looked at last: a thread may be here while it ends
            watch.error = None


def install():
    """Flask logs what it answers 500 for; azmlinfsrv catches it before that (server/user_script.py)."""
    global installed
    if installed:
        return
    installed = True
    usual = logging.Logger.handle

    def handle(logger, record):
        if record.exc_info and isinstance(record.exc_info, tuple) and isinstance(record.exc_info[1], BaseException):
            note(record.exc_info[1])
        return usual(logger, record)

    logging.Logger.handle = handle
    azmlinfsrv = sys.modules.get('azureml_inference_server_http.server.user_script')
    if azmlinfsrv is None:
        return
    run = azmlinfsrv.UserScript.invoke_run

    def invoke_run(*args, **kwargs):
        try:
            return run(*args, **kwargs)
        except BaseException as error:
            note(error)
            raise

    azmlinfsrv.UserScript.invoke_run = invoke_run
