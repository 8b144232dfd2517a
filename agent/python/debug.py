"""Lets debugpy listen in a process of the service: `{"pid", "bundled"}` → `{"port", "version", "own"}` or `{"error"}`."""
import json
import os
import sys

from knock import Refused, door, knock


def main():
    spec = json.loads(sys.argv[1])
    try:
        connection = knock(spec['pid'], {'do': 'debug', 'bundled': spec['bundled']})
        answer = door.read_line(connection) or json.dumps({'error': 'the process ended'})
    except (Refused, OSError) as error:
        answer = json.dumps({'error': str(error)})
    os.write(3, answer.encode('utf-8'))


main()
