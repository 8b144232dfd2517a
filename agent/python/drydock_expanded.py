"""A file's bytes as a stream, expanded where it is compressed, of which never more than a chunk or two are held."""
import bz2
import io
import lzma
import os
import struct
import time
import zipfile
import zlib

MAX_BYTES = 512 * 1024 * 1024
CHUNK = 256 * 1024
#: Longer than the name of any class or module, or a number that is asked for.
MAX_TEXT = 200
#: Bytes at the beginning and at the end of a longer text that are kept of it.
HEAD, TAIL = 40, MAX_TEXT - 40
#: zipfile holds the whole list of a zip's members, and some hundred bytes for each.
MAX_ZIP_LIST = 4 * 1024 * 1024


class Unread(Exception):
    """Why a file is not read to its end."""


class Ended(Unread):
    def __init__(self):
        Unread.__init__(self, 'it ends before its pickle does')


class Long:
    """A text of more than MAX_TEXT bytes."""

    def __init__(self, head, tail):
        self.head = head
        self.tail = tail


class Stream:
    """`file` is given where its own bytes are the chunks: then what is skipped is not read either."""

    def __init__(self, chunks, end, file=None):
        self.chunks = chunks
        self.end = end
        self.file = file
        self.data = b''
        self.at = 0
        self.read = 0

    def more(self):
        if time.monotonic() > self.end:
            raise Unread('the time for it was up')
        if self.read >= MAX_BYTES:
            raise Unread('it is larger than what is read of a file')
        data = next(self.chunks, b'')
        if not data:
            raise Ended
        self.read += len(data)
        return data

    def ahead(self, count):
        """So many bytes, fewer at the end; they stay."""
        try:
            while len(self.data) - self.at < count:
                self.data, self.at = self.data[self.at:] + self.more(), 0
        except Ended:
            pass
        return self.data[self.at:self.at + count]

    def take(self, count):
        while len(self.data) - self.at < count:
            self.data, self.at = self.data[self.at:] + self.more(), 0
        self.at += count
        return self.data[self.at - count:self.at]

    def skip(self, count):
        left = len(self.data) - self.at
        if count > left and self.file is not None:
            if count - left > os.fstat(self.file.fileno()).st_size - self.file.tell():
                raise Ended
            self.file.seek(count - left, io.SEEK_CUR)
            self.data, self.at = b'', 0
            return
        while count > left:
            count -= left
            self.data, self.at = self.more(), 0
            left = len(self.data)
        self.at += count

    def text(self, length):
        """So many bytes; a Long for more than MAX_TEXT."""
        if length <= MAX_TEXT:
            return self.take(length)
        head = self.take(HEAD)
        self.skip(length - HEAD - TAIL)
        return Long(head, self.take(TAIL))

    def line(self):
        """Without its end; a Long for more than MAX_TEXT."""
        line, tail = b'', b''
        while True:
            end = self.data.find(b'\n', self.at)
            part = self.data[self.at:len(self.data) if end < 0 else end]
            line, tail = line + part[:MAX_TEXT + 1 - len(line)], (tail + part[-TAIL:])[-TAIL:]
            if end >= 0:
                self.at = end + 1
                return line if len(line) <= MAX_TEXT else Long(line[:HEAD], tail)
            self.data, self.at = self.more(), 0


def opened(file, end):
    """The stream of what a pickle is written to; null for a zip that torch did not write."""
    head = file.read(16)
    file.seek(0)
    if head.startswith(b'PK\x03\x04'):
        return member(file, end)
    if head.startswith(b'\x04"M\x18'):
        raise Unread('lz4 is not read here')
    if head.startswith(b'ZF0x'):
        # joblib before 0.10 (numpy_pickle_compat.py, read_zfile): the length in 19 characters, with Python 2 one more.
        file.seek(21)
        file.seek(22 if file.read(1) == b' ' else 21)
        return Stream(inflated(file, zlib.decompressobj()), end)
    makers = ((b'\x1f\x8b', lambda: zlib.decompressobj(31)), (b'BZh', bz2.BZ2Decompressor),
              (b'\xfd7zXZ', lzma.LZMADecompressor), (b'\x5d\x00\x00', lzma.LZMADecompressor))
    maker = next((made for magic, made in makers if head.startswith(magic)), None)
    if maker is None and len(head) > 1 and head[0] == 0x78 and struct.unpack('>H', head[:2])[0] % 31 == 0:
        maker = zlib.decompressobj
    return Stream(plain(file), end, file) if maker is None else Stream(inflated(file, maker()), end)


def plain(file):
    while True:
        data = file.read(CHUNK)
        if not data:
            return
        yield data


def inflated(file, machine):
    """At most CHUNK at a time, however much a few bytes expand to."""
    while not machine.eof:
        waiting = getattr(machine, 'unconsumed_tail', b'')
        needs = getattr(machine, 'needs_input', not waiting)
        data = (file.read(64 * 1024) if needs else waiting)
        if needs and not data:
            return
        out = machine.decompress(data, CHUNK)
        if out:
            yield out


class Listed(io.BufferedReader):
    """zipfile reads without a size only at the end, where a comment of 64 kB may be."""

    def read(self, size=-1):
        if size is not None and size > MAX_ZIP_LIST:
            raise Unread('it is a zip of too many members')
        return io.BufferedReader.read(self, size)


def member(file, end):
    """torch.save since 1.6 (serialization.py, _save): the pickle is NAME/data.pkl, and the tensors' bytes lie beside it."""
    archive = zipfile.ZipFile(Listed(file.raw))
    name = next((name for name in archive.namelist() if name.rpartition('/')[2] == 'data.pkl'), None)
    return None if name is None else Stream(plain(archive.open(name)), end)
