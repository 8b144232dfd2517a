/** Exceptions of Python itself, in the user's code. */
import { pipName, usualImport } from '../packages.ts';
import { DOCS, issue, type Rule } from '../rule.ts';

/** In whichever Python serves. */
const pip = (interpreter: string | undefined, rest: string): string =>
  interpreter === undefined
    ? `python -m pip ${rest} in the container’s shell (drydock shell)`
    : `in the container's shell: ${interpreter} -m pip ${rest}`;

export const PYTHON_RULES: readonly Rule[] = [
  {
    id: 'relative-import',
    stage: 'import',
    weight: 'cause',
    has: ['attempted relative import'],
    pattern: /attempted relative import (?:with no known parent package|beyond top-level package)/,
    cause: 'the entry script is loaded as a file, not as part of a package: it has no parent to import from',
    mend: 'import by plain names (import helper) and put the script’s folder on the path: sys.path.append(os.path.dirname(os.path.realpath(__file__)))',
    source: issue('Azure/MachineLearningNotebooks', 1131),
  },
  {
    id: 'missing-module',
    stage: 'import',
    weight: 'cause',
    has: ['No module named'],
    pattern: /No module named '?([\w.]+)'?/,
    cause: ([, name]) =>
      `the Python that serves has no module ${name}: a package that is not installed there, or a file of yours that is not on its path`,
    mend: ([, name], { interpreter }) =>
      `a package: ${pip(interpreter, `install ${pipName(name)}`)}; then name it in the requirements or conda file. A file of yours: deploy it with the script, and add its folder to sys.path`,
    source: issue('Azure/MachineLearningNotebooks', 833),
  },
  {
    id: 'import-name',
    stage: 'import',
    weight: 'cause',
    has: ['cannot import name'],
    pattern: /cannot import name '?(\w+)'?(?: from '([\w.]+)')?/,
    cause: ([, name, module]) =>
      `the package or module ${module === '' ? '' : `${module} `}is there, and the name ${name} is not in it: another version than the code was written for, or two files that import each other`,
    mend: 'compare the installed version with the one the code was written for, and pin that',
    source: DOCS.server,
  },
  {
    id: 'name-error',
    stage: 'run',
    weight: 'cause',
    has: ['NameError: ', 'UnboundLocalError: '],
    pattern: /\b(?:NameError|UnboundLocalError): .*?'(\w+)'/,
    cause: ([, name]) => `nothing in the code has defined ${name} by then`,
    mend: ([, name]) => {
      const line = usualImport(name);
      if (line !== null) return `add the line \`${line}\``;
      return `define or import ${name} above this line; what init() makes for run() needs \`global ${name}\` in init()`;
    },
    source: issue('MicrosoftDocs/azure-docs', 51135),
  },
  {
    id: 'syntax-error',
    stage: 'import',
    weight: 'cause',
    has: ['SyntaxError: ', 'IndentationError: ', 'TabError: '],
    pattern: /\b(?:SyntaxError|IndentationError|TabError): (.*)/,
    cause: ([, what]) => `Python cannot read the code: ${what}`,
    mend: (_, { place }) =>
      place === undefined ? 'mend the line that is shown above it' : `mend line ${place.line} of ${place.file}`,
    source: DOCS.v2,
  },
  {
    id: 'environment-variable',
    stage: 'init',
    weight: 'cause',
    has: ['KeyError: '],
    pattern: /\bKeyError: '(\w+)'/,
    near: /\benviron\b/,
    cause: ([, name]) => `the code reads ${name} from the environment, and it is not set`,
    mend: ([, name]) => `the service's environment has no ${name}: set it where the container is started`,
    source: issue('Azure/MachineLearningNotebooks', 1780),
  },
  {
    id: 'permission',
    stage: 'init',
    weight: 'cause',
    has: ['ermission denied'],
    pattern: /\[Errno 13\] [Pp]ermission denied(?:: '([^']+)')?|(?:^|\s)(\S+): [Pp]ermission denied$/,
    cause: ([, one, other]) => `whoever runs this may not use ${one || other || 'the file'}`,
    mend: ([, one, other]) =>
      `the service's user (in Azure’s images dockeruser, 1000) may not do this: check owner and mode of ${one || other || 'the file'}, or write below /tmp; a step of a build runs as root, so there the file lacks its x bit or the folder is read-only`,
    source: issue('zylon-ai/private-gpt', 1876),
  },
  {
    id: 'system-exit',
    stage: 'init',
    weight: 'cause',
    has: ['SystemExit'],
    pattern: /\bSystemExit\b(?:: (\S+))?/,
    cause: 'the code calls sys.exit(), which ends the service',
    mend: 'raise an exception instead: the server tells it, and goes on',
    source: DOCS.infsrv,
  },
  {
    id: 'memory-error',
    stage: 'init',
    weight: 'cause',
    has: ['MemoryError', 'Unable to allocate'],
    pattern: /\bMemoryError\b|Unable to allocate [\d.]+ [KMGT]iB/,
    cause: 'Python asked for more memory than the container has',
    mend: 'the container’s memory has to hold the model in each worker, and a second time while new code is tried: give it more, or start fewer workers',
    source: DOCS.v2,
  },
  {
    id: 'entry-functions',
    stage: 'import',
    weight: 'cause',
    has: ['function defined', 'UserScriptFunctionNotFound', 'UserScriptError', 'run() needs to accept', 'run() cannot'],
    pattern:
      /does not have a (?:init|run)\(\) function defined|\bUserScriptFunctionNotFound\b|run\(\) (?:needs to accept an argument|cannot accept positional|cannot be decorated)|\bUserScriptError\b/,
    cause: 'the entry script has not the two functions that the server calls',
    mend: 'the entry script needs init() and run(data): by these names, outside of any class, run() with one named argument (or those of @input_schema) and without *args',
    source: DOCS.infsrv,
  },
];
