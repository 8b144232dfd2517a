/** The container's start: its command, its server, its workers. */
import { DOCS, issue, pull, type Rule } from '../rule.ts';

/** Microsoft's own `run` and `finish` scripts of the gunicorn service, as published. */
const RUNIT =
  'https://github.com/microsoft/DeepSpeed-MII/blob/fec653992b168b7b788308061c9491e9fa1f93a3/mii/aml_related/templates.py';

/** As shells, the Linux kernel and Azure's `run` scripts (which may install packages) give them; empty where unknown. */
export function exitMeaning(code: number): string {
  if (code === 126) return 'its command may not be executed';
  if (code === 127) return 'its command is not there';
  if (code === 137) return 'killed: out of memory?';
  if (code === 139) return 'segmentation fault';
  return code >= 94 && code <= 99 ? 'packages could not be installed' : '';
}

const COMMAND: readonly Rule[] = [
  {
    id: 'gunicorn-missing',
    stage: 'start',
    weight: 'cause',
    has: ['gunicorn: ', 'azmlinfsrv: '],
    pattern: /(?:exec: |line \d+: |: )(gunicorn|azmlinfsrv): (?:command )?not found/,
    cause: ([, name]) => `the environment of the service has no ${name}: its packages are not the server’s`,
    mend: 'add azureml-inference-server-http (v1: azureml-defaults, 1.0.45 or newer) to the pip part of the environment; it brings gunicorn',
    source: issue('recommenders-team/recommenders', 1306),
  },
  {
    id: 'debugpy-missing',
    stage: 'start',
    weight: 'cause',
    has: ['debugpy is not installed', 'debugpy cannot be not injected'],
    pattern: /debugpy is not installed|debugpy cannot be not injected/,
    cause: 'AZUREML_DEBUG_PORT is set, so each worker calls a debugger before it serves, and debugpy is not there',
    mend: 'install debugpy in the service’s Python, or take AZUREML_DEBUG_PORT out of the environment',
    source: DOCS.infsrv,
  },
  {
    id: 'debugger-absent',
    stage: 'start',
    weight: 'effect',
    has: ['Connecting to debugger at port'],
    pattern: /\*\* Connecting to debugger at port (\d+)/,
    last: true,
    cause: ([, port]) =>
      `each worker waits for a debugger that listens on port ${port}, without a time limit (AZUREML_DEBUG_PORT)`,
    mend: 'start the debugger’s listener first, or take AZUREML_DEBUG_PORT out of the environment',
    source: DOCS.infsrv,
  },
  {
    id: 'port-taken',
    stage: 'start',
    weight: 'cause',
    has: ['Connection in use', 'ddress already in use'],
    pattern: /Connection in use: \('?([^',)]*)'?, (\d+)\)|[Aa]ddress already in use/,
    cause: ([, , port]) => `the port ${port || 'that it wants'} is taken by another process in the same container`,
    mend: 'where the code itself takes a port when it starts, bind it in one process only (the serving worker holds it); else find the other server, or give one of them another port',
    source: issue('jonaswinkler/paperless-ng', 227),
  },
  {
    id: 'exec-format',
    stage: 'start',
    weight: 'cause',
    has: ['xec format error'],
    pattern: /[Ee]xec format error/,
    cause: 'the image is for another processor (ARM, x64), or its script has no #! line',
    mend: 'build it with --platform linux/amd64: Azure runs x64',
    source: issue('MicrosoftDocs/azure-docs', 39726),
  },
  {
    id: 'no-entry-script',
    stage: 'import',
    weight: 'cause',
    has: ["No module named 'main'", 'entry_script'],
    pattern: /No module named 'main'|entry_script (\S+) doesn't exist/,
    cause: ([, script]) =>
      script === ''
        ? 'the server found no entry script and fell back to main.py: AZUREML_ENTRY_SCRIPT is not set, or its folder (often an empty mount) holds no code'
        : `${script} is not where it is looked for`,
    mend: 'check AZUREML_ENTRY_SCRIPT, AML_APP_ROOT and the mounts: the script has to lie in the folder that is deployed; `drydock attach` says which folder the service reads, and by what',
    source: issue('Azure/azure-sdk-for-python', 25365),
  },
  {
    id: 'command-missing',
    stage: 'start',
    weight: 'cause',
    has: ['not found'],
    pattern: /(?:sh|bash|dash|run)(?:: line)?(?:: \d+)?: (?:exec: )?([\w./+-]+): (?:command )?not found/,
    cause: ([, name]) => `the image has no ${name}`,
    mend: ([, name]) => `install ${name} in a RUN line before it is used, or name its whole path`,
    source: issue('BrianRuizy/covid19-dashboard', 66),
  },
  {
    id: 'file-missing',
    stage: 'start',
    weight: 'effect',
    has: ['No such file or directory'],
    pattern: /^(?:\S*\/)?(?:ba|da)?(?:sh|cp|mv|cat|tar|chmod|chown|ls|python3?|source)\b.*?: No such file or directory/,
    cause: 'a command of the image does not find its file',
    mend: 'commands run in the image’s working folder (in Azure’s layout /var/azureml-app, where the project’s files are); check the path, and that no ignore file leaves it out',
    source: issue('docker/for-linux', 837),
  },
];

const WORKERS: readonly Rule[] = [
  {
    id: 'worker-timeout',
    stage: 'run',
    weight: 'cause',
    has: ['WORKER TIMEOUT'],
    pattern: /WORKER TIMEOUT \(pid: ?(\d+)\)/,
    cause: ([, pid]) =>
      `worker ${pid} gave no sign of life for as long as gunicorn allows (a long request, a long init(), or a breakpoint), and was ended`,
    mend: 'raise WORKER_TIMEOUT (seconds) in the container’s environment, or find what blocks; the SIGKILL after it is gunicorn’s own, not for memory',
    source: issue('mlflow/mlflow', 10855),
  },
  {
    id: 'worker-killed',
    stage: 'run',
    weight: 'effect',
    has: ['was sent SIGKILL', 'was terminated due to signal 9'],
    pattern: /Worker \(pid:(\d+)\) was (?:sent SIGKILL|terminated due to signal 9)/,
    cause: ([, pid]) => `worker ${pid} was killed: most often for want of memory`,
    mend: 'give the container more memory (v1: memory_gb, v2: a larger instance_type), start fewer workers (WORKER_COUNT), or load less; `drydock attach` says what the kernel counted',
    source: issue('mlflow/mlflow', 10855),
  },
  {
    id: 'out-of-memory',
    stage: 'start',
    weight: 'cause',
    has: ['OOMKilled', 'PodOutOfMemory', 'ut of memory: Kill', 'exit code 137', 'exitCode', 'ExitCode', 'code: 137'],
    pattern:
      /\bOOMKilled\b|\bPodOutOfMemory\b|[Oo]ut of memory: Kill(?:ed)? process|exit code:? 137\b|"?[eE]xitCode\\*"?: ?137\b|returned a non-zero code: 137\b/,
    cause: 'the kernel ended the process because the container’s memory was used up',
    mend: 'give it more memory (v1: memory_gb, v2: a larger instance_type, docker run: --memory), start fewer workers, or load less at once',
    source: DOCS.v2,
  },
  {
    id: 'worker-crashed',
    stage: 'run',
    weight: 'cause',
    has: ['SIGSEGV', 'SIGABRT', 'SIGILL', 'SIGBUS', 'Segmentation fault', 'code 134', 'code 139'],
    pattern: /was sent (SIGSEGV|SIGABRT|SIGILL|SIGBUS|code 13[49])\b|Segmentation fault \(core dumped\)/,
    cause: 'a compiled package crashed the process: Python could say nothing',
    mend: 'reinstall the compiled packages for this Python and its numpy, or pin them as they were when the model was made; PYTHONFAULTHANDLER=1 makes Python say in which call it was',
    source: issue('mlflow/mlflow', 10855),
  },
  {
    id: 'boot-loop',
    stage: 'start',
    weight: 'effect',
    has: ['Booting worker with pid'],
    pattern: /Booting worker with pid: ?\d+/,
    repeats: { times: 3, calm: /Handling signal|Worker exiting|has completed successfully|"(?:GET|POST) \S+ HTTP/ },
    cause: 'workers start again and again and none says why it ended: there isn’t enough memory to start one',
    mend: 'raise memory_gb (v1) or take a larger instance_type (v2); `drydock revive` keeps the container and says why a worker died',
    source: DOCS.v1Local,
  },
  {
    id: 'boot-failed',
    stage: 'start',
    weight: 'effect',
    has: ['Worker failed to boot', 'is not normal. Killing image'],
    pattern: /Worker failed to boot|Exit code (\d+) is not normal\. Killing image/,
    cause:
      'the worker could not load the entry script or its init() failed; gunicorn ended, and runit’s finish script the container with it',
    mend: 'the traceback stands above this, some 40 lines up; `drydock revive` keeps the container alive and serves again when the script is mended',
    source: issue('Azure/azureml-examples', 3415),
  },
  {
    id: 'extra-packages',
    stage: 'start',
    weight: 'effect',
    has: ['Sleeping to send error logs'],
    pattern: /Error occurred\. Sleeping to send error logs/,
    cause:
      'the packages that the container installs at its start could not be installed, so the server was never started',
    mend: 'look at conda’s or pip’s lines above it (an MLflow model brings its conda.yaml); build an image that has them instead, or take a larger instance_type where the solve ran out of memory or time',
    source: RUNIT,
  },
  {
    id: 'extra-file-missing',
    stage: 'start',
    weight: 'cause',
    has: ['Exiting with error'],
    pattern:
      /(?:expected (?:conda yaml|requirements) file|Expected folder with pre-installed packages) not found: (\S+?)\.? Exiting/,
    cause: ([, path]) => `the container is told to install packages from ${path} at its start, and nothing lies there`,
    mend: 'AZUREML_EXTRA_CONDA_YAML, AZUREML_EXTRA_REQUIREMENTS_TXT and AZUREML_EXTRA_PYTHON_LIB_PATH are relative to the entry script’s folder: correct the one that is set, or deploy the file with the code',
    source: RUNIT,
  },
];

const SERVER: readonly Rule[] = [
  {
    id: 'flask-werkzeug',
    stage: 'start',
    weight: 'cause',
    has: ['werkzeug', 'jinja2', 'markupsafe', 'itsdangerous'],
    pattern: /cannot import name '(\w+)' from '((?:werkzeug|jinja2|markupsafe|itsdangerous)[\w.]*)'/,
    cause: ([, name, module]) =>
      `flask is older than its own parts: ${module} has no ${name} any more, and the server cannot start`,
    mend: 'take flask, werkzeug, jinja2, markupsafe, itsdangerous and click out of the environment and let azureml-inference-server-http bring the ones that fit; where flask has to stay old, pin Werkzeug==2.2.2',
    source: pull('Azure/azureml-examples', 2805),
  },
  {
    id: 'flask-register',
    stage: 'start',
    weight: 'cause',
    has: ['register() takes 3 positional'],
    pattern: /register\(\) takes 3 positional arguments but 4 were given/,
    cause: 'Flask 2 with a server that was written for Flask 1',
    mend: 'take azureml-inference-server-http 0.7.0 (azureml-defaults 1.44) or newer; an image has to be of July 2022 or later',
    source: DOCS.server,
  },
  {
    id: 'contrib-services',
    stage: 'import',
    weight: 'cause',
    has: ["No module named 'azureml.contrib", "No module named 'azureml.api"],
    pattern: /No module named '(azureml\.(?:contrib|api)[\w.]*)'/,
    cause: ([, name]) =>
      `${name} exists only inside the inference server, which puts it in place itself; the servers 1.3.0 to 1.3.4 look for the real package`,
    mend: 'run the script through azmlinfsrv (not by python score.py), with azureml-inference-server-http below 1.3 or from 1.4 on; new code imports AMLRequest, rawhttp from azureml_inference_server_http.api',
    source: pull('Azure/azureml-examples', 4009),
  },
  {
    id: 'protobuf',
    stage: 'import',
    weight: 'cause',
    has: ['Descriptors cannot'],
    pattern: /Descriptors cannot (?:not )?be created directly/,
    cause: 'the installed protobuf is newer than the code that a package generated with an older one',
    mend: 'pin protobuf==3.20.*, or take a newer release of the package that the traceback ends in',
    source: issue('Azure/azureml-examples', 2184),
  },
];

export const START_RULES: readonly Rule[] = [...COMMAND, ...SERVER, ...WORKERS];
