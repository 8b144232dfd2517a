/** Where the model lies, and where the code looks for it. */
import { DOCS, issue, type Facts, type Rule } from '../rule.ts';

const PROBE =
  'run the model-path probe (drydock probe model-path): it shows where Model.get_model_path looks and what lies there';

export const MODEL_RULES: readonly Rule[] = [
  {
    id: 'model-one-entry',
    stage: 'init',
    weight: 'cause',
    has: ['can contain only 1 file or folder'],
    pattern: /Dir (\S+) can contain only 1 file or folder\. Found (.*)/,
    cause: ([, folder, found]) =>
      `Model.get_model_path takes a version’s one entry, and ${folder} holds others: ${found} (hidden files count)`,
    mend: ([, folder]) =>
      `leave exactly one file or folder in ${folder}: remove what a system left there (.DS_Store, .ipynb_checkpoints), and put several files into one folder`,
    source: DOCS.azuremlCore,
  },
  {
    id: 'model-no-version',
    stage: 'init',
    weight: 'cause',
    has: ['versions is empty'],
    pattern: /\bversions is empty\b/,
    cause: 'the model’s folder in azureml-models is there, and no version is in it',
    mend: 'put the model’s file into azureml-models/NAME/1/; ' + PROBE,
    source: DOCS.azuremlCore,
  },
  {
    id: 'model-version-name',
    stage: 'init',
    weight: 'cause',
    has: ['invalid literal for int()'],
    pattern: /invalid literal for int\(\) with base 10: '([^']*)'/,
    near: /get_latest_version/,
    cause: ([, name]) =>
      `Model.get_model_path takes every entry of the model’s folder for a version, and ${name} is no number`,
    mend: ([, name]) =>
      `the model’s folder holds an entry that is no version number: remove ${name} from azureml-models/NAME (the model-path probe names it), or ask for a version`,
    source: DOCS.azuremlCore,
  },
  {
    id: 'model-version-type',
    stage: 'init',
    weight: 'cause',
    has: ['version should be an int', 'model_name is None'],
    pattern: /version should be an int|model_name is None/,
    cause: 'Model.get_model_path was given no name, or a version that is a text',
    mend: 'give it a name and, where a version is wanted, a number: Model.get_model_path("NAME", version=1)',
    source: DOCS.azuremlCore,
  },
  {
    id: 'model-not-found',
    stage: 'init',
    weight: 'cause',
    has: ['ot found in cache', 'ModelNotFoundException', 'Expected model path does not exist'],
    pattern: /Model (?:(\S+) )?not found in cache|\bModelNotFoundException\b|Expected model path does not exist/,
    cause: ([, name]) =>
      `Model.get_model_path finds ${name || 'the model'} neither in azureml-models nor in the working folder; where AZUREML_MODEL_DIR points it never looks`,
    mend: PROBE + '; the name counts by case, and outside of a deployment it needs _workspace=ws',
    source: issue('MicrosoftDocs/azure-docs', 45645),
  },
  {
    id: 'workspace-config',
    stage: 'init',
    weight: 'cause',
    has: ['config.json, could not be found'],
    pattern: /workspace configuration file config\.json, could not be found/,
    cause: 'the entry script asks for a workspace, and a container of a service has none',
    mend: 'leave Workspace.from_config() out: in the container Model.get_model_path("NAME") and AZUREML_MODEL_DIR need no workspace',
    source: issue('Azure/MachineLearningNotebooks', 1877),
  },
  {
    id: 'model-dir-unset',
    stage: 'init',
    weight: 'cause',
    has: ['os.PathLike object, not NoneType'],
    pattern: /expected str, bytes or os\.PathLike object, not NoneType/,
    cause: 'a path is None: most often os.getenv("AZUREML_MODEL_DIR") where nothing has set it',
    mend: 'set AZUREML_MODEL_DIR where the container is started (azmlinfsrv: --model_dir), as a deployment does',
    source: issue('Azure/MachineLearningNotebooks', 1780),
  },
  {
    id: 'entry-file-missing',
    stage: 'start',
    weight: 'cause',
    has: ['No such file or directory'],
    pattern: /\[Errno 2\] No such file or directory: '([^']+)'/,
    when: ([, path], { entryScript }) => path === entryScript,
    cause: ([, path]) => `the server looks for the entry script at ${path}, and it is not there`,
    mend: 'the entry script is not where the server looks: check AZUREML_ENTRY_SCRIPT, AML_APP_ROOT and the mounts',
    source: issue('Azure/azure-sdk-for-python', 25365),
  },
  {
    id: 'model-file-missing',
    stage: 'init',
    weight: 'cause',
    has: ['o such file or directory', 'File doesn’t exist', 'file does not exist at'],
    pattern: /No such file or directory: '([^']+)'|SavedModel file does not exist at: ([^\s{]+)/,
    when: ([, one, other], facts) => isInModelFolder(one || other, facts),
    cause: ([, one, other]) => `${one || other} is in the model’s folder, and nothing lies at that path`,
    mend: 'this is in the model folder: run the model-path probe to see what lies there; registering a folder (outputs/, model/) keeps its name as one more step of the path',
    source: issue('Azure/azureml-examples', 1068),
  },
  {
    id: 'data-file-missing',
    stage: 'init',
    weight: 'cause',
    has: ['No such file or directory'],
    pattern: /\[Errno 2\] No such file or directory: '([^']+)'/,
    cause: ([, path]) =>
      path.startsWith('/')
        ? `nothing lies at ${path} in the container`
        : `${path} is a relative path, and nothing lies there from the service’s working folder`,
    mend: ([, path], { cwd }) =>
      path.startsWith('/')
        ? `check that ${path} is deployed or mounted, and for whom`
        : `the path is relative to the service's working folder ${cwd ?? '(AML_APP_ROOT)'}: build it from the script’s own place, os.path.join(os.path.dirname(os.path.realpath(__file__)), ${JSON.stringify(path)})`,
    source: issue('elliebirbeck/model-deployment-flask', 1),
  },
  {
    id: 'data-collector',
    stage: 'init',
    weight: 'cause',
    has: ['is not enabled, drop the data', 'data collector is not initialized'],
    pattern: /(custom logging|collection \S+) is not enabled, drop the data|data collector is not initialized/,
    cause: 'Collector(…) raises where the deployment has no data_collector: AZUREML_MDC_ENABLED is not set',
    mend: 'give it on_error=lambda e: logging.warning(e), so that it only warns; or enable the collection of that name in the deployment (data_collector.collections)',
    source: 'https://pypi.org/project/azureml-ai-monitoring/1.0.0/',
  },
  {
    id: 'data-collector-v1',
    stage: 'run',
    weight: 'cause',
    has: ["'ModelDataCollector' object has no attribute"],
    pattern: /'ModelDataCollector' object has no attribute '(\w+)'/,
    cause: 'azureml-monitoring could not load its own library and was left half made',
    mend: 'its image has to have the library’s system packages (take one of Azure’s inference images), and the deployment collect_model_data=True; a service that runs on needs the collector inside try',
    source: issue('Azure/MachineLearningNotebooks', 1741),
  },
];

function isInModelFolder(path: string, { modelFolders = [] }: Facts): boolean {
  return (
    path.includes('azureml-models') || modelFolders.some((folder) => folder !== '' && path.startsWith(`${folder}/`))
  );
}
