/**
 * The one table of what logs and messages mean: for `drydock explain`, the hints beside a failure, the probes, the build
 * and the Logs pane. Of rules of one weight that match one line the first counts, so the special stand before the general.
 */
import type { Rule } from './rule.ts';
import { AZURE_RULES } from './rules/azure.ts';
import { BUILD_RULES } from './rules/build.ts';
import { COMPILED_RULES } from './rules/compiled.ts';
import { MODEL_RULES } from './rules/model.ts';
import { PULL_RULES } from './rules/pull.ts';
import { PYTHON_RULES } from './rules/python.ts';
import { REQUEST_RULES } from './rules/request.ts';
import { START_RULES } from './rules/start.ts';

export const RULES: readonly Rule[] = [
  ...PULL_RULES,
  ...BUILD_RULES,
  ...START_RULES,
  ...MODEL_RULES,
  ...COMPILED_RULES,
  ...PYTHON_RULES,
  ...REQUEST_RULES,
  ...AZURE_RULES,
];
