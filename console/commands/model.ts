/** `drydock model put`: a new version of a model, which serves or is taken away again. */
import { basename, resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Result, StreamLast, StreamParams } from '../../shared/core/protocol.ts';
import { drained } from '../../shared/link/file-stream.ts';
import { listModel, modelTar, type ModelFiles } from '../engine/model-tar.ts';
import type { Facts } from '../place/place.ts';
import { describeReload } from '../text/reload.ts';
import { userDir, wishesOf, withLink, type Attached, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

export async function putModel(
  reporter: Reporter,
  first: string,
  second: string | undefined,
  given: ServiceFlags,
): Promise<number> {
  // `drydock model put NAME=PATH`: the container may be left out.
  const [ref, text] = second === undefined ? [undefined, first] : [first, second];
  const { name, path } = parseModel(text);
  const files = await listModel(path);
  return withLink(reporter, ref, given, async ({ link, container, flags }) => {
    // Following holds `finish` for as long as this verb runs.
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const { value: place } = await link.control.call('model.look', { name });
    const folder = checked(place, name, path, container);
    const from = performance.now();
    const last = await send(link, { name, folder }, files, reporter);
    const ms = performance.now() - from;
    const { version, reload } = last;
    reporter.answer(
      { name, ...last, ms },
      version === null
        ? `✗ ${name} was taken away again: the service's code does not boot on it\n${describeReload(reload)}`
        : `✓ ${name} is version ${version} now, at ${last.path ?? ''}\n${describeReload(reload)}`,
    );
    return version === null ? 1 : 0;
  });
}

function parseModel(text: string): { name: string; path: string } {
  const [, name, path] = /^([A-Za-z0-9][\w.-]*)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || path === undefined) {
    throw new DrydockError('usage', `“${text}” names no model.`, {
      hint: 'Say the model’s name and the file or folder: drydock model put diabetes=outputs/model.pkl',
    });
  }
  return { name, path: resolve(userDir(), path) };
}

async function send(
  link: Attached['link'],
  params: StreamParams<'model'>,
  files: ModelFiles,
  reporter: Reporter,
): Promise<StreamLast<'model'>> {
  const { stream } = await (await link.bulk).open('model', params);
  stream.resume(); // to its end, which comes after the last word
  const progress = report(reporter, params.name, files.bytes);
  try {
    for await (const chunk of modelTar(files, progress)) {
      if (!stream.write(chunk)) await drained(stream);
      if (stream.destroyed) break; // the last word says why
    }
    stream.end();
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  }
  const last = (await stream.last) as StreamLast<'model'> | undefined;
  if (last === undefined)
    throw new DrydockError('link-lost', 'The agent dropped the model.', { hint: 'Put it again.' });
  return last;
}

/** Every tenth of what is large enough to be waited for. */
function report(reporter: Reporter, name: string, total: number): (bytes: number) => void {
  const LARGE = 16 * 1024 * 1024;
  let sent = 0;
  let told = 0;
  return (bytes) => {
    sent += bytes;
    const tenth = Math.floor((sent / total) * 10);
    if (total < LARGE || tenth <= told) return;
    told = tenth;
    const megabytes = (count: number) => Math.round(count / 2 ** 20);
    reporter.step(`${name}: ${megabytes(sent)} of ${megabytes(total)} MB`);
  };
}

/** The folder for the version; throws what stands in the way, with what is to be done instead. */
function checked(place: Result<'model.look'>, name: string, path: string, { name: container, mounts }: Facts): string {
  const { runs, asks, folder, mount, writable, modelDir, next } = place;
  if (!runs || folder === null) {
    throw new DrydockError(
      'not-running',
      `No scoring service was found in ${container}, so nothing says where its models lie.`,
      {
        hint: `Start the service, and look at it: drydock probe ${container} model-path`,
      },
    );
  }
  const mountAt = (at: string) =>
    mounts
      .filter(({ destination }) => at === destination || at.startsWith(`${destination}/`))
      .sort((a, b) => b.destination.length - a.destination.length)[0];
  if (!asks) {
    const source = modelDir === null ? undefined : mountAt(modelDir);
    throw new DrydockError(
      'halted',
      `The service's code does not call Model.get_model_path: ${modelDir === null ? 'it says itself where its model lies' : `it reads AZUREML_MODEL_DIR, which is ${modelDir} for as long as the container lives`}.`,
      {
        hint:
          source === undefined
            ? 'Let the environment name a folder with the new model and start the container again, or replace the file in it and reload.'
            : `That folder is ${source.source} of this machine: replace the model there, then: drydock reload ${container}`,
      },
    );
  }
  if (mount !== null) {
    const source = mountAt(mount);
    const inside = `${name}/${next}`.slice(mount === folder ? 0 : name.length + 1);
    throw new DrydockError('halted', `${mount} is a mount of its own: a version cannot be put into it whole.`, {
      hint:
        source?.type === 'bind'
          ? `On this machine: mkdir -p ${source.source}/${inside} && cp -r ${path} ${source.source}/${inside}/${basename(path)}; then: drydock reload ${container}`
          : 'Put the version into that volume from outside, then reload.',
    });
  }
  if (!writable) {
    throw new DrydockError('halted', `${folder} in ${container} cannot be written.`, {
      hint: 'Run the container without --read-only and with root’s usual capabilities, or build the model into the image.',
    });
  }
  return folder;
}
