/** Two or three nodes that say hello to each other, with no network. */
import { expect } from 'vitest';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Clock, Health, Secret } from '../../src/core/index.ts';
import { createGrantBook, createSuccessions } from '../../src/grants/index.ts';
import type { GrantBook } from '../../src/grants/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { Identity } from '../../src/identity/index.ts';
import {
  decodeHello,
  decodeHelloAnswer,
  encodeHello,
  encodeHelloAnswer,
} from '../../src/network/admission/hello-codec.ts';
import type { HelloAnswer } from '../../src/network/index.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { createMeshAdmission, createOwnMesh } from '../../src/mesh/index.ts';
import type { MeshAdmission, OwnMesh } from '../../src/mesh/index.ts';

export const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 10, 21);

export interface Side {
  readonly identity: Identity;
  readonly mesh: OwnMesh;
  readonly admission: MeshAdmission;
  readonly grants: GrantBook;
  readonly health: Health;
  /** The same node, started anew. */
  readonly reload: () => Promise<Pick<Side, 'mesh' | 'admission'>>;
}

/** A clock that only the test moves. */
export function stillClock(): Clock & { pass(ms: number): void } {
  let now = START;
  return {
    now: () => now,
    schedule: () => () => undefined,
    pass: (ms) => {
      now += ms;
    },
  };
}

export async function side(name: string, clock: Clock, seedByte: number): Promise<Side> {
  const identity = createIdentity(new Uint8Array(32).fill(seedByte));
  const table = memoryTable();
  const records = memoryTable();
  const health = createHealth();
  const successions = createSuccessions({ table: memoryTable(), logger: silentLogger });
  const grants = createGrantBook({
    identity,
    successions,
    grants: memoryTable(),
    revocations: memoryTable(),
    clock,
    logger: silentLogger,
  });
  await grants.start();
  const make = async (): Promise<Pick<Side, 'mesh' | 'admission'>> => {
    const tables = { table, records };
    const components = { identity, grants, successions, clock, logger: silentLogger, health };
    const mesh = createOwnMesh({ ...components, ...tables });
    await mesh.load();
    const admission = createMeshAdmission({ ...components, ownMesh: mesh }, { name });
    return { mesh, admission };
  };
  return { identity, grants, health, ...(await make()), reload: make };
}

/** `from` dials `to`: hello, answer, and what `from` makes of it. Gives the answer. */
export function meet(from: Side, to: Side): Promise<HelloAnswer> {
  return from.admission.inTurn(async () => {
    const hello = decodeHello(
      encodeHello(from.admission.hello(to.identity.peerId)),
      from.identity.peerId,
    );
    const answer = await to.admission.admit(hello, from.identity.peerId);
    const welcome = decodeHelloAnswer(encodeHelloAnswer(answer), to.identity.peerId);
    if (welcome.ok) await from.admission.answered(welcome, to.identity.peerId);
    return welcome;
  });
}

export async function ticketOf(of: Side, canInvite = true, expiresInMs = DAY_MS): Promise<Secret> {
  const addresses = [`/ip4/127.0.0.1/tcp/4040/p2p/${of.identity.peerId}`];
  return (await of.admission.invite({ addresses, expiresInMs, canInvite })).ticket;
}

export async function founded(clock: Clock = stillClock()): Promise<Side> {
  const alice = await side('alice', clock, 1);
  await alice.mesh.found('home');
  return alice;
}

export async function joined(
  of: Side,
  clock: Clock,
  seedByte: number,
  canInvite = true,
): Promise<Side> {
  const newcomer = await side(`node${seedByte}`, clock, seedByte);
  await newcomer.admission.takeTicket(await ticketOf(of, canInvite));
  expect(await meet(newcomer, of)).toMatchObject({ ok: true });
  expect(newcomer.mesh.isMember()).toBe(true);
  return newcomer;
}
