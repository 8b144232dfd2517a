/** What an image made by a commit says of itself, and what it must not say. */

/**
 * Labels by which somebody claims containers: the vendor's tools stop and remove whatever matches, an empty value
 * included (azure-ai-ml local endpoints, azureml-core local services, Docker Compose, dev containers).
 */
const CLAIMS =
  /^(?:azureml-.*|endpoint|deployment|(?:endpoint|deployment)-data|aml[A-Z].*|containerName|com\.docker\.compose\..*|devcontainer\..*)$/;

/**
 * Drydock's own say nothing of another image. They are emptied, not taken out: that the engine does in its one call, and
 * taking out takes another as long as a commit.
 */
const OWN = /^(?:io\.)?drydock\./;

/** Names the tree that both sides had in common at the commit: a container from this image goes on with its history. */
export const TREE_LABEL = 'io.drydock.tree';

export interface Provenance {
  /** The image as the container's creator named it. */
  readonly fromImage: string;
  /** ID of that image. */
  readonly parent: string;
  readonly container: { readonly id: string; readonly name: string };
  readonly appRoot: string;
  /** ISO time. */
  readonly created: string;
  /** Null when nothing was synchronised. */
  readonly tree: string | null;
}

/** Without others' claims and without Drydock's own. */
export function ownedByNobody(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !CLAIMS.test(name) && !OWN.test(name)));
}

/** The complete set: the source image's without claims, Drydock's own emptied, and where this one comes from. */
export function snapshotLabels(
  source: Readonly<Record<string, string>>,
  container: Readonly<Record<string, string>>,
  from: Provenance,
): Record<string, string> {
  const own = Object.keys({ ...source, ...container }).filter((name) => OWN.test(name));
  return {
    ...Object.fromEntries(Object.entries(source).filter(([name]) => !CLAIMS.test(name))),
    ...Object.fromEntries(own.map((name) => [name, ''])),
    'io.drydock.from-image': from.fromImage,
    'io.drydock.parent': from.parent,
    'io.drydock.from-container': from.container.id,
    'io.drydock.from-container-name': from.container.name,
    'io.drydock.app-root': from.appRoot,
    'io.drydock.created': from.created,
    ...(from.tree === null ? {} : { [TREE_LABEL]: from.tree }),
  };
}
