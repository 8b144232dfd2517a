"""What the user's code raises while a server makes an answer of it: servers log it, and say nothing of it to the client.

One place that is patched once a worker, and a slot a thread: a worker may answer several requests at once.
"""
import logging
import threading

slots = threading.local()
installed = False


class Watch(object):
    """Between enter and exit: `error` is what was raised in this thread, None where nothing was."""

    error = None

    def __enter__(self):
        install()
        self.outer = getattr(slots, 'watch', None)
        slots.watch = self
        return self

    def __exit__(self, *_):
        slots.watch = self.outer


def note(error):
    watch = getattr(slots, 'watch', None)
    if watch is not None:
        watch.error = error


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
    try:
        from azureml_inference_server_http.server.user_script import UserScript
    except Exception:
        return
    run = UserScript.invoke_run

    def invoke_run(*args, **kwargs):
        try:
            return run(*args, **kwargs)
        except BaseException as error:
            note(error)
            raise

    UserScript.invoke_run = invoke_run
