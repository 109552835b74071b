/** Nodes that list things, linked as a test says: what they send is counted, and may be lost or changed. */
import { EventEmitter } from 'node:events';
import { silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createCatalogDocuments } from '../../../src/directory/index.ts';
import type { CatalogDocuments, ListedAgent, ServerCatalog } from '../../../src/directory/index.ts';
import { decodeDocumentMessage } from '../../../src/directory/documents/document-messages.ts';
import type { DocumentMessage } from '../../../src/directory/documents/document-messages.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { Identity } from '../../../src/identity/index.ts';
import type { MembershipEvents, PeerView, Presence } from '../../../src/membership/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { catalogOf } from '../arrange.ts';

/** One frame on its way. */
export interface SentFrame {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly message: DocumentMessage | undefined;
  readonly sizeBytes: number;
}

/** A node of a test. */
export interface DocumentNode {
  readonly identity: Identity;
  readonly peerId: PeerId;
  readonly documents: CatalogDocuments;
  /** What it lists; `documents.changed()` tells of it. */
  servers: readonly ServerCatalog[];
  agents: readonly ListedAgent[];
  /** What it is shown of others: names of tools by owner. */
  readonly shown: Map<PeerId, readonly string[]>;
  readonly reported: string[];
  readonly warnings: string[];
  readonly rows: Map<string, Uint8Array>;
  /** How often it told its peers of another document. */
  announced: number;
  /** Hears a heartbeat of `peer` that names this document. */
  hear(peer: PeerId, lists: Presence['lists'], more?: Partial<PeerView>): void;
  /** Sends anything. */
  say(to: PeerId, payload: Uint8Array): void;
}

/** Nodes and the links between them. */
export interface DocumentWorld {
  readonly clock: TestClock;
  readonly sent: SentFrame[];
  /** False loses a frame. */
  passes: (frame: SentFrame) => boolean;
  node(seed: number, init?: NodeInit): DocumentNode;
  link(a: DocumentNode, b: DocumentNode): void;
  cut(a: DocumentNode, b: DocumentNode): void;
  /** Everybody hears the heartbeat of a node, as gossip brings it: not by its links. */
  beat(node: DocumentNode): void;
  /** Time goes on in small steps, and all that is on its way arrives. */
  run(ms: number, stepMs?: number): Promise<void>;
}

interface NodeInit {
  readonly rows?: Map<string, Uint8Array>;
  readonly servers?: readonly ServerCatalog[];
  readonly agents?: readonly ListedAgent[];
}

/** A server with `count` tools whose descriptions have so many characters. */
export function serverOf(name: string, count = 1, textLength = 10): ServerCatalog {
  const tools = Array.from({ length: count }, (_, at) => ({
    name: `${name}-${at}`,
    description: 'x'.repeat(textLength),
    inputSchema: { type: 'object' },
  }));
  return catalogOf(name, { tools });
}

/** An agent with this name, as a node lists it. */
export function agentOf(
  name: string,
  capabilities: readonly string[] = ['summarise'],
): ListedAgent {
  const { did } = createIdentity(Buffer.alloc(32, 9));
  return {
    id: `agent_${name}`,
    did,
    name,
    kind: 'attached',
    capabilities,
    maxConcurrentTasks: 2,
    zone: 'lab',
  };
}

/** No node, and no link. */
export function createDocumentWorld(): DocumentWorld {
  const clock = createTestClock();
  const nodes = new Map<PeerId, DocumentNode>();
  const hears = new Map<PeerId, (payload: Uint8Array, from: PeerId) => void>();
  const links = new Map<PeerId, Set<PeerId>>();
  const networks = new Map<PeerId, EventEmitter>();
  const sent: SentFrame[] = [];
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const deliver = (from: PeerId, to: PeerId, payload: Uint8Array): boolean => {
    if (links.get(from)?.has(to) !== true) return false;
    const message = decodeDocumentMessage(payload);
    const frame = { from, to, message, sizeBytes: payload.length };
    sent.push(frame);
    if (world.passes(frame)) setImmediate(() => hears.get(to)?.(payload, from));
    return true;
  };
  const node: DocumentWorld['node'] = (
    seed,
    { rows = new Map(), servers = [], agents = [] } = {},
  ) => {
    const identity = createIdentity(Buffer.alloc(32, seed));
    const { peerId } = identity;
    const membership = new EventEmitter<MembershipEvents>();
    const views = new Map<PeerId, PeerView>();
    const events = networks.get(peerId) ?? new EventEmitter();
    networks.set(peerId, events);
    const documents = createCatalogDocuments({
      network: {
        self: peerId,
        events: events as never,
        connected: () => [...(links.get(peerId) ?? [])],
        isConnected: (peer) => links.get(peerId)?.has(peer) === true,
        report: (peer, what) => void made.reported.push(`${what} ${peer}`),
        onFrame(_, hear) {
          hears.set(peerId, hear);
          return () => void hears.delete(peerId);
        },
        sendFrame: async (to, _, payload) => deliver(peerId, to, payload),
      },
      membership: {
        events: membership,
        peer: (peer) => views.get(peer),
        peers: () => [...views.values()],
      },
      table: memoryTable(rows),
      identity,
      listed: () => ({ servers: made.servers, agents: made.agents }),
      show: (owner, { servers: shown }) =>
        void made.shown.set(
          owner,
          shown.flatMap(({ tools }) => tools.map(({ name }) => name)),
        ),
      announce: () => void (made.announced += 1),
      health: {
        raise: ({ code }) => void made.warnings.push(code),
        clear: () => undefined,
      },
      clock,
      random: () => 0,
      logger: silentLogger,
    });
    const made: DocumentNode = {
      identity,
      peerId,
      documents,
      servers,
      agents,
      shown: new Map(),
      reported: [],
      warnings: [],
      rows,
      announced: 0,
      hear(peer, lists, more = {}) {
        const presence = lists === undefined ? {} : { lists };
        const view = { peerId: peer, state: 'alive', presence, ...more } as unknown as PeerView;
        views.set(peer, view);
        membership.emit('change', view, undefined, new Set());
      },
      say: (to, payload) => void deliver(peerId, to, payload),
    };
    nodes.set(peerId, made);
    void documents.start();
    return made;
  };
  const world: DocumentWorld = {
    clock,
    sent,
    passes: () => true,
    node,
    link(a, b) {
      for (const [one, other] of [
        [a, b],
        [b, a],
      ] as const) {
        links.set(one.peerId, (links.get(one.peerId) ?? new Set()).add(other.peerId));
      }
      networks.get(a.peerId)?.emit('peer:connect', b.peerId);
      networks.get(b.peerId)?.emit('peer:connect', a.peerId);
    },
    cut(a, b) {
      links.get(a.peerId)?.delete(b.peerId);
      links.get(b.peerId)?.delete(a.peerId);
      networks.get(a.peerId)?.emit('peer:disconnect', b.peerId);
      networks.get(b.peerId)?.emit('peer:disconnect', a.peerId);
    },
    beat({ peerId, documents }) {
      for (const other of nodes.values()) {
        if (other.peerId !== peerId) other.hear(peerId, documents.presence().lists);
      }
    },
    async run(ms, stepMs = 50) {
      for (let passed = 0; passed <= ms; passed += stepMs) {
        for (let at = 0; at < 12; at += 1) await turn();
        clock.advance(stepMs);
      }
    },
  };
  return world;
}
