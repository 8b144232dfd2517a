"""How gunicorn's thread workers leave, up to 23.

On SIGTERM they wait for up to a second more for a connection, take it, and answer it with the old code; 22 and 23 drop
what they have accepted and not read. Later versions have mended that themselves (`ThreadWorker.handle_exit`).
"""
import os
import selectors
import signal
import sys
import time

#: Seconds in which a client that has connected is to say something.
PATIENCE = 1.0


def mend():
    """In a worker whose signal handlers are set, before it runs."""
    threads = sys.modules.get('gunicorn.workers.gthread')
    usual = signal.getsignal(signal.SIGTERM)
    worker = getattr(usual, '__self__', None)
    if threads is None or not isinstance(worker, threads.ThreadWorker) or not hasattr(worker, '_keep'):
        return

    def handle_exit(sig, frame):
        try:
            leave(worker, lambda: usual(sig, frame))
        except (AttributeError, KeyError, OSError, ValueError):
            usual(sig, frame)  # it does not listen yet, or no longer

    signal.signal(signal.SIGTERM, handle_exit)


def leave(worker, end):
    for listener in worker.sockets:
        worker.poller.unregister(listener)
    told = time.monotonic()
    murder_keepalived = worker.murder_keepalived

    def look():
        """The last thing in each round of its loop."""
        unread = len(worker.poller.get_map()) - len(worker._keep)
        if unread <= 0 or time.monotonic() - told > PATIENCE:
            end()
        murder_keepalived()

    worker.murder_keepalived = look
    # What is ready ends the wait that the signal came into.
    read, write = os.pipe()
    os.close(write)
    worker.poller.register(read, selectors.EVENT_READ, lambda _: (worker.poller.unregister(read), os.close(read)))
