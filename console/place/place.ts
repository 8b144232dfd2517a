/**
 * Where containers run: the one door to the outside. `docker/` is its first adapter and the only folder that knows
 * dockerode; no engine's type crosses this file. Every adapter passes test/contract/place.ts.
 *
 * Methods reject with DrydockError (no-engine, no-permission, no-container, not-running, taken, io) and nothing else
 * for what a user can meet.
 */
import type { Duplex, Readable } from 'node:stream';

/** One incarnation of a container: never a name. A restart makes another one. */
export interface Incarnation {
  readonly place: string;
  /** Full container ID. */
  readonly container: string;
  /** Full image ID. */
  readonly image: string;
  /** ISO time at which the container was started. */
  readonly startedAt: string;
}

export interface Found {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly state: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
  /** The engine's own words: "Up 2 minutes". */
  readonly status: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Mount {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'other';
  /** Host path or volume name. */
  readonly source: string;
  readonly destination: string;
  readonly writable: boolean;
}

export interface PublishedPort {
  readonly container: number;
  readonly host: number;
  readonly address: string;
}

export interface Facts {
  readonly name: string;
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly ports: readonly PublishedPort[];
  /** Its engine is reached as one of this machine is: by a socket. */
  readonly isHere: boolean;
  /** Addresses at which the engine's machine stands in the container's networks. */
  readonly gateways: readonly string[];
  readonly exposed: readonly number[];
  /** As configured: `''`, `1000`, `dockeruser`, `1000:1000`. */
  readonly user: string;
  readonly workingDir: string;
  readonly tty: boolean;
  readonly readOnly: boolean;
  readonly autoRemove: boolean;
  /** True when root inside may act on others' files and processes (CHOWN, DAC_OVERRIDE, KILL, SETUID and SETGID kept). */
  readonly rootCapable: boolean;
  /** Bytes; null when unlimited. */
  readonly memoryLimit: number | null;
  readonly ipcMode: string;
  /** How often the engine has started it again after its end. */
  readonly restarts: number;
  /** How it ended; null while it runs, or when it never has. */
  readonly ended: { readonly code: number; readonly outOfMemory: boolean } | null;
}

export interface SpawnOptions {
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A process in the container. There is no half-close and no kill to rely on: the process ends itself on stdin EOF. */
export interface Stdio {
  /** stdin of the process when written, stdout when read; back pressure holds both ways. */
  readonly stdio: Duplex;
  readonly stderr: Readable;
  /** Exit code, once stdout has ended. */
  readonly exit: Promise<number>;
}

export interface LogOptions {
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** Last N lines; all when absent. */
  readonly tail?: number;
  /** Epoch seconds. */
  readonly since?: number;
}

export interface LogChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** `replaced`: a container of the same name now exists with another ID. `engine-lost` and `engine-back` are the engine's own. */
export interface TargetEvent {
  readonly type: 'paused' | 'resumed' | 'died' | 'started' | 'removed' | 'replaced' | 'engine-lost' | 'engine-back';
  readonly exitCode?: number;
}

export interface StartedContainer {
  readonly id: string;
  readonly name: string;
}

export interface Lifecycle {
  stop(seconds: number): Promise<void>;
  start(): Promise<void>;
  /** The same container; one that is removed at its end is not. */
  restart(seconds: number): Promise<void>;
  remove(): Promise<void>;
}

/** A mount whose content goes into the image, owners kept; a commit alone leaves it out. */
export interface IncludedMount {
  /** Where it is mounted: a folder or a file. */
  readonly path: string;
  /** True for an absolute path in it that stays out, and for each path below that. */
  readonly leaveOut: (path: string) => boolean;
}

export interface CommitOptions {
  /** `debug:2`, never an existing tag; none when absent. */
  readonly tag?: string;
  readonly pause: boolean;
  readonly message: string;
  /** Complete set of labels of the new image: nothing of the container's own survives unless it is in here. */
  readonly labels: Readonly<Record<string, string>>;
  /** Environment overrides: a variable added when the container was created is set back to the source image's value. */
  readonly env: Readonly<Record<string, string>>;
  /** Outermost first. They become one more layer. */
  readonly include?: readonly IncludedMount[];
}

export interface ImageInfo {
  readonly id: string;
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  /** Bytes. */
  readonly size: number;
  readonly layers: number;
  readonly created: string;
  readonly exposed: readonly number[];
  readonly cmd: readonly string[];
  readonly entrypoint: readonly string[];
  readonly user: string;
  readonly workingDir: string;
}

/** A volume with a content of its own, which the first container that mounts it brings. */
export interface FilledVolume {
  readonly name: string;
  /** Of all volumes of its kind: others that no container uses are removed when this one is filled. */
  readonly label: string;
  /** Where it is mounted, read-only. */
  readonly path: string;
  /** The file that is written last: where it is, all are. */
  readonly last: string;
  /** A tar to unpack at `/`. */
  readonly tar: () => AsyncIterable<Uint8Array>;
}

export interface RunSpec {
  readonly image: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Host ports are on 127.0.0.1; 0 lets the engine choose. */
  readonly ports: readonly { readonly container: number; readonly host: number }[];
  readonly mounts?: readonly Mount[];
  readonly volume?: FilledVolume;
  /** In the place of the image's own; `command` is then the whole of its arguments. */
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly user?: string;
  readonly capDrop?: readonly string[];
  readonly tty?: boolean;
  readonly autoRemove?: boolean;
}

export interface BuildOptions {
  /** Path of the Dockerfile inside the context. */
  readonly dockerfile: string;
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly onOutput: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface Images {
  /** Null when there is no such image. */
  inspect(ref: string): Promise<ImageInfo | null>;
  /** Tags of a repository name: for `debug`, `['debug:1', 'debug:2']`. */
  tags(name: string): Promise<readonly string[]>;
  /** Builds from a tar stream; rejects with not-well and the builder's last words. Resolves with the image ID. */
  build(context: AsyncIterable<Uint8Array>, options: BuildOptions): Promise<string>;
  /** Imports a root file system (tar) as an image. */
  import(tar: AsyncIterable<Uint8Array>, tag: string, changes: readonly string[]): Promise<string>;
  /** Progress as the engine tells it: one line a layer. */
  pull(ref: string, onProgress: (text: string) => void, signal?: AbortSignal): Promise<string>;
  tag(ref: string, tag: string): Promise<void>;
  /** Creates and starts. Rejects with `taken` when the name or a port is in use, `no-permission` for a refused volume. */
  run(spec: RunSpec): Promise<StartedContainer>;
  /** Ends and removes a container, whether it runs or not, with the volumes that have no name. */
  removeContainer(id: string): Promise<void>;
  /** Removes a tag, and the image with the last one. */
  remove(ref: string): Promise<void>;
  /** Removes images without a tag that have this label and that no container uses. */
  removeUnused(label: string): Promise<void>;
}

/** Another container, made as one was: its environment, mounts, ports, user, terminal, limits and networks. */
export interface RecreateSpec {
  /** The old one's file system as an image, say. */
  readonly image: string;
  readonly name: string;
  /** Complete: none of the old one's own. */
  readonly labels: Readonly<Record<string, string>>;
  /** In the place of whatever was mounted there. */
  readonly volume: FilledVolume;
  /** Put before the old one's command, unless it stands there. */
  readonly entrypoint: readonly string[];
}

export interface Target {
  readonly id: Incarnation;
  readonly arch: 'x64' | 'arm64';
  /** The app's root as the agent sees it. */
  readonly root: '/' | `/proc/${number}/root`;
  /** The first answer may be what was seen when it was opened. */
  facts(): Promise<Facts>;
  spawn(argv: readonly string[], options: SpawnOptions): Promise<Stdio>;
  /** Whether a file or folder is there; through a link of the container's, not of the agent's machine. */
  exists(path: string): Promise<boolean>;
  /** Unpacks a tar stream under `dir`, which exists. Works in a container without tar and without a shell. */
  put(dir: string, tar: AsyncIterable<Uint8Array>): Promise<void>;
  /** A tar stream of one file or folder; rejects with `io` when it is not there. */
  get(path: string): AsyncIterable<Uint8Array>;
  /** The same as its image has it, whatever became of it in the container; nothing of the container's is touched. */
  getOfImage(path: string): AsyncIterable<Uint8Array>;
  logs(options: LogOptions): AsyncIterable<LogChunk>;
  events(signal: AbortSignal): AsyncIterable<TargetEvent>;
  /** Paths that differ from the image, as the engine reports them. */
  changes(): Promise<readonly { readonly path: string; readonly kind: 'added' | 'modified' | 'deleted' }[]>;
  /** Bytes in the container's writable layer. */
  writableSize(): Promise<number>;
  /** Absent on Kubernetes. Resolves with the new image's ID. */
  commit?(options: CommitOptions): Promise<string>;
  /** Creates and starts; it never restarts by itself. Rejects with `taken` when the name or a port is in use. */
  recreate?(spec: RecreateSpec): Promise<StartedContainer>;
  readonly lifecycle?: Lifecycle;
}

export interface Place {
  /** "docker: default", "ssh: gpu1" */
  readonly label: string;
  list(signal?: AbortSignal): Promise<readonly Found[]>;
  /**
   * By name, ID or unique prefix. `no-container` lists near names ("did you mean"); a container that does not run is
   * `not-running`, with the mend, unless `stopped` asks for it all the same (its logs, its files).
   */
  open(ref: string, options?: { readonly stopped?: boolean }): Promise<Target>;
  readonly images?: Images;
  /** Ends every connection that is still open. */
  close(): Promise<void>;
}
