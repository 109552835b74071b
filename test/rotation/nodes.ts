/** State folders of nodes that meet without a network: their keys are changed as the command does it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret, createHealth, silentLogger, systemClock } from '../../src/core/index.ts';
import type { Health } from '../../src/core/index.ts';
import { loadIdentity } from '../../src/identity/index.ts';
import type { Identity } from '../../src/identity/index.ts';
import {
  decodeHello,
  decodeHelloAnswer,
  encodeHello,
  encodeHelloAnswer,
} from '../../src/network/admission/hello-codec.ts';
import type { HelloAnswer } from '../../src/network/index.ts';
import { createStore } from '../../src/store/index.ts';
import type { Store } from '../../src/store/index.ts';
import { openIdentityState } from '../../src/identity-state.ts';
import type { IdentityState } from '../../src/identity-state.ts';
import { finishRotation, rotateIdentity } from '../../src/rotation/index.ts';
import type { Rotation } from '../../src/rotation/index.ts';
import { SEALED_TABLES } from '../../src/secrets/index.ts';

/** A node without a network. */
export interface Opened extends IdentityState {
  readonly stateDir: string;
  readonly identity: Identity;
  readonly store: Store;
  readonly health: Health;
  close(): Promise<void>;
}

export const COMPONENTS = { clock: systemClock, logger: silentLogger, sealed: SEALED_TABLES };

const cleanups: (() => Promise<void>)[] = [];

/** For afterEach. */
export async function closeAll(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
}

export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'starling-keys-'));
  cleanups.push(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/** Opens a state folder as a node does when it starts. */
export async function open(stateDir: string): Promise<Opened> {
  const health = createHealth();
  const store = createStore(COMPONENTS, { dir: join(stateDir, 'db') });
  await store.start();
  const identity = await loadIdentity(join(stateDir, 'key'));
  await finishRotation(COMPONENTS, { stateDir, store, identity });
  const books = await openIdentityState(
    { ...COMPONENTS, health, store, identity },
    { name: 'node' },
  );
  const close = async (): Promise<void> => {
    await books.grants.stop();
    await store.stop();
  };
  cleanups.push(close);
  return { ...books, stateDir, identity, store, health, close };
}

export async function founder(): Promise<Opened> {
  const node = await open(await folder());
  await node.ownMesh.found('home');
  await node.ownMesh.keep();
  return node;
}

export async function joined(of: Opened): Promise<Opened> {
  const node = await open(await folder());
  const { ticket } = await of.admission.invite({
    addresses: ['/ip4/127.0.0.1/tcp/4040'],
    expiresInMs: 60_000,
    canInvite: true,
  });
  await node.admission.takeTicket(new Secret(ticket.reveal()));
  const answer = await meet(node, of);
  if (!answer.ok) throw new Error(answer.reason);
  return node;
}

/** `from` dials `to`: hello and answer in bytes, and what `from` makes of it. Gives the answer. */
export async function meet(from: Opened, to: Opened): Promise<HelloAnswer> {
  const hello = decodeHello(
    encodeHello(from.admission.hello(to.identity.peerId)),
    from.identity.peerId,
  );
  const answer = await to.admission.admit(hello, from.identity.peerId);
  const welcome = decodeHelloAnswer(encodeHelloAnswer(answer), to.identity.peerId);
  if (welcome.ok) await from.admission.answered(welcome, to.identity.peerId);
  // What a running node does when it hears of a new key.
  await from.ownMesh.reissue();
  await to.ownMesh.reissue();
  return welcome;
}

/** Hands over all records that the other lacks, both ways. */
export async function sync(one: Opened, other: Opened): Promise<void> {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    for (let round = 0; round < 3; round += 1) {
      for (const jws of from.ownMesh.records().all().values()) await to.ownMesh.records().add(jws);
    }
    await to.ownMesh.reissue();
  }
}

/** Stops the node, changes its key, and opens it again. */
export async function rotated(node: Opened): Promise<{ node: Opened; rotation: Rotation }> {
  await node.close();
  const rotation = await rotateIdentity(COMPONENTS, { stateDir: node.stateDir });
  return { node: await open(node.stateDir), rotation };
}

export function knows(who: Opened, whom: Opened): boolean {
  return who.admission.isMember(whom.identity.peerId);
}
