/** Parts that tests of live views share: a mesh of which everybody is a member, and a view over a network. */
import { EventEmitter } from 'node:events';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Clock, PeerId } from '../../src/core/index.ts';
import type { Successions } from '../../src/grants/index.ts';
import { createMembership } from '../../src/membership/index.ts';
import type { Membership } from '../../src/membership/index.ts';
import type { OwnMesh } from '../../src/mesh/index.ts';
import type { Network } from '../../src/network/index.ts';
import { memoryTable } from '../grants/memory-table.ts';

/** How often views say that they live. */
export const INTERVAL_MS = 5000;

/** A mesh whose records never change, and of which all are members whom `hasMember` does not leave out. */
export function meshOfAll({
  hasMember = (): boolean => true,
  onAdded = () => () => undefined,
}: {
  readonly hasMember?: (peer: PeerId) => boolean;
  readonly onAdded?: (listener: () => void) => () => unknown;
} = {}): OwnMesh {
  return {
    successions: {
      events: new EventEmitter(),
      current: (did: string) => did,
      lineage: (did: string) => [did],
      of: () => undefined,
    } as unknown as Successions,
    records: () => ({
      digest: () => 'same',
      all: () => new Map(),
      addAll: async () => 0,
      onSignsTooMuch: () => () => undefined,
      onAdded,
    }),
    isMember: () => true,
    hasMember,
    reissue: async () => 0,
  } as unknown as OwnMesh;
}

/** What a view stands on; what is left out is new, and signs nothing. */
export interface ViewInit {
  readonly network: Network;
  readonly clock: Clock;
  /** Asked for each heartbeat. */
  readonly name: () => string;
  readonly addresses?: readonly string[];
  readonly ownMesh?: OwnMesh;
  readonly isSpokenOf?: (alias: string) => boolean;
  readonly identity?: { readonly sign: (message: Uint8Array) => Uint8Array };
  readonly table?: ReturnType<typeof memoryTable>;
  readonly runs?: ReturnType<typeof memoryTable>;
}

/** Makes a view that is not yet started. */
export function createView(init: ViewInit): Membership {
  const { network, clock, name, addresses = [] } = init;
  return createMembership(
    {
      network,
      clock,
      ownMesh: init.ownMesh ?? meshOfAll(),
      ...(init.isSpokenOf === undefined ? {} : { isSpokenOf: init.isSpokenOf }),
      identity: init.identity ?? { sign: () => new Uint8Array(64) },
      table: init.table ?? memoryTable(),
      runs: init.runs ?? memoryTable(),
      health: createHealth(),
      presence: () => ({ name: name(), version: '1', addresses, load: 0, catalog: '' }),
      boards: () => ({}),
      random: () => 0.5,
      logger: silentLogger,
    },
    { intervalMs: INTERVAL_MS, phiSuspect: 8, deadAfterMs: 3 * INTERVAL_MS },
  );
}
