"""What a fork that may not live on does, before it begins and before it ends."""
import sys


def die_first_when_memory_is_short():
    """Of all processes the kernel ends this one first. Returns what to `restore`."""
    try:
        with open('/proc/self/oom_score_adj', 'r+') as file:
            score = file.read()
            file.seek(0)
            file.write('1000')
        return score
    except OSError:
        return None


def restore(score):
    if score is None:
        return
    try:
        with open('/proc/self/oom_score_adj', 'w') as file:
            file.write(score)
    except OSError:
        pass


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # the user's code may have closed or replaced it
            pass
