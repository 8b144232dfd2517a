/** Whether two image configurations mean the same: an engine says null, an empty text or an empty list for what is not set. */
import type { ImageConfig } from './changes.ts';
import { envOf } from './facts.ts';

/** Of the container that an image was made of, not of what it starts. */
const IDENTITY: ReadonlySet<string> = new Set(['Hostname', 'Domainname', 'Image']);

export function sameConfig(one: ImageConfig, other: ImageConfig): boolean {
  return canonical(one) === canonical(other);
}

function canonical(config: ImageConfig): string {
  const named = { ...config, Env: envOf(config.Env) };
  return JSON.stringify(sorted(Object.fromEntries(Object.entries(named).filter(([name]) => !IDENTITY.has(name)))));
}

/** Keys in order, without what is not set. The order of a list counts, and so do empty values below the top. */
function sorted(value: Readonly<Record<string, unknown>>): unknown {
  return Object.entries(value)
    .filter(([, part]) => isSet(part))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, part]) => [name, isRecord(part) ? Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)) : part]);
}

function isSet(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === false) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
