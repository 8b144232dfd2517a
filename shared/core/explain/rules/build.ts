/** The image's build: conda, pip, apt and Docker. */
import { DOCS, issue, pull, type Rule } from '../rule.ts';

const CONDA: readonly Rule[] = [
  {
    id: 'conda-no-package',
    stage: 'build',
    weight: 'cause',
    has: ['ResolvePackageNotFound', 'PackagesNotFoundError'],
    pattern: /\b(?:ResolvePackageNotFound|PackagesNotFoundError):/,
    cause: 'conda has no such version in the channels that the environment names, or none for Linux',
    mend: 'loosen or leave out the version of each package that is listed below it (build strings of another system as well), add the channel that has it (conda-forge), or take it from pip; a Python that is no longer built has to be a newer one',
    source: issue('Azure/MachineLearningNotebooks', 194),
  },
  {
    id: 'conda-conflict',
    stage: 'build',
    weight: 'cause',
    has: ['UnsatisfiableError', 'LibMambaUnsatisfiableError'],
    pattern: /\b(?:LibMamba)?UnsatisfiableError:/,
    cause: 'no set of versions fulfils all that the conda environment asks for',
    mend: 'loosen the pins that the lines below name, Python’s first; solve it on this machine with `conda env create -n try -f conda.yaml` before it is built again',
    source: issue('nicklashansen/tdmpc2', 13),
  },
  {
    id: 'conda-pip',
    stage: 'build',
    weight: 'effect',
    has: ['CondaValueError', 'CondaEnvException', 'Pip failed'],
    pattern: /\b(?:CondaValueError: pip returned an error|CondaEnvException: Pip failed|Pip subprocess error:)/,
    cause: 'the pip part of the conda environment failed; conda itself did its work',
    mend: 'look at pip’s own ERROR lines above it',
    source: issue('microsoft/MLOpsPython', 80),
  },
];

const PIP: readonly Rule[] = [
  {
    id: 'certificate',
    stage: 'build',
    weight: 'cause',
    has: ['CERTIFICATE_VERIFY_FAILED', 'certificate verify failed'],
    pattern: /CERTIFICATE_VERIFY_FAILED|certificate verify failed/,
    cause: 'a proxy with a certificate authority of its own stands between the build and the package index',
    mend: 'set PIP_CERT to the authority’s PEM file and build again (in a Dockerfile: COPY it to /usr/local/share/ca-certificates and run update-ca-certificates)',
    source: issue('docker/getting-started', 158),
  },
  {
    id: 'network',
    stage: 'build',
    weight: 'cause',
    has: [
      'Temporary failure',
      'Could not resolve',
      'Connection refused',
      'Network is unreachable',
      'Read timed out',
      'ConnectTimeout',
    ],
    pattern:
      /Temporary failure in name resolution|Temporary failure resolving|Could not resolve host|Could not resolve '|Network is unreachable|(?:NewConnectionError|urllib3|HTTPSConnectionPool).*(?:Connection refused|Read timed out)|ConnectTimeout/,
    cause: 'the container that asks has no way to the network',
    mend: 'check the engine’s bridge, DNS and proxy (HTTPS_PROXY); what pip says after it about versions is only a consequence',
    source: issue('docker/for-win', 5486),
  },
  {
    id: 'pip-no-distribution',
    stage: 'build',
    weight: 'cause',
    has: ['No matching distribution'],
    pattern: /No matching distribution found for ([^\s(]+)/,
    cause: ([, name]) => `pip finds no release of ${name} for this Python and platform`,
    mend: ([, name]) =>
      `check the name and version of ${name}: it may not exist, or have no release for the base image’s Python`,
    source: issue('Azure/azure-sdk-for-python', 10921),
  },
  {
    id: 'pip-conflict',
    stage: 'build',
    weight: 'cause',
    has: ['ResolutionImpossible', 'conflicting dependencies'],
    pattern: /ResolutionImpossible|because these package versions have conflicting dependencies/,
    cause: 'two requirements exclude each other',
    mend: 'loosen the version of one that the lines above it name (“The conflict is caused by”), or leave the choice of both to pip',
    source: issue('Azure-Samples/rag-data-openai-python-promptflow', 11),
  },
  {
    id: 'pip-conflict-telemetry',
    stage: 'build',
    weight: 'cause',
    has: ['opentelemetry'],
    pattern: /((?:azureml|mlflow)[\w-]*) \S+ (?:depends on|requires) (opentelemetry-[\w-]+)/,
    near: /ResolutionImpossible|conflict/,
    cause: ([, name, telemetry]) =>
      `${name} pins ${telemetry}; the inference server and a newer mlflow-skinny want different ones`,
    mend: 'pin mlflow (mlflow-skinny) to a release that accepts the server’s opentelemetry, or leave azureml-inference-server-http without a version so that pip can choose',
    source: pull('Azure/azureml-assets', 3370),
  },
  {
    id: 'pip-incompatible',
    stage: 'build',
    weight: 'warning',
    has: ['which is incompatible'],
    pattern: /(?:^|\s)([\w.-]{1,100}) \S{1,100} requires (.{1,200}), but you have (.{1,200}) which is incompatible/,
    cause: ([, name, wanted, has]) => `${name} wants ${wanted} and gets ${has}`,
    mend: ([, , wanted]) =>
      `pip has installed it all the same; if ${wanted.split(/[<>=!~]/)[0] ?? wanted} fails later, pin it to ${wanted}`,
    source: issue('Azure/InferenceSchema', 68),
  },
  {
    id: 'pip-compiler',
    stage: 'build',
    weight: 'cause',
    has: ["'gcc'", "'g++'", "'cc'", 'x86_64-linux-gnu-gcc', 'No working compiler'],
    pattern:
      /unable to execute '(\S+)': No such file|command '(\S+)' failed: No such file|No working compiler found, or bogus compiler/,
    cause: ([, one, other]) =>
      `a package has no ready wheel for this Python and the image has no compiler (${one || other || 'gcc'})`,
    mend: 'take a version that has a wheel for this Python, or install build-essential and python3-dev before pip runs',
    source: issue('docker-library/python', 60),
  },
  {
    id: 'pip-wheel',
    stage: 'build',
    weight: 'effect',
    has: ['Failed building wheel', 'Could not build wheels', 'subprocess-exited-with-error', 'Failed to build '],
    pattern:
      /Failed building wheel for (\S+)|Could not build wheels for ([^\s,]+)|subprocess-exited-with-error|^(?:ERROR: )?Failed to build (\S+)$/,
    cause: ([, one, other, third]) =>
      `there is no ready wheel of ${one || other || third || 'a package'} for this Python and it could not be compiled`,
    mend: 'take a version that has a wheel, or a base image with a compiler; what is missing stands in the lines above it',
    source: issue('docker/getting-started', 12),
  },
  {
    id: 'pip-slow',
    stage: 'build',
    weight: 'effect',
    has: ['Installing pip dependencies'],
    pattern: /Installing pip dependencies:(?! .*(?:done|failed))/,
    last: true,
    cause: 'the build ended while pip was still trying versions: Azure stops a build that takes too long',
    mend: 'pin the versions in the conda file, so that pip has nothing to try, or build the image beforehand and name it',
    source: issue('Azure/feast-azure', 12),
  },
];

const DOCKER: readonly Rule[] = [
  {
    id: 'apt-package',
    stage: 'build',
    weight: 'cause',
    has: ['Unable to locate package'],
    pattern: /Unable to locate package (\S+)/,
    cause: ([, name]) => `apt knows no package ${name}: its lists are not there, or the name is another one`,
    mend: ([, name]) => `run apt-get update in the same RUN, and check the name of the package ${name}`,
    source: issue('hughperkins/howto-jenkins-ssl', 2),
  },
  {
    id: 'copy-missing',
    stage: 'build',
    weight: 'cause',
    has: ['COPY failed', 'ADD failed', 'failed to calculate checksum', 'failed to compute cache key'],
    pattern:
      /(?:COPY|ADD) failed: .{0,200}?(\S{1,300}): (?:no such file|file does not exist)|failed to (?:calculate checksum|compute cache key).*"([^"]+)": not found/,
    cause: ([, one, other]) => `the build’s context does not hold ${one || other}`,
    mend: 'name the path from the context’s folder, and check that no ignore file (.dockerignore, .amlignore) leaves it out',
    source: issue('moby/moby', 34986),
  },
  {
    id: 'disk-full',
    stage: 'build',
    weight: 'cause',
    has: ['o space left on device'],
    pattern: /[Nn]o space left on device/,
    cause: 'the disk of the engine (or of the machine that serves) is full',
    mend: 'docker system df shows what takes it, docker builder prune and docker image prune free it; a smaller base image and model help in Azure',
    source: issue('moby/moby', 32811),
  },
  {
    id: 'build-killed',
    stage: 'build',
    weight: 'cause',
    has: ['Signals.SIGKILL'],
    pattern: /died with <Signals\.SIGKILL: 9>/,
    cause: 'the build’s machine had too little memory for a step, and the kernel ended it',
    mend: 'build on a machine (Azure: a SKU) with more memory, or take a ready wheel where it compiled',
    source: DOCS.v1,
  },
  {
    id: 'image-build-failure',
    stage: 'build',
    weight: 'effect',
    has: ['ImageBuildFailure', 'mage build failed', 'Image creation polling reached'],
    pattern: /\bImageBuildFailure\b|[Ii]mage build failed|Image creation polling reached non-successful/,
    cause: 'Azure could not build the image; the message itself does not say why',
    mend: 'open the build log that it names (in the workspace’s default storage) and give that text to drydock explain; `drydock build` builds the same project here',
    source: DOCS.v2,
  },
];

export const BUILD_RULES: readonly Rule[] = [...CONDA, ...PIP, ...DOCKER];
