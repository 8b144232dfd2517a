/** Another container, made as one was: what the engine says of the old one is what it is told of the new. */
import type { ContainerCreateOptions, ContainerInspectInfo, MountSettings } from 'dockerode';
import type { RecreateSpec, StartedContainer } from '../place.ts';
import type { Connection } from './connection.ts';
import { factsOf, listOf } from './facts.ts';
import { volumeMount } from './filled-volume.ts';
import { startContainer } from './start.ts';

export function recreate(
  connection: Connection,
  old: ContainerInspectInfo,
  spec: RecreateSpec,
): Promise<StartedContainer> {
  const ports = factsOf(old).ports;
  return startContainer(connection, { ...spec, ports }, bodyOf(old, spec));
}

function bodyOf(old: ContainerInspectInfo, spec: RecreateSpec): ContainerCreateOptions {
  const { Config: config, HostConfig: host } = old;
  return {
    ...withoutName(config, old.Id),
    name: spec.name,
    Image: spec.image,
    Labels: { ...spec.labels },
    Entrypoint: [...spec.entrypoint],
    Cmd: [...commandOf(old, spec.entrypoint)],
    HostConfig: {
      ...host,
      Mounts: [...mountsOf(old, spec.volume.path), volumeMount(spec.volume, true)],
      // One that ends is looked at, not started again and again.
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      AutoRemove: false,
    },
    ...networkOf(old),
  };
}

/** The old one's ID as a host name is the engine's default, not its maker's word. */
function withoutName(config: ContainerInspectInfo['Config'], id: string): ContainerCreateOptions {
  const { Hostname, ...rest } = config;
  return { ...rest, ...(id.startsWith(Hostname) ? {} : { Hostname }) };
}

function commandOf({ Config: config }: ContainerInspectInfo, launcher: readonly string[]): readonly string[] {
  const entrypoint = listOf(config.Entrypoint);
  const isLaunched = entrypoint.join('\0') === launcher.join('\0');
  return [...(isLaunched ? [] : entrypoint), ...listOf(config.Cmd)];
}

/** Those that were asked for, and the volumes without a name that the image declares: they hold what was written. */
function mountsOf(old: ContainerInspectInfo, replaced: string): readonly MountSettings[] {
  const asked = old.HostConfig.Mounts ?? [];
  const bound = new Set(listOf(old.HostConfig.Binds).map((bind) => bind.split(':')[1]));
  const named = new Set([...asked.map(({ Target }) => Target), ...bound]);
  const unnamed = old.Mounts.filter(({ Type, Destination }) => Type === 'volume' && !named.has(Destination));
  return [
    ...asked,
    ...unnamed.map(({ Name = '', Destination, RW }): MountSettings => ({
      Type: 'volume',
      Source: Name,
      Target: Destination,
      ReadOnly: !RW,
    })),
  ].filter(({ Target }) => Target !== replaced);
}

/** The names by which its neighbours know it; an address of its own would be the old one's as well. */
function networkOf({ Id, HostConfig, NetworkSettings }: ContainerInspectInfo): Partial<ContainerCreateOptions> {
  const mode = HostConfig.NetworkMode ?? 'default';
  const aliases: unknown = NetworkSettings.Networks[mode]?.Aliases;
  if (!Array.isArray(aliases)) return {};
  const Aliases = aliases.filter((alias): alias is string => typeof alias === 'string' && !Id.startsWith(alias));
  return { NetworkingConfig: { EndpointsConfig: { [mode]: { Aliases } } } };
}
