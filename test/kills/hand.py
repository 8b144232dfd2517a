"""A user's hand on one side: does as each line of JSON says, and answers what went by it.

What gives way is taken by a rename and looked at afterwards, so that the answer tells exactly which bytes their owner
took away, whatever else writes here. It goes for good only with the next order: a hand that is killed leaves it, and
the next one tells.
"""
import ctypes
import errno
import hashlib
import json
import os
import shutil
import signal
import sys
import time

ROOT = sys.argv[1]
SPARE = '.idea'  # no sync takes it
UNSEEN = {SPARE, 'azureml-models', '__pycache__', 'main.py', 'model_config_map.json'}
NOREPLACE, EXCHANGE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)
serial = 0


def rename(old, new, flags):
    if LIBC.renameat2(-100, old.encode(), -100, new.encode(), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), new)


def spare():
    global serial
    serial += 1
    os.makedirs(SPARE, exist_ok=True)
    return f'{SPARE}/{os.getpid()}-{serial}'


def digest(path):
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def digests(path):
    if not os.path.isdir(path):
        return [digest(path)] if os.path.isfile(path) else []
    return [digest(os.path.join(at, name)) for at, _, names in os.walk(path) for name in names]


def tidy():
    shutil.rmtree(SPARE, ignore_errors=True)


def make_parents(path):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)


def content(order):
    return (order['token'] + '\n').encode() * order['times']


def save(order):
    """As most editors do: another file takes the path."""
    path, new = order['path'], spare()
    with open(new, 'wb') as file:
        file.write(content(order))
    for flags in [NOREPLACE, EXCHANGE] * 1000:  # what stands there may come and go meanwhile
        try:
            make_parents(path)
            rename(new, path, flags)
            return {'done': True, 'gone': digests(new) if flags == EXCHANGE else []}
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOENT, errno.ENOTEMPTY):
                raise
    raise RuntimeError('it comes and goes all the time')


def write(order):
    """In place. Bytes that went into a file that sync had just replaced are told: they are seen by nobody."""
    path = order['path']
    make_parents(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with open(fd, 'r+b', buffering=0) as file:
        old = file.read()
        with open(spare(), 'wb') as kept:
            kept.write(old)
        file.seek(0)
        file.truncate()
        file.write(content(order))
        late = not os.path.exists(path) or os.stat(path).st_ino != os.fstat(fd).st_ino
    return {'done': not late, 'gone': [hashlib.sha256(old).hexdigest()]}


def remove(order):
    away = spare()
    os.rename(order['path'], away)
    return {'done': True, 'gone': digests(away)}


def move(order):
    make_parents(order['to'])
    rename(order['path'], order['to'], NOREPLACE)
    return {'done': True, 'gone': []}


def look(_):
    found = {}
    for at, folders, names in os.walk('.'):
        folders[:] = [name for name in folders if at != '.' or name not in UNSEEN]
        for name in folders:
            found[os.path.join(at, name)[2:]] = 'folder'
        for name in names:
            path = os.path.join(at, name)[2:]
            if path not in UNSEEN:
                found[path] = digest(path)
    beside = os.path.join(os.path.dirname(ROOT), '.drydock-' + os.path.basename(ROOT))
    staging = [os.path.join(at, name) for at, folders, names in os.walk(beside) for name in folders + names]
    return {'done': True, 'gone': [], 'found': found, 'staging': staging}


def agents(verb):
    """Process IDs of the agent's program with this verb, in the order in which they were started."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        try:
            with open(f'/proc/{pid}/cmdline') as file:
                words = file.read().split('\0')
            if verb in words and any(word.endswith('agent.cjs') for word in words):
                with open(f'/proc/{pid}/stat') as file:
                    found.append((int(file.read().rpartition(')')[2].split()[19]), pid))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return [pid for _, pid in sorted(found)]


# The bulk connection is made when the control connection is up.
WHICH = {'agent': ('serve', 0), 'control': ('connect', 0), 'bulk': ('connect', 1)}


def kill(order):
    """Waits until there is one."""
    verb, nth = WHICH[order['what']]
    while True:
        pids = agents(verb)
        if len(pids) > nth:
            time.sleep(order['after'] / 1000)
            try:
                os.kill(pids[nth], signal.SIGKILL)
                return {'done': True, 'gone': []}
            except ProcessLookupError:
                pass
        time.sleep(0.002)


os.chdir(ROOT)
orders = {each.__name__: each for each in (save, write, remove, move, look, kill)}
print(json.dumps({'done': True, 'gone': digests(SPARE)}), flush=True)
for line in sys.stdin:
    told = json.loads(line)
    if told['do'] not in ('look', 'kill'):
        tidy()
    try:
        answer = orders[told['do']](told)
    except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        answer = {'done': False, 'gone': [], 'why': str(error)}
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EINVAL, errno.ENOSPC):
            raise
        answer = {'done': False, 'gone': [], 'why': str(error)}
    print(json.dumps(answer), flush=True)
