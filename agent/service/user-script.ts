/**
 * The script that its author edits. Azure generates a `main.py` that loads it as module `service_driver` and names it
 * in a string (azureml-core, `_model_management/_util.py`, the template of main.py); a script served directly is its own.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';

export function userScript(entryScript: string): string {
  if (basename(entryScript) !== 'main.py') return entryScript;
  try {
    const { mtimeMs } = statSync(entryScript);
    if (known?.entryScript === entryScript && known.mtimeMs === mtimeMs && existsSync(known.script))
      return known.script;
    const script = loadedBy(entryScript);
    known = script === null ? null : { entryScript, mtimeMs, script };
    return script ?? entryScript;
  } catch {
    return entryScript; // what cannot be read names nobody else
  }
}

/** Of the last one that was asked for: each look asks for the same. */
let known: { readonly entryScript: string; readonly mtimeMs: number; readonly script: string } | null = null;

/** Null where it names none that is there. Throws where it cannot be read. */
function loadedBy(entryScript: string): string | null {
  const text = readFileSync(entryScript, 'utf8');
  if (!text.includes('service_driver')) return null;
  const named = Array.from(text.matchAll(/(['"])([^'"\n]+\.py)\1/g), ([, , name = '']) =>
    resolve(dirname(entryScript), name),
  );
  return named.find((script) => script !== entryScript && existsSync(script)) ?? null;
}
