/** Builders for the tests of boards. */
import { createBlackboard } from '../../src/blackboard/index.ts';
import type {
  Blackboard,
  BlackboardComponents,
  BlackboardInit,
} from '../../src/blackboard/index.ts';
import type { EntrySignatures } from '../../src/blackboard/access/entry-signatures.ts';
import type { LaneAccess } from '../../src/blackboard/access/board-access.ts';
import { createOpenBoard } from '../../src/blackboard/board/board.ts';
import type { OpenBoard } from '../../src/blackboard/board/board.ts';
import { createDocument } from '../../src/blackboard/document/document.ts';
import type {
  ApplyResult,
  BoardDocument,
  EntryChange,
} from '../../src/blackboard/document/document-types.ts';
import { LIMITS } from '../../src/blackboard/limits.ts';
import type { BoardLimits } from '../../src/blackboard/limits.ts';
import type { LanePart } from '../../src/blackboard/lanes/update.ts';
import { readBoards } from '../../src/blackboard/disk/persistence.ts';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Clock, Did, Health, Json, LogFields, Logger, PeerId } from '../../src/core/index.ts';
import type { FrequentSigner } from '../../src/identity/index.ts';
import type { Network } from '../../src/network/types.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { createHub } from './hub.ts';
import type { Hub } from './hub.ts';
import { journalTable } from './journal-table.ts';
import type { JournalTable } from './journal-table.ts';

export const ANN = 'did:key:z6MkAnn' as Did;

/** A document that is written without a disk. */
export type LooseDocument = BoardDocument & {
  set(entry: {
    readonly key: string;
    readonly value: Json;
    readonly by?: Did;
    readonly at?: number;
    readonly until?: number;
  }): void;
  delete(key: string): boolean;
  /** Begins own lanes anew, if that pays. */
  renew(): boolean;
  /** The whole of it, in pieces. */
  whole(): readonly Uint8Array[];
  /** Applies pieces, and gives what became of each. */
  take(pieces: Iterable<Uint8Array> | undefined): readonly ApplyResult[];
};

/** A document with one peer's bounds. */
export function makeDocument(
  updates: readonly Uint8Array[] = [],
  limits: Partial<BoardLimits> = {},
  parts: {
    readonly self?: Did;
    readonly now?: () => number;
    readonly access?: LaneAccess;
    readonly signatures?: EntrySignatures;
  } = {},
): LooseDocument {
  const { self = ANN, now = () => 1_000_000, ...rules } = parts;
  const document = createDocument(
    { limits: { ...LIMITS, ...limits }, self, now, ...rules },
    updates,
  );
  const write = (change: EntryChange): boolean => {
    const draft = document.draft([change]);
    if (draft !== undefined) document.commit(draft);
    return draft !== undefined;
  };
  return Object.assign(document, {
    set: ({ key, value, until = 0 }: { key: string; value: Json; until?: number }) =>
      void write({ key, value, until, valueBytes: JSON.stringify(value).length }),
    delete: (key: string) => write({ key }),
    renew: () => {
      const draft = document.draftRenewal();
      if (draft !== undefined) document.commit(draft);
      return draft !== undefined;
    },
    whole: () => [...document.snapshot()],
    take: (pieces: Iterable<Uint8Array> | undefined) =>
      [...(pieces ?? [])].map((piece) => document.apply(piece)),
  });
}

/** What two boards must have in common. */
export function contentOf(document: BoardDocument): Record<string, unknown> {
  return Object.fromEntries(document.entries('').map(({ key, value }) => [key, value]));
}

/** Opens board `b` from what is in `table`. */
export async function openBoard(
  table: JournalTable,
  parts: {
    readonly limits?: Partial<BoardLimits>;
    readonly logger?: Logger;
    readonly clock?: Clock;
    readonly self?: Did;
    /** Gets what watchers hear. */
    readonly heard?: unknown[];
    /** Gets what the others are told. */
    readonly published?: LanePart[];
  } = {},
): Promise<OpenBoard> {
  return createOpenBoard(
    {
      table,
      self: parts.self ?? ANN,
      clock: parts.clock ?? createTestClock(),
      logger: parts.logger ?? silentLogger,
      publish: (part) => void parts.published?.push(part),
      changed: (changes) => void parts.heard?.push(changes),
    },
    {
      name: 'b',
      rows: (await readBoards(table)).get('b') ?? [],
      limits: { ...LIMITS, ...parts.limits },
    },
  );
}

/** A logger that keeps its lines from `warn` up. */
export function keepingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (_fields: LogFields, message: string): void => void lines.push(message);
  const logger = { ...silentLogger, warn: keep, error: keep, child: () => logger, lines };
  return logger;
}

/** One node's boards. */
export interface Member {
  readonly id: PeerId;
  readonly network: Network;
  readonly table: JournalTable;
  readonly history: JournalTable;
  readonly strong: JournalTable;
  readonly blackboard: Blackboard;
  readonly logger: Logger & { readonly lines: string[] };
  readonly health: Health;
}

/** Makes a member on `hub`, not started. */
export function makeMember(
  hub: Hub,
  name: string,
  parts: {
    readonly clock: Clock;
    readonly table?: JournalTable;
    readonly history?: JournalTable;
    readonly strong?: JournalTable;
    readonly init?: BlackboardInit;
    /** Keys of members by name, where boards are not open. */
    readonly keys?: ReadonlyMap<string, FrequentSigner>;
    /** Members that are alive. */
    readonly members?: BlackboardComponents['members'];
    readonly adopted?: BlackboardComponents['adopted'];
  },
): Member {
  const id = name as PeerId;
  const network = hub.network(id);
  const table = parts.table ?? journalTable();
  const history = parts.history ?? journalTable();
  const strong = parts.strong ?? journalTable();
  const logger = keepingLogger();
  const health = createHealth();
  const didOf = (peer: string): Did => parts.keys?.get(peer)?.did ?? (`did:key:${peer}` as Did);
  const signer = parts.keys?.get(name);
  const blackboard = createBlackboard(
    {
      network,
      table,
      self: didOf(name),
      ...(parts.members === undefined ? {} : { members: parts.members }),
      ...(parts.adopted === undefined ? {} : { adopted: parts.adopted }),
      ...(signer === undefined ? {} : { signer, isOpenMesh: () => false }),
      nameOf: (did) => [...(parts.keys ?? [])].find(([, key]) => key.did === did)?.[0],
      clock: parts.clock,
      random: () => 0.5,
      logger,
      health,
      history,
      strong,
      didOf,
      peerOf: (did) =>
        ([...(parts.keys ?? [])].find(([, key]) => key.did === did)?.[0] ?? did) as PeerId,
    },
    parts.init,
  );
  return { id, network, table, history, strong, blackboard, logger, health };
}

/** Several nodes that can be connected. */
export interface Mesh {
  readonly hub: Hub;
  readonly clock: TestClock;
  readonly members: readonly Member[];
  connectAll(): void;
  /** What the heartbeats do: everyone hears everyone's digests. */
  heartbeats(): void;
  stop(): Promise<void>;
}

/** Makes and starts nodes called `names`; not connected yet. */
export async function makeMesh(
  names: readonly string[],
  init: BlackboardInit = {},
  keys?: ReadonlyMap<string, FrequentSigner>,
): Promise<Mesh> {
  const hub = createHub();
  const clock = createTestClock();
  const more = keys === undefined ? {} : { keys };
  const all = names.map((peerId) => ({ peerId: peerId as PeerId }));
  const around = (name: string): typeof all => all.filter(({ peerId }) => peerId !== name);
  const members = names.map((name) =>
    makeMember(hub, name, { clock, init, members: () => around(name), ...more }),
  );
  await Promise.all(members.map(({ blackboard }) => blackboard.start()));
  const pairs = members.flatMap((a, i) => members.slice(i + 1).map((b) => [a, b] as const));
  return {
    hub,
    clock,
    members,
    connectAll: () => {
      for (const [a, b] of pairs) hub.connect(a.id, b.id);
    },
    heartbeats: () => {
      for (const a of members) {
        for (const peer of a.network.connected()) {
          const theirs = members.find(({ id }) => id === peer)?.blackboard.digests();
          if (theirs !== undefined) a.blackboard.compare(peer, theirs);
        }
      }
    },
    stop: async () => {
      await Promise.all(members.map(({ blackboard }) => blackboard.stop()));
    },
  };
}
