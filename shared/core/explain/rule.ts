/** What a rule is: one shape of a line, what it means and what mends it. */

/**
 * Where a failure belongs: the image's build, its pull, the start of the container, the entry script's import, its init(),
 * a request, the routing in front of the service, its scale, rights, and Azure's own control plane.
 */
export type Stage = 'build' | 'pull' | 'start' | 'import' | 'init' | 'run' | 'route' | 'scale' | 'auth' | 'azure';

/**
 * `cause` names what is wrong. `effect` is what came of it: it counts where no cause is told. `warning` does no harm by
 * itself.
 */
export type Weight = 'cause' | 'effect' | 'warning';

/** What is known beside the text; a text alone tells none of it. */
export interface Facts {
  /** The Python that serves: `/opt/env/bin/python`. */
  readonly interpreter?: string;
  /** The service's working folder. */
  readonly cwd?: string;
  readonly entryScript?: string;
  /** Folders that hold models. */
  readonly modelFolders?: readonly string[];
  /** Where in the user's code it happened. */
  readonly place?: Place;
}

export interface Place {
  readonly file: string;
  readonly line: number;
  /** `init`; `<module>` outside of any function; absent where it is no Python. */
  readonly function?: string;
  /** The functions of the user's that were under way, outermost first. */
  readonly within?: readonly string[];
}

/** What the pattern captured, an absent group as an empty text. */
export type Captures = readonly [line: string, first: string, second: string, third: string];

export type Words = string | ((captures: Captures, facts: Facts) => string);

export interface Rule {
  /** `numpy-abi` */
  readonly id: string;
  readonly stage: Stage;
  readonly weight: Weight;
  /** Every line that the pattern matches holds one of these: what is looked for first, because it costs least. */
  readonly has: readonly string[];
  /** On one line, at most LONGEST_LINE characters, so it takes linear time. */
  readonly pattern: RegExp;
  /** What else has to stand in the lines around it: its traceback, or the lines before it. */
  readonly near?: RegExp;
  /** How many times the line has to come, with other lines between, before it means anything; `calm` begins anew. */
  readonly repeats?: { readonly times: number; readonly calm: RegExp };
  /** It counts only where the text ends with it. */
  readonly last?: true;
  readonly when?: (captures: Captures, facts: Facts) => boolean;
  readonly cause: Words;
  readonly mend: Words;
  /** The public case that it comes from. */
  readonly source: string;
}

/** Characters of a line that are looked at. */
export const LONGEST_LINE = 4000;

/** Documents that are the source of several rules. */
export const DOCS = {
  /** Kept by its commit: the page that names the access policy as the cause of the image builder's 500. */
  keyVault:
    'https://github.com/MicrosoftDocs/azure-docs/blob/001317213112efe4669ff2b898fc41d276ac195b/articles/machine-learning/service/how-to-troubleshoot-deployment.md',
  v1: 'https://github.com/MicrosoftDocs/azure-docs/blob/07e8a1d05368cebff601032cf05968463def1704/articles/machine-learning/v1/how-to-troubleshoot-deployment.md',
  v1Local:
    'https://github.com/MicrosoftDocs/azure-docs/blob/012ad308577ca7a4bcf96132a0e71b2819fa4a98/articles/machine-learning/v1/how-to-troubleshoot-deployment-local.md',
  v2: 'https://github.com/MicrosoftDocs/azure-ai-docs/blob/112100ce80671708ca6b2f7ea53c2f08d05706e6/articles/machine-learning/how-to-troubleshoot-online-endpoints.md',
  server:
    'https://github.com/MicrosoftDocs/azure-ai-docs/blob/56ffc14044943506ffaa9d51dfce829d8a8dd02c/articles/machine-learning/includes/machine-learning-inference-server-troubleshooting.md',
  /** azureml/core/model.py, `_get_model_path_local`. */
  azuremlCore: 'https://pypi.org/project/azureml-core/1.61.0.post4/',
  /** azureml_inference_server_http/server: entry.py, user_script.py, routes.py. */
  infsrv: 'https://github.com/microsoft/azureml-inference-server',
} as const;

export const issue = (repository: string, number: number): string =>
  `https://github.com/${repository}/issues/${number}`;
export const pull = (repository: string, number: number): string => `https://github.com/${repository}/pull/${number}`;
