/** A request: what run() makes of it, and what the front door says. */
import { DOCS, issue, type Rule } from '../rule.ts';

const SCORING: readonly Rule[] = [
  {
    id: 'json-result',
    stage: 'run',
    weight: 'cause',
    has: ['is not JSON serializable'],
    pattern: /Object of type (\w+) is not JSON serializable/,
    cause: ([, type]) => `run() returns a ${type}, and the server can only send what JSON knows`,
    mend: 'return plain lists and numbers: result.tolist() for arrays, float(x) and int(x) for numpy’s numbers, df.to_dict(orient="records") for frames',
    source: issue('mlflow/mlflow', 8220),
  },
  {
    id: 'json-input',
    stage: 'run',
    weight: 'cause',
    has: [
      'Expecting value: line',
      'Expecting property name',
      'Extra data: line',
      'JSON object must be str',
      'POST body',
    ],
    pattern:
      /(?:Expecting value|Expecting property name[^:]*|Extra data): line \d+ column \d+|the JSON object must be str, bytes or bytearray, not '?(\w+)|POST body (?:could not be decoded as JSON|is empty|should be a JSON dictionary)/,
    cause: ([, type]) =>
      type === ''
        ? 'the request’s body is no JSON (empty, single quotes, a form), and json.loads says so'
        : `json.loads is given a ${type}: it was parsed already`,
    mend: 'send a JSON body with Content-Type: application/json; with @input_schema run() gets the values parsed and needs no json.loads, and what run() returns needs no json.dumps',
    source: issue('Azure/MachineLearningNotebooks', 57),
  },
  {
    id: 'run-arguments',
    stage: 'run',
    weight: 'cause',
    has: ['unexpected keyword argument', 'required positional argument'],
    pattern:
      /\brun\(\) (?:got an unexpected keyword argument '(\w+)'|missing \d+ required positional arguments?: (.+))/,
    cause: ([, name, missing]) =>
      name === ''
        ? `the request has no field for ${missing}, an argument of run()`
        : `the request has a field ${name}, and run() no such argument`,
    mend: 'the fields of the request’s JSON are the names of run()’s arguments where it is decorated with @input_schema (param_name = argument); without a decorator run() gets the whole body as its one argument',
    source: issue('MicrosoftDocs/azure-docs', 16485),
  },
  {
    id: 'input-schema',
    stage: 'run',
    weight: 'cause',
    has: ['Invalid input data type to parse', 'A value is not provided for the', 'Error, provided sample'],
    pattern:
      /Invalid input data type to parse|A value is not provided for the '(\w+)' parameter|Error, provided sample/,
    cause: ([, name]) =>
      name === ''
        ? 'the request does not look like the sample in @input_schema'
        : `the request has no field ${name}, which run() takes`,
    mend: 'GET /swagger.json shows the body that is expected: compare its field names and nesting with what is sent',
    source: issue('Azure/azureml-examples', 3385),
  },
  {
    id: 'scoring-timeout',
    stage: 'run',
    weight: 'cause',
    has: ['Scoring timeout after', 'within the allocated time'],
    pattern: /Scoring timeout after ([\d.]+) ms|failed to finish execution within the allocated time: ([\d.]+)/,
    cause: ([, one, other]) => `run() took longer than the server allows (${one || other} ms)`,
    mend: 'raise SCORING_TIMEOUT_MS (v1: scoring_timeout_ms; v2: request_timeout_ms), or make run() shorter: what it loads belongs in init()',
    source: DOCS.infsrv,
  },
  {
    id: 'run-failed',
    stage: 'run',
    weight: 'effect',
    has: ['unexpected error occurred in scoring script', 'ms-run-function-failed'],
    pattern: /An unexpected error occurred in scoring script|x-ms-run-function-failed\W+true/i,
    cause: 'run() raised an exception; the answer’s body does not say which',
    mend: 'its traceback is in the container’s log (az ml online-deployment get-logs, drydock logs), at the time of the request',
    source: DOCS.infsrv,
  },
];

/** Codes as clients and front doors write them; a server's own access log writes them otherwise and is not meant. */
const CODE = String.raw`(?:Response Code: ?|[Ss]tatus(?:[ _][Cc]ode)?["']?(?:: ?|=| is | )|HTTP(?:\/\d(?:\.\d)?)? (?:[Ee]rror |code )?|HTTPError: |\((?=\d{3}\) )|returned )`;
/** What stands before a code in those; bare digits stand in every second line of a log. */
const literals = (digits: string): string[] => [` ${digits}`, `:${digits}`, `=${digits}`, `(${digits}`, `>${digits} `];
const code = (digits: string): RegExp => new RegExp(`${CODE}${digits}\\b`);

const FRONT_DOOR: readonly Rule[] = [
  {
    id: 'front-424',
    stage: 'route',
    weight: 'effect',
    has: literals('424'),
    pattern: code('424'),
    cause:
      'a managed endpoint says 424 for every answer of the container that is not 200: the service itself answered otherwise, or its probes fail',
    mend: 'the header ms-azureml-model-error-statuscode has the container’s own code; its log says why. Send the same request to the container here',
    source: DOCS.v2,
  },
  {
    id: 'front-429',
    stage: 'scale',
    weight: 'effect',
    has: literals('429'),
    pattern: code('429'),
    cause:
      'more requests are under way than 2 × max_concurrent_requests_per_instance × instance_count, or the endpoint’s limit a second is reached',
    mend: 'raise instance_count, or max_concurrent_requests_per_instance together with WORKER_COUNT; let clients try again with growing pauses. `drydock replicas --rps N --seconds S` says how many',
    source: DOCS.v2,
  },
  {
    id: 'front-408',
    stage: 'route',
    weight: 'effect',
    has: literals('408'),
    pattern: code('408'),
    cause: 'the answer took longer than request_timeout_ms of the deployment (5 s when it is not set)',
    mend: 'raise request_settings.request_timeout_ms (up to 180000), or make run() shorter',
    source: DOCS.v2,
  },
  {
    id: 'front-502',
    stage: 'run',
    weight: 'effect',
    has: literals('502'),
    pattern: new RegExp(`${CODE}502\\b|\\b502 Bad Gateway`),
    cause: 'run() raised an exception or the service has crashed; on Kubernetes the front end says 502 for both',
    mend: 'read the container’s log at that time for the traceback (service.get_logs(), get-logs, drydock logs)',
    source: DOCS.v1,
  },
  {
    id: 'front-503',
    stage: 'scale',
    weight: 'effect',
    has: literals('503'),
    pattern: new RegExp(`${CODE}503\\b|\\b503 Service (?:Temporarily )?Unavailable`),
    cause: 'more requests came at once than the replicas take, and new ones start slowly; or no replica is healthy',
    mend: 'raise autoscale_min_replicas or lower autoscale_target_utilization: `drydock replicas --rps N --seconds S` gives the number; where no load was there, read the container’s log',
    source: DOCS.v1,
  },
  {
    id: 'front-504',
    stage: 'route',
    weight: 'effect',
    has: literals('504'),
    pattern: new RegExp(`${CODE}504\\b|\\b504 Gateway Time-?out`),
    cause: 'no answer came in time (v1: 60 s; Kubernetes endpoints: 5 s when nothing is set)',
    mend: 'raise scoring_timeout_ms (v1) or request_timeout_ms (v2), make run() shorter, or look whether it hangs',
    source: DOCS.v1,
  },
  {
    id: 'conflict-409',
    stage: 'azure',
    weight: 'cause',
    has: literals('409'),
    pattern: code('409'),
    cause: 'another operation on the same service or endpoint is still under way',
    mend: 'wait until it has ended (az ml online-deployment show, print(service.state)), then try again',
    source: DOCS.v1,
  },
];

export const REQUEST_RULES: readonly Rule[] = [...SCORING, ...FRONT_DOOR];
