"""`debugpy.py FOLDER FIRST VERSION …`: FOLDER/FIRST.zip is debugpy VERSION without what only its injection by pid needs.

Of that its libraries for Linux stay, by which threads that run already are traced below Python 3.12, as FOLDER/FIRST.NAME:
nothing is executed from where the archive is unpacked. The wheels have them for x86 alone.
"""
import os
import subprocess
import sys
import tempfile
import zipfile


def main(folder, *wanted):
    os.makedirs(folder, exist_ok=True)
    for first, version in zip(wanted[::2], wanted[1::2]):
        with tempfile.TemporaryDirectory() as downloads:
            subprocess.run(
                [sys.executable, '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps',
                 '--only-binary', ':all:', '--platform', 'any', '--python-version', first, '--dest', downloads,
                 'debugpy==' + version], check=True)
            wheel, = os.listdir(downloads)
            strip(os.path.join(downloads, wheel), os.path.join(folder, first + '.zip'))


def strip(wheel, to):
    partial = to + '.partial'
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(partial, 'w', zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            if entry.filename.endswith('.so'):
                with open(to[:-len('zip')] + os.path.basename(entry.filename), 'wb') as file:
                    file.write(source.read(entry))
            elif is_wanted(entry.filename):
                target.writestr(entry, source.read(entry), zipfile.ZIP_DEFLATED)
    os.replace(partial, to)


def is_wanted(name):
    return 'pydevd_attach_to_process' not in name and (name.endswith('.py') or '.dist-info/' in name)


main(*sys.argv[1:])
