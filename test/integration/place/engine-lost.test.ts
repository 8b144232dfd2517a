import { once } from 'node:events';
import { expect, it } from 'vitest';
import { findAddress } from '../../../console/place/docker/address.ts';
import { openDocker } from '../../../console/place/docker/docker.ts';
import { doorTo } from '../../support/door.ts';
import { engine, withContainer } from '../../support/engine.ts';

it('an engine that goes away and comes back is told, with what happened meanwhile', async () => {
  await using real = await engine();
  await using container = await withContainer(real, { part: 'engine-lost' });
  await using door = await doorTo((await findAddress(undefined, process.env)).options.socketPath ?? '');
  await door.open();
  const place = await openDocker({ host: `unix://${door.path}`, env: {} });
  const target = await place.open(container.id);
  const cat = await target.spawn(['cat'], {});
  cat.stderr.on('error', () => undefined).resume();
  cat.stdio.on('error', () => undefined).write('echo');
  await once(cat.stdio, 'data');
  const stop = new AbortController();
  const seen: string[] = [];
  await real.docker.getContainer(container.id).pause();
  for await (const { type } of target.events(stop.signal)) {
    seen.push(type);
    if (type === 'paused') {
      await door.shut();
    } else if (type === 'engine-lost') {
      await expect(target.changes()).rejects.toMatchObject({ code: 'no-engine' });
      await expect(cat.exit).rejects.toMatchObject({ code: 'no-engine' });
      await real.docker.getContainer(container.id).unpause();
      await real.docker.getContainer(container.id).restart({ t: 0 });
      await door.open();
    } else if (type === 'started') {
      stop.abort();
    }
  }
  expect(seen).toEqual(['paused', 'engine-lost', 'engine-back', 'died', 'started']);
  await place.close();
});
