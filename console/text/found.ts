/** How the service was found, in lines for people. */
import type { FoundNote } from '../../shared/core/service.ts';

export function describeFound({ how, ...sources }: FoundNote): string[] {
  const told = (['root', 'entry', 'interpreter', 'port'] as const).flatMap((name) => {
    const source = sources[name];
    return source === null ? [] : [`${name} by ${source}`];
  });
  return [`  ${how}`, ...(told.length === 0 ? [] : [`  ${told.join('; ')}`])];
}
