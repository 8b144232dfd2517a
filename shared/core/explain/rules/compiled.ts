/** Packages that are compiled, and what they have stored: shared libraries, numpy's ABI, pickles. */
import { debianName } from '../packages.ts';
import { issue, pull, type Rule } from '../rule.ts';

const LIBRARIES: readonly Rule[] = [
  {
    id: 'shared-library',
    stage: 'import',
    weight: 'cause',
    has: ['cannot open shared object'],
    pattern: /(lib[\w.+-]+\.so[\d.]*): cannot open shared object file/,
    cause: ([, library]) => `the image has no ${library}, which a compiled package needs`,
    mend: ([, library]) => {
      const debian = debianName(library);
      const install =
        debian === null ? `install the package that holds ${library}` : `apt-get install -y ${debian} in the image`;
      return library.startsWith('libGL.') || library.startsWith('libgthread')
        ? `take opencv-python-headless instead of opencv-python, or ${install}`
        : `${install} (apt-file search ${library} names it)`;
    },
    source: issue('Azure/MachineLearningNotebooks', 1782),
  },
  {
    id: 'glibc',
    stage: 'import',
    weight: 'cause',
    has: ['GLIBC_'],
    pattern: /version [`'](GLIBC_[\d.]+)' not found/,
    cause: ([, version]) => `a compiled package (or program) was made for a newer system: the image has no ${version}`,
    mend: 'take a newer base image (GLIBC_2.28 is Debian 10, 2.31 Ubuntu 20.04, 2.35 Ubuntu 22.04), or an older release of that package',
    source: issue('microsoft/Oryx', 977),
  },
  {
    id: 'libstdcxx',
    stage: 'import',
    weight: 'cause',
    has: ['GLIBCXX_', 'CXXABI_'],
    pattern: /version [`']((?:GLIBCXX|CXXABI)_[\d.]+)' not found/,
    cause: ([, version]) =>
      `the system’s libstdc++ is found before the newer one of the conda environment and has no ${version}`,
    mend: 'put the environment’s lib folder first in LD_LIBRARY_PATH (Azure’s run script does that by AZUREML_CONDA_ENVIRONMENT_PATH), or take a newer base image',
    source: pull('Azure/azureml-assets', 3442),
  },
  {
    id: 'compiled-misfit',
    stage: 'import',
    weight: 'cause',
    has: ['undefined symbol', 'binary incompatib'],
    pattern: /undefined symbol: (\S+)|binary incompatib/,
    cause: 'a compiled package was made for another version of what it calls',
    mend: 'a compiled package does not fit: reinstall it in the container’s shell for this Python and its numpy',
    source: issue('moble/quaternion', 72),
  },
];

const NUMPY: readonly Rule[] = [
  {
    id: 'numpy-pickle',
    stage: 'init',
    weight: 'cause',
    has: ["No module named 'numpy._core"],
    pattern: /No module named 'numpy\._core/,
    cause: 'the model was pickled with numpy 2, and the service has numpy 1',
    mend: 'install numpy 2 in the service’s Python (with scikit-learn and pandas that go with it), or 1.26, which can read such pickles, or save the model again',
    source: issue('numpy/numpy', 28340),
  },
  {
    id: 'numpy-abi',
    stage: 'import',
    weight: 'cause',
    has: ['dtype size changed', '_ARRAY_API not found', 'compiled using NumPy 1'],
    pattern: /numpy\.(?:dtype|ufunc|ndarray) size changed|_ARRAY_API not found|compiled using NumPy 1\.x cannot be run/,
    cause:
      'a compiled package (pandas, scikit-learn, …) was built for numpy 1, and numpy 2 is installed, or the other way round',
    mend: 'pin numpy<2 beside it, or take a release of that package for numpy 2; then reinstall both in one pip command',
    source: issue('Azure/azureml-examples', 3415),
  },
  {
    id: 'numpy-api',
    stage: 'import',
    weight: 'cause',
    has: ['compiled against API version', 'compiled against ABI version', 'multiarray failed to import'],
    pattern: /module compiled against A[PB]I version|numpy\.core\.(?:_?multiarray\w*) failed to import/,
    cause: 'a compiled package was built for a newer numpy than the one that is installed',
    mend: 'upgrade numpy to what that package was built with, or take an older release of the package: pip install them together',
    source: issue('moble/quaternion', 72),
  },
];

const PICKLES: readonly Rule[] = [
  {
    id: 'sklearn-version',
    stage: 'init',
    weight: 'warning',
    has: ['Trying to unpickle estimator'],
    pattern: /Trying to unpickle estimator (\w+) from version (\S+) when using version ([\d.]+\w*)/,
    cause: ([, estimator, made, has]) => `${estimator} was saved with scikit-learn ${made} and is loaded with ${has}`,
    mend: ([, , made]) => `pin scikit-learn==${made} in the service’s environment, or save the model again`,
    source: pull('scikit-learn/scikit-learn', 25297),
  },
  {
    id: 'sklearn-joblib',
    stage: 'import',
    weight: 'cause',
    has: ["name 'joblib' from 'sklearn.externals", "No module named 'sklearn.externals"],
    pattern: /cannot import name 'joblib' from 'sklearn\.externals|No module named 'sklearn\.externals/,
    cause: 'scikit-learn 0.23 gave up its copy of joblib, and the code or the model was made with an older one',
    mend: 'write `import joblib` and add joblib to the requirements; a model that was saved that way needs scikit-learn<0.23 or to be saved again',
    source: pull('Azure/azureml-assets', 1724),
  },
  {
    id: 'sklearn-pickle',
    stage: 'init',
    weight: 'cause',
    has: ["No module named 'sklearn.", '__pyx_unpickle', 'get_init_raw_predictions', 'incompatible dtype'],
    pattern:
      /No module named 'sklearn\.(?!externals)(?:\w+\.[\w.]+|_\w+)'|Can't get attribute '__pyx_unpickle_\w+'|has no attribute 'get_init_raw_predictions'|node array from the pickle has an incompatible dtype/,
    cause: 'the model was saved with another scikit-learn: its inner modules have other names there',
    mend: 'install the scikit-learn that the model was made with (the training run’s environment names it), or save it again with the one that serves',
    source: issue('Azure/MachineLearningNotebooks', 1066),
  },
  {
    id: 'pickle-main',
    stage: 'init',
    weight: 'cause',
    has: ["Can't get attribute"],
    pattern: /Can't get attribute '(\w+)' on <module '(\w+)'/,
    cause: ([, name, module]) =>
      `the model was saved where ${name} was defined in ${module === '__main__' || module === 'main' ? 'the notebook or script itself' : module}, and the service’s ${module} has no such name`,
    mend: ([, name]) =>
      `put ${name} into a module of its own that training and entry script both import, and save the model again`,
    source: issue('keras-team/keras-contrib', 555),
  },
  {
    id: 'pickle-protocol',
    stage: 'init',
    weight: 'cause',
    has: ['unsupported pickle protocol'],
    pattern: /unsupported pickle protocol: (\d)/,
    cause: ([, protocol]) =>
      `the model was saved by a newer Python (protocol ${protocol}${protocol === '5' ? ': 3.8 or newer' : ''}) than the one that serves`,
    mend: 'serve with the Python that trained, or save with pickle.dump(model, file, protocol=4)',
    source: issue('mlflow/mlflow', 5419),
  },
  {
    id: 'git-lfs-pointer',
    stage: 'init',
    weight: 'cause',
    has: ['invalid load key', 'version https://git-lfs'],
    pattern: /invalid load key, 'v'|version https:\/\/git-lfs/,
    cause: 'the model’s file is no model but Git LFS’s pointer to it, a few lines of text',
    mend: 'git lfs pull where the model is taken from, then register or copy it again; its size tells at once',
    source: issue('git-lfs/git-lfs', 4366),
  },
  {
    id: 'torch-cuda',
    stage: 'init',
    weight: 'cause',
    has: ['deserialize object on a CUDA device'],
    pattern: /deserialize object on a CUDA device/,
    cause: 'the model was saved on a GPU and is loaded where there is none',
    mend: 'torch.load(path, map_location=torch.device("cpu")), or serve on a machine and image with CUDA',
    source: issue('yunjey/pytorch-tutorial', 249),
  },
];

export const COMPILED_RULES: readonly Rule[] = [...NUMPY, ...LIBRARIES, ...PICKLES];
