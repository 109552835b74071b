/** What `starling up` says of this node's servers: a line for each as it comes, and when it fails or is back. */
import type { Config } from '../../../config/types.ts';
import { systemClock } from '../../../core/time/clock.ts';
import type { UpstreamStatus } from '../../../gateway/types.ts';
import type { StarlingNode } from '../../../node-types.ts';
import { describeServer } from './node-status.ts';
import { paintTalk, safeLine } from '../output.ts';
import type { Say } from './peer-lines.ts';

/** A server that takes longer is said to be on its way. */
const SLOW_MS = 5000;
/** Commands that fetch what they run, by their file's name, and what they fetch. */
const FETCHES: readonly (readonly [command: RegExp, what: string])[] = [
  [/^(?:npx|npm|pnpm|pnpx|yarn|bunx|uvx|uv|pipx)(?:\.cmd|\.exe)?$/, 'its package'],
  [/^(?:docker|podman)(?:\.exe)?$/, 'its image'],
];

/** Tells of each server of `node`, from now on: by `show` how it does, by `say` that it takes long. */
export function tellOfServers(
  node: Pick<StarlingNode, 'events' | 'status'>,
  servers: Config['mcpServers'],
  { show, say }: { readonly show: Say; readonly say: Say },
): void {
  const told = new Map<string, string>();
  const waiting = new Set<string>();
  const look = (status: UpstreamStatus): void => {
    const { server, state, tools, error } = status;
    if (status.kind === 'builtin' || state === 'stopped') return;
    if (state === 'starting') return wait(server);
    waiting.delete(server);
    const shown = state === 'failed' ? `failed ${error ?? ''}` : `ready ${tools}`;
    if (told.get(server) === shown) return;
    told.set(server, shown);
    show(describeServer(status).join('\n'));
  };
  const wait = (server: string): void => {
    if (waiting.has(server)) return;
    waiting.add(server);
    systemClock.schedule(SLOW_MS, () => {
      if (!waiting.has(server)) return;
      say(`${paintTalk.yellow('…')} ${safeLine(slowText(server, servers[server]))}`);
    });
  };
  node.events.on('server', look);
  for (const status of node.status().upstreams) look(status);
}

/** Why it may take so long. */
export function slowText(server: string, config: Config['mcpServers'][string] | undefined): string {
  if (config?.type === 'http' || config?.type === 'sse') {
    return `${server}: no answer from ${/^\w+:\/\/([^/?#@]+)/.exec(config.url)?.[1] ?? 'its URL'} yet`;
  }
  const command = config?.type === 'stdio' ? config.command : '';
  const name = command.split(/[\\/]/).at(-1) ?? '';
  const fetched = FETCHES.find(([form]) => form.test(name))?.[1];
  if (fetched !== undefined) return `${server}: ${name} may be downloading ${fetched}`;
  return `${server}: ${name === '' ? 'it' : `its program ${name}`} has not answered yet`;
}
