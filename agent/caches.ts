/** Compiled Python that running the service left in the app's folder, and that no image should hold. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What may not be removed stays: it is only a cache. Models are not looked into: their folders are the service's. */
export async function dropCaches(root: string): Promise<void> {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  await Promise.all(
    entries
      .filter((entry) => entry.isDirectory() && entry.name !== 'azureml-models')
      .map(({ name }) => {
        const path = join(root, name);
        return name === '__pycache__' ? rm(path, { recursive: true }).catch(() => undefined) : dropCaches(path);
      }),
  );
}
