/** What run() is asked: the first of what was given, what the service's own description offers, and what it answered well. */
import { z } from 'zod';
import type { GateRequest } from '../hook/messages.ts';

export interface Input {
  readonly request: GateRequest;
  /** `the file of --data` */
  readonly source: string;
}

export interface InputSources {
  readonly scorePath: string;
  readonly data: { readonly contentType: string; readonly body: string } | undefined;
  readonly sample: GateRequest | null;
  /** The JSON at a path of the service; null where nothing is. */
  readonly describe: (path: string, query: string) => Promise<unknown>;
  /** JSON, of the decorators of inference-schema. */
  readonly example: string | null;
  readonly last: GateRequest | null;
}

/** Null when nothing is known that could be asked. */
export async function chooseInput(sources: InputSources): Promise<Input | null> {
  const { scorePath, data, sample, describe, example, last } = sources;
  const posted = (contentType: string, body: string): GateRequest => {
    const [path = '/', query = ''] = scorePath.split(/\?(.*)/s);
    return { method: 'POST', path, query, headers: { CONTENT_TYPE: contentType }, body };
  };
  const json = (text: string) => posted('application/json', Buffer.from(text).toString('base64'));
  if (data !== undefined) return { request: posted(data.contentType, data.body), source: 'the file of --data' };
  if (sample !== null) return { request: sample, source: 'the sample (--sample, or `sample` in drydock.yaml)' };
  const folder = scorePath.replace(/\?.*$/s, '').replace(/\/[^/]*$/, '');
  for (const [path, query] of [
    [`${folder}/swagger.json`, ''],
    [`${folder}/swagger.json`, 'version=3.1'],
    [`${folder}/openapi.json`, ''],
  ] as const) {
    const found = swaggerExample(await describe(path, query), scorePath);
    if (found === undefined) continue;
    const source = `the example in ${path}${query === '' ? '' : `?${query}`}`;
    return { request: json(JSON.stringify(found)), source };
  }
  if (example !== null) return { request: json(example), source: 'the sample of the input_schema decorator' };
  return last === null ? null : { request: last, source: 'the last good request' };
}

const dict = z.record(z.string(), z.unknown());
const asDict = (value: unknown): Record<string, unknown> => dict.safeParse(value).data ?? {};
const at = (value: unknown, ...path: string[]): unknown => path.reduce((inner, key) => asDict(inner)[key], value);

/** What a Swagger 2 or OpenAPI 3 document shows as the input of the scoring route; undefined where it shows none. */
export function swaggerExample(document: unknown, scorePath: string): unknown {
  const paths = asDict(at(document, 'paths'));
  const route =
    Object.keys(paths).find((path) => path === scorePath) ?? Object.keys(paths).find((path) => path.endsWith('/score'));
  const post = at(paths[route ?? ''], 'post');
  const parameters = z.array(z.unknown()).safeParse(at(post, 'parameters')).data ?? [];
  const media = at(post, 'requestBody', 'content', 'application/json');
  const schemas = [
    at(document, 'definitions', 'ServiceInput'),
    at(document, 'components', 'schemas', 'ServiceInput'),
    at(
      parameters.find((one) => at(one, 'in') === 'body'),
      'schema',
    ),
    at(media, 'schema'),
  ];
  const named = Object.values(asDict(at(media, 'examples'))).map((one) => at(one, 'value'));
  return [at(media, 'example'), ...named, ...schemas.map((schema) => exampleOf(document, schema, MAX_DEPTH))].find(
    (value) => value !== undefined && value !== null && !isEmpty(value),
  );
}

const MAX_DEPTH = 8;

/** azmlinfsrv describes a run() without decorators by an empty object. */
const isEmpty = (value: unknown): boolean => typeof value === 'object' && Object.keys(value ?? {}).length === 0;

function exampleOf(document: unknown, schema: unknown, depth: number): unknown {
  const reference = at(schema, '$ref');
  if (depth <= 0) return undefined;
  if (typeof reference === 'string' && reference.startsWith('#/')) {
    return exampleOf(document, at(document, ...reference.slice(2).split('/')), depth - 1);
  }
  const given = at(schema, 'example') ?? z.array(z.unknown()).safeParse(at(schema, 'examples')).data?.[0];
  if (given !== undefined) return given;
  const properties = Object.entries(asDict(at(schema, 'properties'))).map(
    ([name, inner]) => [name, exampleOf(document, inner, depth - 1)] as const,
  );
  const known = properties.filter(([, value]) => value !== undefined);
  return known.length === properties.length && known.length > 0 ? Object.fromEntries(known) : undefined;
}
