"""Has processes of the service tell the agent of requests: `{"pids", "name", "root", "entry", "variables", "redact"}`, and in
DRYDOCK_KEY how they prove who they are, → `{"asked": [pid], "serving": [pid]}`: who heard it, and who serves by uvicorn already.
"""
import json
import os
import sys

from knock import Refused, door, knock

#: Seconds. One that is inside compiled code is asked again later.
PATIENCE = 5.0


def main():
    spec = json.loads(sys.argv[1])
    wanted = dict(spec, do='capture', key=os.environ['DRYDOCK_KEY'])
    told = {'asked': [], 'serving': []}
    for pid in spec['pids']:
        try:
            count = door.read_line(knock(pid, wanted, PATIENCE))
        except (Refused, OSError):
            continue
        if count:
            told['asked'].append(pid)
        if int(count or 0):
            told['serving'].append(pid)
    os.write(3, json.dumps(told).encode('ascii'))


main()
