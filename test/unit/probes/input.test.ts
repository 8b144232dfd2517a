import { expect, test } from 'vitest';
import { chooseInput, swaggerExample, type InputSources } from '../../../agent/probes/input.ts';

const example = { data: [1] };

test.each([
  ['Swagger 2 of azmlinfsrv', { definitions: { ServiceInput: { type: 'object', example } } }],
  ['OpenAPI 3 of azmlinfsrv', { components: { schemas: { ServiceInput: { type: 'object', example } } } }],
  [
    'a reference',
    {
      paths: {
        '/score': {
          post: { requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Body' } } } } },
        },
      },
      components: { schemas: { Body: { properties: { data: { examples: [[1]] } } } } },
    },
  ],
  [
    'named examples',
    {
      paths: {
        '/v1/score': {
          post: { requestBody: { content: { 'application/json': { examples: { one: { value: example } } } } } },
        },
      },
    },
  ],
  [
    'a body of Swagger 2',
    { paths: { '/score': { post: { parameters: [{ in: 'query' }, { in: 'body', schema: { example } }] } } } },
  ],
])('%s', (_, document) => expect(swaggerExample(document, '/score')).toEqual(example));

test('none where none is, nor in a document that leads in a circle', () => {
  expect(swaggerExample(null, '/score')).toBeUndefined();
  expect(swaggerExample({ definitions: { ServiceInput: { type: 'object', example: {} } } }, '/score')).toBeUndefined();
  const circle = { definitions: { ServiceInput: { $ref: '#/definitions/ServiceInput' } } };
  expect(swaggerExample(circle, '/score')).toBeUndefined();
});

test('the first of what was given, what is described, what the decorators show, and the last good request', async () => {
  const request = { method: 'POST', path: '/other', query: '', headers: {}, body: '' };
  const asked: string[] = [];
  const none: InputSources = {
    ...{ scorePath: '/v1/score', data: undefined, sample: null, example: null, last: null },
    describe: (path, query) => Promise.resolve(void asked.push(`${path}?${query}`)),
  };
  const source = async (given: Partial<InputSources>) => (await chooseInput({ ...none, ...given }))?.source ?? null;
  expect(await source({})).toBeNull();
  expect(asked).toEqual(['/v1/swagger.json?', '/v1/swagger.json?version=3.1', '/v1/openapi.json?']);
  expect(await source({ last: request })).toBe('the last good request');
  expect(await source({ last: request, example: '{}' })).toBe('the sample of the input_schema decorator');
  const describe = () => Promise.resolve({ definitions: { ServiceInput: { example } } });
  expect(await source({ last: request, example: '{}', describe })).toBe('the example in /v1/swagger.json');
  expect(await source({ sample: request, describe })).toMatch(/^the sample/);
  const data = { contentType: 'text/csv', body: 'YQ==' };
  expect(await chooseInput({ ...none, data, sample: request })).toMatchObject({
    request: { path: '/v1/score', headers: { CONTENT_TYPE: 'text/csv' }, body: 'YQ==' },
  });
});
