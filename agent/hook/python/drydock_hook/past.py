"""A whole service from the last good copy of its sources, whatever the disk holds: where new code failed after its trial.

The agent names the copy in DRYDOCK_COPY: `{"root", "entry", "files": {path: base64}}`.
"""
import base64
import json
import os

from . import failure
from .sources import Sources


def serve(path):
    with open(path) as file:
        told = json.load(file)
    copy = {name: (None, base64.b64decode(data)) for name, data in told['files'].items()}
    Sources(failure.UserFiles(told['root'], told['entry']), copy).install()
