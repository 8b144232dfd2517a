"""Tells models of xgboost and LightGBM by their first and last bytes, however large they are.

A booster is {"package", "version", "format"}; of xgboost before 1.0 the version is `0`, of its binary format it has no
patch; LightGBM's is that of its text format, `v2` to `v4`, since no package's is written.

xgboost's JSON (since 1.0) and UBJSON (since 1.6) have sorted keys, so that `version` is the last. Its binary format is a
struct (`LearnerModelParamLegacy` in src/learner.cc) and two texts, mostly behind `binf`. A pickle holds JSON or UBJSON of
configuration and model, up to 1.2 `CONFIG-offset:`, the binary format and the configuration as JSON, and before 1.0 the
binary format alone. LightGBM's pickle holds the text.
"""
import os
import re
import stat
import struct

#: Bytes of a file that are read at its beginning and at its end.
KEPT = 400

JSON_MODEL = re.compile(rb'\s*\{\s*"learner"\s*:')
JSON_END = re.compile(rb'"version"\s*:\s*\[\s*(\d{1,4})\s*,\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\][\s}]*\Z')
LENGTH = b'L' + bytes(7)
UBJSON_MODEL = b'{' + LENGTH + b'\x07learner'
UBJSON_END = re.compile(LENGTH + rb'\x07version\[#' + LENGTH + rb'\x03i(.)i(.)i(.)\}+\Z', re.DOTALL)
#: base_score, num_feature, num_class, two flags, major and minor version, reserved.
BINARY = struct.Struct('<fIiiiII108x')
BINARY_NAMES = re.compile(rb'(?s:.{8})[a-z][a-z0-9_:]*(?:\x06\0{7}gbtree|\x08\0{7}gblinear|\x04\0{7}dart)')
TEXT = re.compile(rb'tree\r?\nversion=(v[234])\r?\n')


def in_file(path):
    """The booster of which it is the file; null for any other."""
    try:
        # A pipe would not open before somebody writes to it.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, 'rb') as file:
            head = file.read(KEPT)
            file.seek(max(0, file.seek(0, os.SEEK_END) - KEPT))
            tail = file.read(KEPT)
    except OSError:
        return None
    if JSON_MODEL.match(head):
        return booster('xgboost', json_version(tail), 'JSON')
    if head.startswith(UBJSON_MODEL):
        return booster('xgboost', ubjson_version(tail), 'UBJSON')
    return booster('xgboost', binary_version(head), 'binary') or booster('lightgbm', text_version(head), 'text')


def in_pickle(package, head, tail):
    """The booster whose state holds a text or bytes that begin and end so; null where they tell no version."""
    if package == 'lightgbm':
        return booster(package, text_version(head), 'pickle')
    version = json_version(tail) or ubjson_version(tail)
    if version is None and not head.startswith((b'{', b'CONFIG-offset:')):
        version = '0'
    return booster(package, version, 'pickle')


def booster(package, version, kind):
    return None if version is None else {'package': package, 'version': version, 'format': kind}


def json_version(tail):
    match = JSON_END.search(tail)
    return match and '.'.join(str(int(part)) for part in match.groups())


def ubjson_version(tail):
    match = UBJSON_END.search(tail)
    return match and '.'.join(str(ord(part)) for part in match.groups())


def binary_version(head):
    at = 4 if head.startswith(b'binf') else 0
    if not BINARY_NAMES.match(head, at + BINARY.size):
        return None
    major, minor = BINARY.unpack_from(head, at)[5:]
    return '%d.%d' % (major, minor) if major else '0'


def text_version(head):
    match = TEXT.match(head)
    return match and match.group(1).decode('ascii')
