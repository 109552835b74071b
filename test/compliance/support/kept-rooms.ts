/**
 * What rooms keep, each in the same words: changes that a disk may refuse, and what one sees of them. So
 * one list of behaviours (`stores.test.ts`) holds for all of them.
 */
import { createCheckpointStore } from '../../../src/audit/index.ts';
import { LIMITS } from '../../../src/blackboard/limits.ts';
import { createOpenBoard } from '../../../src/blackboard/board/board.ts';
import { readBoards } from '../../../src/blackboard/disk/persistence.ts';
import { Secret, createHealth, silentLogger } from '../../../src/core/index.ts';
import type { Clock, Did, PeerId } from '../../../src/core/index.ts';
import { createApiKeys, createPins } from '../../../src/gateway/index.ts';
import type { ApiKeys } from '../../../src/gateway/index.ts';
import { createAttachedClients } from '../../../src/gateway/door/attached-clients.ts';
import type { Reviewable } from '../../../src/gateway/pins/pins.ts';
import {
  createCounters,
  createGrantBook,
  createSuccessions,
  issueGrant,
  issueRevocation,
  issueSuccession,
} from '../../../src/grants/index.ts';
import type { GrantBook } from '../../../src/grants/index.ts';
import { createApprovals } from '../../../src/guard/approvals/approvals.ts';
import type { CallerRules } from '../../../src/guard/policy/caller-rules.ts';
import { peerIdFromDid, sealerOf, signerFromSeed } from '../../../src/identity/index.ts';
import { movePeer, readPeers, savePeers } from '../../../src/membership/peers/saved-peers.ts';
import { createRecords } from '../../../src/mesh/records/records.ts';
import { createLoginStore, createSecretStore } from '../../../src/secrets/index.ts';
import type { Table } from '../../../src/store/index.ts';
import { sealLine } from '../../../src/audit/checkpoint.ts';
import { ALL_FILES, NOW_MS, alice, manualClock, owner, signerOf } from '../../grants/arrange.ts';

/** What was asked for: it names the thing, and what it is to be. */
export interface Change {
  /** 0 to 5: which of a few things. */
  readonly thing: number;
  /** What it is to be; odd numbers end a thing where that can be. */
  readonly number: number;
}

/** A room with what it keeps. */
export interface KeptRoom {
  /** @throws when the disk refuses; gives false when there was nothing to do */
  change(change: Change): Promise<unknown>;
  /** All that one sees of what was changed. */
  seen(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Opens the room over its tables, `laterMs` after the first time; the same tables give what was kept. */
export type OpenRoom = (table: (name: string) => Table, laterMs: number) => Promise<KeptRoom>;

/** A clock that stands at `laterMs` after the first start of all rooms. */
function clockAt(laterMs: number): Clock {
  const clock = manualClock();
  return { now: () => clock.now() + laterMs, schedule: (...task) => clock.schedule(...task) };
}

const logger = silentLogger;
const nothing = async (): Promise<void> => undefined;

const board: OpenRoom = async (table, laterMs) => {
  const own = createOpenBoard(
    {
      table: table('boards'),
      self: owner.did,
      clock: clockAt(laterMs),
      logger,
      publish: () => undefined,
      changed: () => undefined,
    },
    { name: 'b', rows: (await readBoards(table('boards'))).get('b') ?? [], limits: LIMITS },
  );
  return {
    change: ({ thing, number }) =>
      number % 2 === 1 ? own.delete(`k${thing}`) : own.set(`k${thing}`, number),
    seen: async () => own.document.entries('').map(({ key, value }) => [key, value]),
    close: async () => own.close(),
  };
};

async function bookOf(table: (name: string) => Table, laterMs: number): Promise<GrantBook> {
  const book = createGrantBook({
    identity: owner,
    grants: table('grants'),
    revocations: table('revocations'),
    clock: clockAt(laterMs),
    logger,
  });
  await book.start();
  return book;
}

const grants: OpenRoom = async (table, laterMs) => {
  const book = await bookOf(table, laterMs);
  return {
    async change({ thing, number }) {
      const valid = book.issued().filter((grant) => book.state(grant) === 'valid');
      const one = valid[thing];
      if (number % 2 === 1) return one !== undefined && book.revoke(one.claims.jti);
      if (number % 4 === 0 && one !== undefined) return book.renew(one.claims.jti);
      return book.issue({
        aud: alice.did,
        capabilities: [ALL_FILES],
        expiresAtMs: NOW_MS + 3_600_000,
        renewForMs: 7_200_000 + number * 1000,
      });
    },
    seen: async () =>
      book
        .issued()
        .map((grant) => [grant.hash, book.state(grant)])
        .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    close: () => book.stop(),
  };
};

const received: OpenRoom = async (table, laterMs) => {
  const book = await bookOf(table, laterMs);
  return {
    async change({ thing, number }) {
      const from = signerOf(20 + thing);
      const expiresAt = NOW_MS / 1000 + 100 + number;
      const init = { aud: owner.did, sub: from.did, cap: [ALL_FILES], expiresAt };
      return book.receive([issueGrant(from, init, NOW_MS).jws]);
    },
    seen: async () =>
      book
        .received()
        .map(({ hash }) => hash)
        .sort(),
    close: () => book.stop(),
  };
};

/** So few uses that none are written ahead: what is taken is what is on the disk. */
const COUNTED = issueGrant(
  owner,
  {
    aud: alice.did,
    sub: owner.did,
    cap: [{ ...ALL_FILES, caveats: { uses: 19 } }],
    expiresAt: NOW_MS / 1000 + 3600,
  },
  NOW_MS,
);

const counters: OpenRoom = async (table, laterMs) => {
  const set = createCounters({
    table: table('counters'),
    grants: {
      chainOf: () => [COUNTED],
      issued: () => [COUNTED],
      successions: createSuccessions({ table: table('none'), logger }),
    },
    self: owner.did,
    clock: clockAt(laterMs),
    logger,
  });
  await set.start();
  return {
    async change() {
      const taken = set.take(COUNTED, 0, NOW_MS);
      if (!taken.ok) return false;
      await taken.settled;
      return true;
    },
    seen: async () => set.taken(COUNTED, 0),
    close: nothing,
  };
};

const mesh = signerOf(1);
const member = (byte: number): string =>
  issueGrant(
    mesh,
    {
      aud: signerOf(byte).did,
      sub: mesh.did,
      cap: [{ resource: `mesh:${mesh.did}`, ability: 'mesh/join' }],
      expiresAt: NOW_MS / 1000 + 1_000_000,
    },
    NOW_MS,
  ).jws;
const MEMBERS = [0, 1, 2, 3, 4, 5].map((thing) => member(30 + thing));

const records: OpenRoom = async (table, laterMs) => {
  const self = signerOf(2);
  const successions = createSuccessions({ table: table('successions'), logger });
  await successions.load();
  const book = await bookOf(table, laterMs);
  const own = createRecords(
    { table: table('records'), grants: book, successions, clock: clockAt(laterMs), logger },
    { mesh: mesh.did, open: false, self: self.did },
  );
  await own.load();
  return {
    async change({ thing, number }) {
      const byte = 30 + thing;
      if (number % 4 === 1) {
        const heir = signerFromSeed(new Uint8Array(32).fill(60 + thing));
        return own.add(issueSuccession(signerOf(byte), heir, { mesh: mesh.did }, NOW_MS).jws);
      }
      if (number % 4 === 3) {
        const of = { aud: alice.did, sub: signerOf(byte).did, cap: [ALL_FILES] };
        const grant = issueGrant(
          signerOf(byte),
          { ...of, expiresAt: NOW_MS / 1000 + 3600 },
          NOW_MS,
        );
        return own.add(issueRevocation(signerOf(byte), grant, NOW_MS).jws);
      }
      return own.add(MEMBERS[thing] ?? '');
    },
    seen: async () => [
      own.digest(),
      successions
        .all()
        .map(({ claims }) => claims.sub)
        .sort(),
    ],
    close: () => book.stop(),
  };
};

const secrets: OpenRoom = async (table, laterMs) => {
  const identity = { seed: new Uint8Array(32).fill(7) };
  const store = createSecretStore({
    table: table('secrets'),
    sealer: () => sealerOf(identity, 'secrets'),
    clock: clockAt(laterMs),
    logger,
  });
  await store.load();
  return {
    change: ({ thing, number }) =>
      number % 2 === 1
        ? store.remove(`S${thing}`)
        : store.set(`S${thing}`, new Secret(String(number))),
    seen: async () => (await store.list()).map(({ name }) => [name, store.lookup(name)]),
    close: nothing,
  };
};

const logins: OpenRoom = async (table) => {
  const sealer = sealerOf({ seed: new Uint8Array(32).fill(7) }, 'logins');
  const store = createLoginStore({ table: table('logins'), sealer, logger });
  const url = 'https://mcp.example.com/mcp';
  return {
    change: ({ thing, number }) =>
      number % 2 === 1
        ? store.delete(`s${thing}`)
        : store.put(`s${thing}`, { url, issuer: url, client: { clientId: `c${number}` } }),
    seen: () => Promise.all([0, 1, 2, 3, 4, 5].map((thing) => store.get(`s${thing}`, url))),
    close: nothing,
  };
};

const apiKeys: OpenRoom = async (table, laterMs) => {
  const keys = createApiKeys({ table: table('api-keys'), clock: clockAt(laterMs), logger });
  await keys.load();
  return {
    async change({ thing, number }) {
      const name = `k${thing}`;
      const isThere = keys.list().some((key) => key.name === name);
      if (number % 2 === 1) return isThere && keys.revoke(name);
      return !isThere && keys.create({ name, scopes: ['*'] });
    },
    seen: async () =>
      keys
        .list()
        .map(({ id, name }) => [name, id])
        .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    close: nothing,
  };
};

const clients: OpenRoom = async (table, laterMs) => {
  const keys: ApiKeys = createApiKeys({
    table: table('api-keys'),
    holderOf: (name) => attached.holderOf(name),
    clock: clockAt(laterMs),
    logger,
  });
  const attached = createAttachedClients({ table: table('clients'), keys, logger });
  await keys.load();
  await attached.load();
  return {
    change: ({ thing, number }) => {
      const client = { name: `c${thing}`, program: 'cursor' };
      if (number % 4 === 0) return attached.disconnect(client);
      return attached.connect({ ...client, byKey: number % 2 === 1 });
    },
    // A key goes before a name.
    seen: async () =>
      Array.from({ length: 6 }, (_, thing) => {
        const key = keys.list().find(({ name }) => name === `c${thing}`);
        return key === undefined ? attached.holderOf(`c${thing}`) : [key.id, key.program];
      }),
    close: nothing,
  };
};

const checkpoints: OpenRoom = async (table, laterMs) => {
  const store = createCheckpointStore({ table: table('checkpoints'), clock: clockAt(laterMs) });
  await store.load();
  return {
    async change({ thing, number }) {
      const signer = signerOf(40 + thing);
      return store.add(
        sealLine(signer, 'checkpoint', { seq: number, hash: 'a'.repeat(64), at: number }),
      );
    },
    seen: async () =>
      store
        .nodes()
        .toSorted()
        .map((did: Did) => store.of(did).map(({ seq }) => seq)),
    close: nothing,
  };
};

const approvals: OpenRoom = async (table, laterMs) => {
  const queue = createApprovals({
    table: table('approvals'),
    clock: clockAt(laterMs),
    logger,
    callerRules: { of: () => ({ mayApprove: true }) as CallerRules },
  });
  await queue.start();
  const by = { principal: { kind: 'operator' }, via: 'library' } as const;
  return {
    async change({ thing, number }) {
      const waiting = queue.list('pending').toReversed()[thing];
      if (number % 2 === 1) return waiting !== undefined && queue.deny(waiting.id, by);
      return queue.open({
        // Calls end with the node, requests wait on.
        kind: number % 4 === 0 ? 'call' : 'permission',
        principal: { kind: 'agent', did: signerOf(50 + thing).did },
        resource: `tool:files/t${number}`,
        ability: 'tool/call',
        rule: 'ask',
        timeoutMs: 3_600_000,
      } as never);
    },
    // A call that waited is over with its node, whether or not that is written down.
    seen: async () =>
      queue
        .list()
        .filter(({ kind }) => kind !== 'call')
        .map(({ id, state }) => [id, state])
        .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    close: () => queue.stop(),
  };
};

const SERVER = (thing: number): string => `server-${thing}`;
const listed = (thing: number, text: number): Reviewable => ({
  tools: [{ name: `tool-${thing}`, description: `says ${text}`, inputSchema: {} }],
  prompts: [],
});
const TEXTS = [0, 1, 2, 3, 4, 5];

const pins: OpenRoom = async (table, laterMs) => {
  const own = createPins(
    { table: table('pins'), clock: clockAt(laterMs), logger, health: createHealth() },
    { mode: 'strict', perServerMax: 10 },
  );
  await own.start();
  for (const thing of TEXTS) own.review('', SERVER(thing), listed(thing, 0));
  await own.keeping();
  const isPinned = (thing: number, text: number): boolean =>
    own.offered('', SERVER(thing), listed(thing, text)).allowed.tools.length > 0;
  return {
    async change({ thing, number }) {
      const text = number % TEXTS.length;
      return !isPinned(thing, text) && own.approve('', SERVER(thing));
    },
    seen: async () => TEXTS.map((thing) => TEXTS.filter((text) => isPinned(thing, text))),
    close: () => own.stop(),
  };
};

const peers: OpenRoom = async (table) => {
  const peerId = (thing: number): PeerId => peerIdFromDid(signerOf(70 + thing).did);
  return {
    change: ({ thing, number }) => {
      const peer = {
        peerId: peerId(thing),
        alias: `peer-${number}`,
        addresses: [`/ip4/10.0.0.1/tcp/${number}`],
        lastHeartbeatAt: NOW_MS + number,
      };
      return number % 2 === 1
        ? movePeer(table('peers'), peerId((thing + 1) % 6), peer)
        : savePeers(table('peers'), [peer]);
    },
    seen: async () =>
      (await readPeers(table('peers'), logger)).toSorted((a, b) => (a.peerId < b.peerId ? -1 : 1)),
    close: nothing,
  };
};

/** All that rooms keep in tables, by name. */
export const KEPT_ROOMS: Readonly<Record<string, OpenRoom>> = {
  'the entries of a board': board,
  'grants that we issued, and our revocations': grants,
  'grants that we received': received,
  'counters of uses': counters,
  'records of the mesh, and successions': records,
  secrets,
  logins,
  'API keys': apiKeys,
  'clients by their names, and their keys': clients,
  'checkpoints that were seen': checkpoints,
  approvals,
  'pins of definitions': pins,
  'peers and where they were last': peers,
};
