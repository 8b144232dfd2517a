/** Another program writes all the time into a file that is replaced all the time: every token it wrote is somewhere. */
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { FileNode } from '../../../shared/core/sync/tree.ts';
import { file } from '../../contract/endpoint.ts';
import { disk, folder, launch, make } from '../../support/disk.ts';

test.each(['anew', 'held'])('a program that opens the file %s for each write', async (how) => {
  const { root } = await folder();
  writeFileSync(`${root}/x`, 'start\n');
  const endpoint = await disk(root);
  const seen: string[] = [];
  let now: FileNode = file('start\n');
  const writer = launch('tokens.ts', [`${root}/x`, how]);
  let counted = '';
  writer.stdout.setEncoding('utf8').on('data', (text: string) => (counted += text));
  await once(writer.stdout, 'data');
  const results: Record<string, number> = {};
  for (let round = 0; (results['done'] ?? 0) < 150 || (results['refused'] ?? 0) < 20; round += 1) {
    const text = round % 7 === 6 ? null : `ours ${round}\n`;
    const after = text === null ? null : file(text);
    const outcome = await make(
      endpoint,
      { path: 'x', before: round % 7 === 0 && round > 0 ? null : now, after },
      text ?? '',
    );
    results[outcome.result] = (results[outcome.result] ?? 0) + 1;
    if (outcome.result === 'done') {
      seen.push(Buffer.from(outcome.victim?.data ?? []).toString());
      now = after ?? now;
    } else {
      const found = outcome.result === 'refused' ? outcome.found : null;
      if (found?.kind === 'file') now = found;
    }
  }
  writer.stdin.end();
  await once(writer, 'close');
  await endpoint.close();
  for (const name of readdirSync(root)) seen.push(readFileSync(`${root}/${name}`, 'utf8'));
  const all = seen.join('\n');
  const written = Number(counted.trim().split(/\s+/).at(-1));
  expect(written).toBeGreaterThan(20);
  const missing = Array.from({ length: written }, (_, index) => `<${index + 1}>`).filter(
    (token) => !all.includes(token),
  );
  expect(missing).toEqual([]);
});
