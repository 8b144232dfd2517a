/** The `?` screen, and the same as Markdown for docs/KEYS.md. */
import { KEYMAP, keyName, type Binding } from '../keymap.ts';
import { pad, span, widthOf, wrapWords, type Row } from '../rows.ts';
import type { Scope } from '../state.ts';

const GROUPS: readonly { readonly title: string; readonly scope: Scope }[] = [
  { title: 'In the panes', scope: 'panes' },
  { title: 'While a filter is typed', scope: 'filter' },
  { title: 'In the commit dialog', scope: 'commit' },
];

interface Entry {
  readonly keys: string;
  readonly help: string;
}

/** Each key once, in the first group where it works. */
function entries(scope: Scope): Entry[] {
  const seen = new Set<string>();
  return KEYMAP.filter(({ scopes }) => scopes.includes(scope))
    .filter(({ scopes }) => scope === 'panes' || !scopes.includes('panes'))
    .filter((binding) => {
      const name = namesOf(binding);
      if (seen.has(name)) return false;
      seen.add(name);
      return true;
    })
    .map((binding) => ({ keys: namesOf(binding), help: binding.help }));
}

function namesOf({ keys }: Binding): string {
  return keys.map(keyName).join(' ');
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
    ...(scope === 'panes' ? [[span(`   ${pad('Ctrl-]', width)}   `, 'key'), span('leave the container’s shell')]] : []),
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
      ...(scope === 'panes' ? ['| `Ctrl-]` | leave the container’s shell |'] : []),
    ].join('\n'),
  );
  return `# Keys of the console\n\nGenerated from \`console/app/keymap.ts\`; a test compares.\n\n${tables.join('\n\n')}\n`;
}
