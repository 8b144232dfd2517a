/** What proves that a container's history goes on, and what does not. */
import { expect, test } from 'vitest';
import { identityOf } from '../../../console/engine/identity.ts';
import { TREE_LABEL } from '../../../console/engine/snapshot-labels.ts';
import { keyOf } from '../../../console/engine/sync/store.ts';
import type { Mount, Target } from '../../../console/place/place.ts';

const ROOT = '/var/azureml-app';
const labels = { [TREE_LABEL]: 'a'.repeat(64) };
const mount = (destination: string, type: Mount['type'] = 'bind'): Mount => ({
  type,
  source: type === 'tmpfs' ? '' : `/of${destination}`,
  destination,
  writable: true,
});

function identity(mounts: readonly Mount[], startedAt = '1', changed: Awaited<ReturnType<Target['changes']>> = []) {
  const id = { place: 'docker', container: 'c', image: 'i', startedAt };
  return identityOf({ id, changes: () => Promise.resolve(changed) }, { name: 'debug', mounts, labels }, ROOT);
}

test('in the container’s own layer the image counts, and a start does not', async () => {
  const own = identity([mount('/var/azureml-app/azureml-models'), mount('/var/azureml')]);
  expect(own).toMatchObject({ mount: null, provenTree: labels[TREE_LABEL] });
  expect(await own.pristine?.()).toBe(true);
  expect(keyOf(own)).toBe(keyOf(identity([], '2')));
  const edited = identity([], '1', [
    { path: ROOT, kind: 'modified' },
    { path: `${ROOT}/score.py`, kind: 'modified' },
  ]);
  expect(await edited.pristine?.()).toBe(false);
});

test('what is mounted over the image lives on, and the image says nothing of it', () => {
  const mounted = identity([mount('/var'), mount(ROOT, 'volume'), mount('/')]);
  expect(mounted).toMatchObject({ mount: `/of${ROOT}` });
  expect(mounted).not.toHaveProperty('provenTree');
  expect(mounted).not.toHaveProperty('pristine');
  expect(keyOf(mounted)).toBe(keyOf(identity([mount(ROOT, 'volume')], '2')));
});

test('what lies in memory is of one start', () => {
  const inMemory = identity([mount('/'), mount('/var', 'tmpfs')]);
  expect(inMemory).toMatchObject({ mount: null, inMemory: true });
  expect(inMemory).not.toHaveProperty('provenTree');
  expect(inMemory).not.toHaveProperty('pristine');
  expect(keyOf(inMemory)).not.toBe(keyOf(identity([mount('/var', 'tmpfs')], '2')));
});
