/** The container's models, and how fetching them goes, in sentences. */
import { titleOf } from '../../shared/core/models.ts';
import { bytes, count, duration } from '../app/format.ts';
import type { EngineEvent, ModelsView } from '../engine/view.ts';

type Told = Extract<EngineEvent, { event: 'models' | 'fetching' | 'refetching' | 'fetched' }>;

export function describeFetch(event: Told): string {
  switch (event.event) {
    case 'models':
      return event.models.length === 0 ? 'no models' : `models: ${event.models.map(describeModel).join(', ')}`;
    case 'fetching':
      return describeProgress(event);
    case 'refetching':
      return `${event.path} was changed while it was fetched: it is begun anew`;
    case 'fetched':
      return describeFetched(event);
  }
}

export function describeModel(model: ModelsView['models'][number]): string {
  return `${titleOf(model)} · ${bytes(model.bytes)} · ${HERE[model.here]}`;
}

const HERE: Readonly<Record<ModelsView['models'][number]['here'], string>> = {
  none: 'not copied',
  part: 'copied in part',
  whole: 'copied',
  unsure: 'here, not compared',
  differs: 'differs here',
};

/** `fetching models: 120 MB of 300 MB, 85 MB/s`; before the first byte how much room there is. */
export function describeProgress(fetch: NonNullable<ModelsView['fetch']>): string {
  const { phase, bytes: done, total, rate, free } = fetch;
  const way = `${bytes(done)} of ${bytes(total)}`;
  if (phase === 'comparing') return `comparing models: ${way}`;
  return `fetching models: ${way}, ${rate > 0 ? `${bytes(rate)}/s` : `${bytes(free)} free`}`;
}

function describeFetched({
  files,
  bytes: all,
  transferred,
  resumed,
  kept,
  ms,
}: Extract<Told, { event: 'fetched' }>): string {
  if (files === 0) return 'all models are on this machine';
  const begun = resumed === 0 ? '' : `, ${bytes(resumed)} were here from before`;
  const journal = kept.length === 0 ? '' : `; what they replaced is in the journal: ${kept.join(', ')}`;
  return `fetched ${count(files, 'model file')}, ${bytes(all)}, in ${duration(ms)} (${bytes(transferred)} over the link${begun})${journal}`;
}
