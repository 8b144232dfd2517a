"""Drydock's servant inside gunicorn: boots new code in a candidate worker while the old workers go on serving.

No third-party import, no thread; a failure of its own leaves a warning and a service as it is without it.

    master.py    what the arbiter does otherwise: candidates, promotion, held workers
    worker.py    what a worker does between its fork and its first request
    leaving.py   thread workers accept nothing more once they are told to end
    sources.py   the user's sources as they were read: never from bytecode, kept as the last good copy
    past.py      the whole service from the last good copy, without the hook
    requests.py  requests and their answers as they pass, for the agent and the gate (asgi.py where the application is
                 one of ASGI); replay.py asks one again
    raised.py    what the user's code raised, although the server hides it; variables.py shows its frames' variables
    served.py    applications of uvicorn without gunicorn, captured when the agent asks for it through the door
    door.py      the way into a process that runs: debugger.py, repl.py, served.py
    channel.py   JSON lines with the agent
    warm.py      imports in the master what is safe to import there
    failure.py   an exception as JSON
    start.py, inject.py   the two ways in: with the process, or into one that runs
"""
