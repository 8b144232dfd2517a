/** The image's way from its registry. */
import { DOCS, issue, type Rule } from '../rule.ts';

export const PULL_RULES: readonly Rule[] = [
  {
    id: 'manifest-unknown',
    stage: 'pull',
    weight: 'cause',
    has: ['manifest unknown', 'MANIFEST_UNKNOWN'],
    pattern: /(?:manifest for (\S+) not found: )?(?:manifest unknown|MANIFEST_UNKNOWN)/,
    cause: ([, image]) => `the registry has no image ${image || 'of that name and tag'}`,
    mend: 'check name and tag in the registry’s list of tags (https://REGISTRY/v2/NAME/tags/list); release notes may name a tag that was never pushed',
    source: issue('Azure/AzureML-Containers', 200),
  },
  {
    id: 'registry-resync',
    stage: 'auth',
    weight: 'cause',
    has: ['container registry authorization failure', 'connect to the container registry'],
    pattern:
      /container registry authorization failure|Unauthorized error encountered while attempting to connect to the container registry/i,
    cause:
      'the workspace’s keys for its container registry are out of date, or the registry lies behind a network that keeps it out',
    mend: 'az ml workspace sync-keys, wait a few minutes, and check the registry’s firewall and private endpoint',
    source: issue('MicrosoftDocs/pipelines-azureml', 10),
  },
  {
    id: 'registry-unauthorized',
    stage: 'pull',
    weight: 'cause',
    has: ['unauthorized: ', 'pull access denied', 'no basic auth credentials'],
    pattern: /unauthorized: authentication required|pull access denied for (\S+?),|no basic auth credentials/,
    cause:
      'whoever pulls is not known to the registry, or may not read that repository; a path with the registry’s name twice reads like this as well',
    mend: 'log in (az acr login -n REGISTRY), give the endpoint’s identity the role AcrPull, and check the image’s whole name',
    source: issue('Azure/azureml-examples', 2959),
  },
  {
    id: 'registry-no-pull-role',
    stage: 'auth',
    weight: 'cause',
    has: ['pull permission on the registry'],
    pattern: /does not have pull permission on the registry/,
    cause: 'the endpoint’s identity may not pull from the container registry',
    mend: 'give it the role AcrPull on that registry, then create the deployment again: az role assignment create --role AcrPull --assignee IDENTITY --scope REGISTRY_ID',
    source: issue('MicrosoftDocs/azure-docs', 107890),
  },
  {
    id: 'image-not-accessible',
    stage: 'pull',
    weight: 'cause',
    has: ['is not accessible. Please check the image'],
    pattern: /The image '([^']+)' in container group .* is not accessible/,
    cause: ([, image]) => `Container Instances cannot pull ${image}: it is not there, or the credentials do not fit`,
    mend: 'check that the tag is in the registry (az acr repository show-tags) and that its admin user or the identity may pull',
    source: issue('MicrosoftDocs/azure-docs', 37881),
  },
  {
    id: 'image-pull-backoff',
    stage: 'pull',
    weight: 'effect',
    has: ['ImagePullBackOff', 'ErrImagePull', 'ImagePullLoopBackOff'],
    pattern: /\b(?:ImagePullBackOff|ErrImagePull|ImagePullLoopBackOff)\b/,
    cause: 'Kubernetes cannot pull the image and waits between attempts',
    mend: 'kubectl -n NAMESPACE describe pod POD says why: an unknown tag, missing rights, or no way to the registry',
    source: issue('kubeflow/examples', 654),
  },
  {
    id: 'user-image-missing',
    stage: 'pull',
    weight: 'cause',
    has: ['Unable to download user container image'],
    pattern: /Unable to download user container image/,
    cause: 'the image of the environment is not in the workspace’s registry, or its identity may not read it',
    mend: 'az acr repository show-tags -n REGISTRY --repository NAME shows what is there; else build the environment anew',
    source: DOCS.v2,
  },
];
