/** A two-megabyte image with a shell, made without a registry: Debian's static busybox and nothing else. */
import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import type { Images } from '../../console/place/place.ts';

const run = promisify(execFile);
const PROGRAM = '/bin/busybox';
const TAG = 'drydock-test-busybox:2';

/** Resolves with the tag. `command` of a container from it: what is in the variable RUN, then waiting for the end. */
export async function busyboxImage(images: Images): Promise<string> {
  if ((await images.inspect(TAG)) === null) {
    await provideBusybox();
    const script = 'eval "$RUN"; exec sleep 86400';
    await images.import(rootFileSystem(), TAG, [`CMD ${JSON.stringify(['sh', '-c', script])}`, 'ENV PATH=/bin']);
  }
  return TAG;
}

async function provideBusybox(): Promise<void> {
  try {
    await access(PROGRAM);
  } catch {
    await run('apt-get', ['install', '-y', '--no-install-recommends', 'busybox-static']);
  }
}

async function* rootFileSystem(): AsyncGenerator<Uint8Array> {
  const [{ stdout: applets }, program] = await Promise.all([run(PROGRAM, ['--list']), readFile(PROGRAM)]);
  const tar = pack();
  for (const dir of ['bin', 'etc', 'root', 'var', 'var/azureml-app'])
    tar.entry({ name: dir, type: 'directory', mode: 0o755 });
  tar.entry({ name: 'tmp', type: 'directory', mode: 0o1777 });
  tar.entry({ name: 'etc/passwd' }, 'root:x:0:0::/root:/bin/sh\ndockeruser:x:1000:1000::/tmp:/bin/sh\n');
  tar.entry({ name: 'bin/busybox', mode: 0o755 }, program);
  for (const name of applets.split('\n').filter((applet) => applet !== '' && applet !== 'busybox')) {
    tar.entry({ name: `bin/${name}`, type: 'symlink', linkname: 'busybox' });
  }
  tar.finalize();
  for await (const chunk of tar) yield chunk as Uint8Array;
}
