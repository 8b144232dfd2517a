import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import hooks from 'eslint-plugin-react-hooks';

const restrict = (paths, message) => ({
  'no-restricted-imports': ['error', { patterns: paths.map((group) => ({ group: [group], message })) }],
});

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'node_modules/', 'coverage/', '**/*.js', '**/*.mjs', '**/*.d.mts'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // `await using _x` holds a thing for its scope.
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
    },
  },
  {
    files: ['console/ui/**/*.tsx', 'console/app/**/*.tsx'],
    plugins: { 'react-hooks': hooks },
    rules: hooks.configs.recommended.rules,
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    ignores: ['console/place/docker/**', 'test/**', 'bench/**'],
    rules: restrict(
      ['dockerode', 'docker-modem'],
      'Only console/place/docker/ talks to an engine: use Place and Target of console/place/place.ts.',
    ),
  },
  {
    files: ['shared/core/**/*.ts'],
    rules: restrict(
      ['node:*', '../disk/*', '../link/*'],
      'shared/core is pure: pass clock, randomness, disk and wire in.',
    ),
  },
  {
    files: ['agent/**/*.ts'],
    rules: restrict(['**/console/**', 'dockerode', 'ink', 'react'], 'Agent and console meet only in shared/.'),
  },
  {
    files: ['console/ui/**/*.tsx', 'console/app/**/*.ts'],
    rules: restrict(
      ['node:fs', 'node:net', '**/place/**', '**/link/**'],
      'The UI asks the Engine of console/engine/view.ts.',
    ),
  },
);
