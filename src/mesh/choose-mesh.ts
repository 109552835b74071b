/** Which mesh a node is in when it starts: that of a ticket, an open one, its own, or a new one. */
import type { Config } from '../config/index.ts';
import { StarlingError } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import { probeMesh } from '../network/index.ts';
import type { Transport } from '../network/index.ts';
import type { MeshBook } from './mesh-book.ts';

const PROBE_TIMEOUT_MS = 20_000;

/** What settling works with. */
export interface ChooseMeshComponents {
  readonly config: Config;
  readonly clock: Clock;
  /** Hears in short sentences what is waited for. */
  readonly progress: (line: string) => void;
  /** What carries the connections, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
}

/** Settles which mesh the node is in; returns the addresses to dial. */
export async function chooseMesh(
  base: ChooseMeshComponents,
  meshBook: MeshBook,
): Promise<readonly string[]> {
  const { config } = base;
  if (config.join !== undefined) {
    return [...(await meshBook.takeTicket(config.join)), ...config.bootstrap];
  }
  if (config.open !== undefined) await meshBook.enterOpen(config.open);
  else if (meshBook.mesh() === undefined) {
    if (config.bootstrap.length === 0) {
      await meshBook.found(config.meshName ?? `${config.name}-mesh`.slice(0, 32));
    } else await enterByAddress(base, meshBook);
  }
  return config.bootstrap;
}

/** Asks the peers at the bootstrap addresses which mesh theirs is; an open one is entered. */
async function enterByAddress(base: ChooseMeshComponents, meshBook: MeshBook): Promise<void> {
  const { config, clock, progress } = base;
  progress(
    `asking ${config.bootstrap.length === 1 ? config.bootstrap[0] : 'the bootstrap addresses'} for its mesh`,
  );
  const welcome = await probeMesh(config.bootstrap, {
    hello: { version: 1, name: config.name, time: clock.now(), membership: [] },
    clock,
    signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    transports: base.transports,
  });
  if (!welcome.ok && welcome.open === true && welcome.meshName !== undefined) {
    await meshBook.enterOpen(welcome.meshName);
    if (meshBook.mesh()?.id === welcome.mesh) return;
  }
  const name = !welcome.ok && welcome.meshName !== undefined ? ` '${welcome.meshName}'` : '';
  throw new StarlingError(
    'STARLING_JOIN_REFUSED',
    `the mesh${name} at ${config.bootstrap[0]} is private`,
    {
      hint: 'ask a member for a ticket (starling invite), and start with: starling up --join <ticket>',
    },
  );
}
