/** `drydock model list`: what lies in the container's `azureml-models`. */
import { modelsOf, titleOf } from '../../shared/core/models.ts';
import { bytes, count } from '../app/format.ts';
import { withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

export async function listModels(reporter: Reporter, ref: string | undefined, given: ServiceFlags): Promise<number> {
  return withLink(reporter, ref, given, async ({ link, container }) => {
    const { value } = await link.control.call('model.list', { watch: false });
    const models = modelsOf(value.entries);
    for (const model of models) {
      const { name, version, entries, bytes: size, left } = model;
      const paths = left.map(({ path, reason }) => `\n  ${path}: ${reason}`).join('');
      reporter.answer(
        { name, version, files: entries.length, bytes: size, left, folder: value.folder },
        `${titleOf(model)}  ${count(entries.length, 'file')}  ${bytes(size)}${paths}`,
      );
    }
    if (models.length === 0) reporter.say(`${value.folder ?? 'azureml-models'} in ${container.name} holds no model.`);
    if (!value.whole) reporter.say('There are more files than are listed.');
    return 0;
  });
}
