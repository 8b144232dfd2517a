/** What an inspected container says, in the place's words. */
import { posix } from 'node:path';
import type { ContainerInspectInfo } from 'dockerode';
import type { Facts, Mount, PublishedPort } from '../place.ts';

export function containerName(inspected: ContainerInspectInfo): string {
  return inspected.Name.replace(/^\//, '');
}

export function factsOf(inspected: ContainerInspectInfo): Omit<Facts, 'isHere'> {
  const { Config: config, HostConfig: host } = inspected;
  return {
    name: containerName(inspected),
    image: config.Image,
    env: envOf(config.Env),
    labels: { ...config.Labels },
    mounts: [...inspected.Mounts.map(mountOf), ...Object.entries(host.Tmpfs ?? {}).map(tmpfsOf)],
    ports: publishedPorts(inspected),
    gateways: Object.values(inspected.NetworkSettings.Networks).flatMap(({ Gateway, IPv6Gateway }) =>
      [Gateway, IPv6Gateway].filter((address) => address !== ''),
    ),
    exposed: exposedPorts(config.ExposedPorts),
    user: config.User,
    workingDir: config.WorkingDir,
    tty: config.Tty,
    readOnly: host.ReadonlyRootfs ?? false,
    autoRemove: host.AutoRemove ?? false,
    rootCapable: rootCapable(host),
    memoryLimit: host.Memory === undefined || host.Memory === 0 ? null : host.Memory,
    ipcMode: host.IpcMode ?? '',
    restarts: inspected.RestartCount,
    ended: endOf(inspected.State),
  };
}

/** A container that is being restarted has ended and will run. */
function endOf({ Running, Restarting, Status, ExitCode, OOMKilled }: ContainerInspectInfo['State']): Facts['ended'] {
  if ((Running && !Restarting) || Status === 'created') return null;
  return { code: ExitCode, outOfMemory: OOMKilled };
}

export function envOf(list: readonly string[] | null | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(
    (list ?? []).map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** The engine says null, one text or a list. */
export function listOf(value: string | readonly string[] | null | undefined): readonly string[] {
  return [value ?? []].flat();
}

/** TCP ports, ascending. */
export function exposedPorts(ports: Readonly<Record<string, object>> | null | undefined): readonly number[] {
  return Object.keys(ports ?? {})
    .filter((key) => key.endsWith('/tcp'))
    .map((key) => Number.parseInt(key, 10))
    .sort((a, b) => a - b);
}

function mountOf(mount: ContainerInspectInfo['Mounts'][number]): Mount {
  const type = mount.Type === 'bind' || mount.Type === 'volume' || mount.Type === 'tmpfs' ? mount.Type : 'other';
  return {
    type,
    source: type === 'volume' ? (mount.Name ?? mount.Source) : mount.Source,
    destination: mount.Destination,
    writable: mount.RW,
  };
}

/** Of `--tmpfs`, which the engine does not list among the mounts. */
function tmpfsOf([path, options]: readonly [string, string]): Mount {
  const writable = !options.split(',').includes('ro');
  return { type: 'tmpfs', source: '', destination: posix.resolve('/', path), writable };
}

function publishedPorts(inspected: ContainerInspectInfo): readonly PublishedPort[] {
  return Object.entries(inspected.NetworkSettings.Ports).flatMap(([key, bindings]) =>
    key.endsWith('/tcp')
      ? // The types promise a list; an exposed port that is not published has null.
        ((bindings as typeof bindings | null) ?? []).map(({ HostIp, HostPort }) => ({
          container: Number.parseInt(key, 10),
          host: Number(HostPort),
          address: HostIp,
        }))
      : [],
  );
}

/** As the engine works out a container's capabilities (moby, `oci/caps`): Docker's default set holds all five. */
function rootCapable(host: ContainerInspectInfo['HostConfig']): boolean {
  if (host.Privileged === true) return true;
  const bare = (list: unknown): ReadonlySet<string> =>
    new Set(Array.isArray(list) ? list.map((name) => String(name).toUpperCase().replace(/^CAP_/, '')) : []);
  const added = bare(host.CapAdd);
  const dropped = bare(host.CapDrop);
  return ['CHOWN', 'DAC_OVERRIDE', 'KILL', 'SETUID', 'SETGID'].every((name) =>
    dropped.has('ALL') ? added.has('ALL') || added.has(name) : added.has(name) || !dropped.has(name),
  );
}
