/** Which mounts hold the app and its models: a commit alone takes none of them. */
import type { Facts, IncludedMount, Mount } from '../place/place.ts';

export interface AppMounts {
  /** Hold the app's files. */
  readonly app: readonly Mount[];
  readonly models: readonly Mount[];
  /** In memory only: nobody outside can read them. */
  readonly lost: readonly Mount[];
}

export function appMounts({ mounts, env }: Pick<Facts, 'mounts' | 'env'>, root: string): AppMounts {
  const appRoot = env['AML_APP_ROOT'] ?? '/var/azureml-app';
  const models = ['/var/azureml-app', appRoot, root].map((folder) => `${folder}/azureml-models`);
  const modelDir = env['AZUREML_MODEL_DIR'];
  if (modelDir?.startsWith('/') === true) models.push(modelDir);
  const holdsModels = ({ destination }: Mount) =>
    models.some((folder) => isWithin(destination, folder)) ||
    (isWithin(modelDir ?? '', destination) && !isWithin(root, destination));
  const holdsApp = ({ destination }: Mount) =>
    isWithin(destination, root) || isWithin(root, destination) || isWithin(destination, appRoot);
  const readable = mounts.filter(({ type }) => type === 'bind' || type === 'volume');
  return {
    models: readable.filter(holdsModels),
    app: readable.filter((mount) => holdsApp(mount) && !holdsModels(mount)),
    lost: mounts.filter((mount) => mount.type === 'tmpfs' && holdsApp(mount)),
  };
}

/** Those that go into the image, outermost first; what lies in one and is mounted itself is left to its own. */
export function included(chosen: readonly Mount[], all: readonly Mount[]): readonly IncludedMount[] {
  return chosen
    .toSorted((a, b) => a.destination.length - b.destination.length)
    .map(({ destination: path }) => {
      const inner = all
        .map(({ destination }) => destination)
        .filter((other) => other !== path && isWithin(other, path));
      return { path, leaveOut: (file) => isSpare(file) || inner.some((folder) => isWithin(file, folder)) };
    });
}

/** What a run leaves behind and no image should hold: compiled Python, Drydock's own staging. */
export function isSpare(path: string): boolean {
  return path.split('/').some((name) => name === '__pycache__' || name.startsWith('.drydock'));
}

/** True for the folder itself as well. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}
