/** The text of `drydock.yaml`, checked: a mistake is told with its line and key. */
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Settings } from './settings.ts';

const absolute = z.string().startsWith('/', 'must be an absolute path in the container');
const route = z.string().startsWith('/', 'must be a route, such as /score');
const port = 'must be a port, 1 to 65535';
const name = 'must be a name';

const schema = z.strictObject({
  container: z.string(name).min(1, name).exactOptional(),
  dir: z.string('must be a folder').min(1, 'must be a folder').exactOptional(),
  root: absolute.exactOptional(),
  port: z.int(port).min(1, port).max(65_535, port).exactOptional(),
  score_path: route.exactOptional(),
  health_path: route.exactOptional(),
  capture: z.boolean('must be true or false').exactOptional(),
  redact: z.array(z.string('must be a list of words').min(1), 'must be a list of words').exactOptional(),
});

/** `path` is the file's, for messages and to resolve `dir`. */
export function parseSettings(text: string, path: string): Settings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const wrong = (line: number, message: string) =>
    new DrydockError('usage', `${path}, line ${line}: ${message}.`, {
      hint: `It may hold: ${Object.keys(schema.shape).join(', ')}.`,
    });
  const [error] = document.errors;
  if (error !== undefined) throw wrong(error.linePos?.[0].line ?? 1, error.message.split(/ at line |\n/)[0] ?? '');
  const value: unknown = document.toJS() ?? {};
  const parsed = schema.safeParse(value);
  if (parsed.success) {
    const { dir, score_path: scorePath, health_path: healthPath, ...same } = parsed.data;
    return {
      ...same,
      ...(dir !== undefined && { dir: resolve(dirname(path), dir) }),
      ...(scorePath !== undefined && { scorePath }),
      ...(healthPath !== undefined && { healthPath }),
    };
  }
  const issue = parsed.error.issues[0];
  const key = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0];
  if (issue === undefined || key === undefined) throw wrong(1, 'must be `key: value` lines');
  throw wrong(
    lineOf(key),
    issue.code === 'unrecognized_keys' ? `there is no key \`${String(key)}\`` : `\`${String(key)}\` ${issue.message}`,
  );

  function lineOf(wanted: PropertyKey): number {
    const at = new RegExp(`^["']?${String(wanted)}["']?[ \\t]*:`, 'm').exec(text)?.index;
    return at === undefined ? 1 : lines.linePos(at).line;
  }
}
