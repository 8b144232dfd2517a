/** The `?` screen, and the same as Markdown for docs/KEYS.md. */
import { KEYMAP, keyName } from '../keymap.ts';
import { pad, span, widthOf, wrapWords, type Row } from '../rows.ts';
import type { Scope } from '../state.ts';

const GROUPS: readonly { readonly title: string; readonly scope: Scope }[] = [
  { title: 'In the panes', scope: 'panes' },
  { title: 'While a filter is typed', scope: 'filter' },
  { title: 'In a long text', scope: 'details' },
  { title: 'In the undo list', scope: 'undo' },
  { title: 'In a conflict', scope: 'conflict' },
  { title: 'In the load dialog', scope: 'load' },
  { title: 'In the commit dialog', scope: 'commit' },
];

interface Entry {
  readonly keys: string;
  readonly help: string;
}

/** Keys that do the same, or the two directions of it, are one entry; each stands in the first group where it works. */
function entries(scope: Scope): Entry[] {
  const works = KEYMAP.filter(({ scopes }) => scopes.includes(scope));
  const here = scope === 'panes' ? works : works.filter(({ scopes }) => !scopes.includes('panes'));
  const keys = new Map<string, Set<string>>();
  for (const binding of here) {
    const names = keys.get(binding.help) ?? new Set();
    for (const key of binding.keys) names.add(keyName(key));
    keys.set(binding.help, names);
  }
  const listed = Array.from(keys, ([help, names]) => ({ keys: [...names].join(' '), help }));
  return scope === 'panes' ? [...listed, { keys: 'Ctrl-]', help: 'in the shell: end it and come back' }] : listed;
}

export function helpRows(columns: number): Row[] {
  const width = Math.max(...GROUPS.flatMap(({ scope }) => entries(scope)).map(({ keys }) => widthOf(keys)));
  return GROUPS.flatMap(({ title, scope }, group) => [
    ...(group === 0 ? [] : [[]]),
    [span(` ${title}`, 'strong')],
    ...entries(scope).flatMap(({ keys, help }) =>
      wrapWords(help, Math.max(10, columns - width - 7)).map((row, index): Row => [
        span(`   ${pad(index === 0 ? keys : '', width)}   `, 'key'),
        span(row),
      ]),
    ),
  ]);
}

/** docs/KEYS.md; a test compares the file with this. */
export function helpMarkdown(): string {
  const tables = GROUPS.map(({ title, scope }) =>
    [
      `## ${title}`,
      '',
      '| key | does |',
      '|---|---|',
      ...entries(scope).map(
        ({ keys, help }) =>
          `| ${keys
            .split(' ')
            .map((key) => `\`${key}\``)
            .join(' ')} | ${help} |`,
      ),
    ].join('\n'),
  );
  return `# Keys of the console\n\nGenerated from \`console/app/keymap.ts\`; a test compares.\n\n${tables.join('\n\n')}\n`;
}
