import { buildImage } from '../images/build.ts';
import { readBuildOptions, type BuildFlags } from '../images/project.ts';
import { openPlace, userDir } from './context.ts';
import type { Reporter } from './report.ts';

export type { BuildFlags };

export async function build(reporter: Reporter, dir: string, flags: BuildFlags): Promise<number> {
  const options = await readBuildOptions(dir, flags, { cwd: userDir(), env: process.env });
  const place = await openPlace();
  try {
    const built = await buildImage(place, options, ({ text }) => reporter.step(text.trimEnd()));
    const seconds = (built.ms / 1000).toFixed(1);
    reporter.answer(built, `${built.tag} is built, in ${seconds} s. Run it: drydock run ${built.tag}`);
    return 0;
  } finally {
    await place.close();
  }
}
