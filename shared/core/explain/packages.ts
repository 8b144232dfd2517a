/** Names that a message has and an installer does not take. */

/** Packages whose module has another name than what pip installs. */
const PIP_NAMES: Readonly<Record<string, string>> = {
  sklearn: 'scikit-learn',
  cv2: 'opencv-python-headless',
  PIL: 'pillow',
  yaml: 'pyyaml',
  skimage: 'scikit-image',
  dotenv: 'python-dotenv',
  dateutil: 'python-dateutil',
  bs4: 'beautifulsoup4',
  'azureml.core': 'azureml-core',
  'azureml.ai.monitoring': 'azureml-ai-monitoring',
  'azureml.monitoring': 'azureml-monitoring',
  'inference_schema.schema_decorators': 'inference-schema',
};

/** What pip calls the package of a module: `sklearn.svm` → `scikit-learn`. */
export function pipName(module: string): string {
  const parts = module.split('.');
  for (let length = parts.length; length > 0; length--) {
    const known = PIP_NAMES[parts.slice(0, length).join('.')];
    if (known !== undefined) return known;
  }
  return parts[0] ?? module;
}

/** Debian's packages of shared libraries that Python wheels expect and slim images lack. */
const DEBIAN_NAMES: readonly (readonly [start: string, name: string])[] = [
  ['libGL.so', 'libgl1'],
  ['libgomp.so', 'libgomp1'],
  ['libSM.so', 'libsm6'],
  ['libXext.so', 'libxext6'],
  ['libXrender.so', 'libxrender1'],
  ['libgthread-2.0.so', 'libglib2.0-0'],
  ['libglib-2.0.so', 'libglib2.0-0'],
  ['libsndfile.so', 'libsndfile1'],
  ['libodbc.so', 'unixodbc'],
];

export function debianName(library: string): string | null {
  return DEBIAN_NAMES.find(([start]) => library.startsWith(start))?.[1] ?? null;
}

/** Names that everybody imports by the same words. */
const USUAL_IMPORTS: Readonly<Record<string, string>> = {
  np: 'import numpy as np',
  pd: 'import pandas as pd',
  tf: 'import tensorflow as tf',
  plt: 'import matplotlib.pyplot as plt',
  nn: 'from torch import nn',
  Model: 'from azureml.core.model import Model',
  Path: 'from pathlib import Path',
  ...Object.fromEntries(
    'os re sys json glob time math logging joblib pickle numpy pandas torch sklearn'
      .split(' ')
      .map((name) => [name, `import ${name}`]),
  ),
};

export function usualImport(name: string): string | null {
  return Object.hasOwn(USUAL_IMPORTS, name) ? (USUAL_IMPORTS[name] ?? null) : null;
}
