/** An image of a test's own: another one, with files of the app replaced and lines of a Dockerfile added. */
import { contextTar } from '../../console/images/context.ts';
import { scoringImage, type Variant } from './images.ts';
import { uniqueName, type TestEngine } from './engine.ts';

export interface Derived extends AsyncDisposable {
  readonly tag: string;
  /** What its container's first commit is called: the name is no other test's. */
  readonly next: string;
}

export interface Difference {
  /** Under /var/azureml-app. */
  readonly files?: Readonly<Record<string, string>>;
  readonly lines?: readonly string[];
  /** Folders of this machine that the lines may COPY from. */
  readonly folders?: readonly { readonly from: string; readonly to: string }[];
  /** Another image than the variant's. */
  readonly from?: () => Promise<string>;
}

export async function derivedImage(
  engine: TestEngine,
  variant: Variant,
  { files = {}, lines = [], folders = [], from = () => scoringImage(variant) }: Difference = {},
): Promise<Derived> {
  const owner = variant.endsWith('root') ? 'root' : '1000:1000';
  const name = uniqueName('derived');
  const tag = `${name}:1`;
  const dockerfile = [
    `FROM ${await from()}`,
    ...Object.keys(files).map((path) => `COPY --chown=${owner} app/${path} /var/azureml-app/${path}`),
    ...lines,
  ].join('\n');
  await engine.images.build(
    contextTar(folders, [
      { path: 'Dockerfile', mode: 0o644, text: dockerfile },
      ...Object.entries(files).map(([path, text]) => ({ path: `app/${path}`, mode: 0o644, text })),
    ]),
    { dockerfile: 'Dockerfile', tags: [tag], labels: { 'drydock.test': 'derived' }, onOutput: () => undefined },
  );
  return { tag, next: `${name}:2`, [Symbol.asyncDispose]: () => engine.images.remove(tag) };
}
