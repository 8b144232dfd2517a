/**
 * A stand-in for conda, whose own packages no registry for Python's clients serves. It starts a command as
 * `conda run` does (conda 4.9 and later, `conda/utils.py`, `wrap_subprocess_call`): conda's own Python stays, below it a
 * bash with a script in the temporary folder, below that the command, with the environment's `bin` first on PATH. The
 * environment is a real one of Python's own.
 */
const HOME = '/home/dockeruser/miniconda';
const PREFIX = `${HOME}/envs/inf-conda-env`;

const PROGRAM = `#!/usr/bin/python3
import os, subprocess, sys, tempfile
name, command = sys.argv[3], sys.argv[4:]
prefix = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'envs', name)
with tempfile.NamedTemporaryFile('w', delete=False) as script:
    script.write('export CONDA_PREFIX=%s PATH=%s/bin:$PATH\\n"$@"\\n' % (prefix, prefix))
sys.exit(subprocess.call(['/bin/bash', script.name] + command))
`;

/** Console scripts of the environment, as pip would write them there. */
const scriptOf = (module: string, call: string): string =>
  `#!${PREFIX}/bin/python\nimport sys\nfrom ${module} import ${call}\nsys.exit(${call}())\n`;

export const CONDA = {
  prefix: PREFIX,
  /** By path, to be written first. */
  files: {
    [`${HOME}/bin/conda`]: PROGRAM,
    [`${HOME}/scripts/gunicorn`]: scriptOf('gunicorn.app.wsgiapp', 'run'),
    [`${HOME}/scripts/azmlinfsrv`]: scriptOf('azureml_inference_server_http.amlserver', 'run'),
  },
  /** A shell line that makes the environment. */
  make: `python3 -m venv --without-pip --system-site-packages ${PREFIX}; cp ${HOME}/scripts/* ${PREFIX}/bin/; chmod +x ${HOME}/bin/conda ${PREFIX}/bin/gunicorn ${PREFIX}/bin/azmlinfsrv`,
  /** A shell line that installs a module which no other Python has. */
  install: (module: string) =>
    `echo > $(${PREFIX}/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/${module}.py`,
  /** What the command to be run stands behind. */
  run: `${HOME}/bin/conda run -n inf-conda-env`,
} as const;
