/** An image's configuration as Dockerfile lines, for an import. */
import type { ImageInspectInfo } from 'dockerode';
import { envOf } from './facts.ts';

export type ImageConfig = Partial<ImageInspectInfo['Config']> & { readonly StopSignal?: string };

export function changesOf(config: ImageConfig): string[] {
  const lines = [
    ...pairs('ENV', envOf(config.Env)),
    ...pairs('LABEL', config.Labels ?? {}),
    ...keys(config.ExposedPorts).map((port) => `EXPOSE ${port}`),
    ...keys(config.Volumes).map((path) => `VOLUME ${JSON.stringify([path])}`),
  ];
  if (given(config.WorkingDir)) lines.push(`WORKDIR ${config.WorkingDir}`);
  if (given(config.User)) lines.push(`USER ${config.User}`);
  if (given(config.StopSignal)) lines.push(`STOPSIGNAL ${config.StopSignal}`);
  if (given(config.Entrypoint)) lines.push(`ENTRYPOINT ${JSON.stringify([config.Entrypoint].flat())}`);
  if (given(config.Cmd)) lines.push(`CMD ${JSON.stringify(config.Cmd)}`);
  return lines;
}

function pairs(word: string, map: Readonly<Record<string, string>>): string[] {
  return Object.entries(map).map(([name, value]) => `${word} ${quote(name)}=${quote(value)}`);
}

function quote(text: string): string {
  return `"${text.replace(/["\\$]/g, '\\$&')}"`;
}

function keys(map: object | null | undefined): string[] {
  return Object.keys(map ?? {});
}

/** The engine says null, an empty text or an empty list for what is not set. */
function given<T extends string | readonly string[]>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined && value.length > 0;
}
