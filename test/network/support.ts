/** Builders for the network's tests: real libp2p on loopback, and an admission by list. */
import '../../src/core/system/node20.ts';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { StarlingError, silentLogger, systemClock } from '../../src/core/index.ts';
import type { Clock, PeerId } from '../../src/core/index.ts';
import { didFromPublicKey, parseDid, peerIdFromPublicKey } from '../../src/identity/did.ts';
import type { Identity } from '../../src/identity/types.ts';
import { createNetwork } from '../../src/network/index.ts';
import type {
  Admission,
  Hello,
  Network,
  NetworkComponents,
  NetworkInit,
  PeerStream,
} from '../../src/network/index.ts';

export const MESH = parseDid('did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK');

/** Signals that no test waits longer than it must. */
export const soon = (ms = 60_000): { signal: AbortSignal } => ({
  signal: AbortSignal.timeout(ms),
});

/** A clock on which everything is over four times sooner: what is given seconds still has time on a busy machine. */
export function fastClock(): Clock {
  const startedAt = Date.now();
  return {
    now: () => startedAt + (Date.now() - startedAt) * 4,
    schedule: (delayMs, task) => systemClock.schedule(delayMs / 4, task),
  };
}

export async function makeIdentity(name: string): Promise<Identity> {
  const seed = createHash('sha256').update(name).digest();
  const key = await generateKeyPairFromSeed('Ed25519', seed);
  return {
    peerId: peerIdFromPublicKey(key.publicKey.raw),
    did: didFromPublicKey(key.publicKey.raw),
    publicKey: key.publicKey.raw,
    seed,
    sign: () => {
      throw new Error('the network signs nothing by itself');
    },
    signOften: () => {
      throw new Error('the network signs nothing by itself');
    },
  };
}

/** Lets in whoever is on the list; the list may change. */
export interface Guests extends Admission {
  readonly list: Set<PeerId>;
  readonly heard: Hello[];
  /** What strangers are refused with. */
  code: string;
}

export function makeGuests(name: string): Guests {
  const list = new Set<PeerId>();
  const heard: Hello[] = [];
  const hello: Hello = {
    version: 2,
    release: '0.2.0',
    mesh: MESH,
    name,
    time: 1000,
    membership: [],
  };
  const guests: Guests = {
    list,
    heard,
    code: 'STARLING_JOIN_REFUSED',
    hello: () => hello,
    inTurn: (greet) => greet(),
    async admit(theirs, peer) {
      heard.push(theirs);
      if (list.has(peer)) return { ok: true, hello };
      return { ok: false, code: guests.code, reason: `${theirs.name} is not on the list` };
    },
    async answered(welcome, peer) {
      if (welcome.ok && !list.has(peer)) {
        throw new StarlingError('STARLING_MESH_MISMATCH', `${peer} is not of our mesh`);
      }
    },
    isMember: (peer) => list.has(peer),
  };
  return guests;
}

export interface Member {
  readonly network: Network;
  readonly guests: Guests;
  readonly id: PeerId;
  readonly address: () => string;
}

const running = new Set<Network>();

export async function makeMember(
  name: string,
  init: Partial<NetworkInit> = {},
  parts: Partial<Pick<NetworkComponents, 'clock' | 'logger' | 'transports'>> = {},
): Promise<Member> {
  const { clock = systemClock, logger = silentLogger, transports } = parts;
  const identity = await makeIdentity(name);
  const guests = makeGuests(name);
  const network = createNetwork(
    { identity, admission: guests, clock, random: Math.random, logger, transports },
    {
      meshId: MESH,
      name,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      bootstrap: [],
      mdns: false,
      relay: true,
      connections: 300,
      ...init,
    },
  );
  running.add(network);
  patient(network);
  return {
    network,
    guests,
    id: identity.peerId,
    address: () => {
      const [first] = network.addresses();
      if (first === undefined) throw new Error(`${name} has no address`);
      return first;
    },
  };
}

/** On a busy machine a dial may end before the other end has answered: a node dials again then, and so do tests. */
function patient(network: Network): void {
  const dial = network.dial.bind(network);
  network.dial = async (target, options) => {
    for (;;) {
      try {
        return await dial(target, options);
      } catch (error) {
        const isLate = error instanceof Error && error.message.includes('no answer in time');
        if (!isLate || options.signal.aborted) throw error;
      }
    }
  };
}

/** Members that know each other, started, not connected. */
export async function makeMembers(
  names: readonly string[],
  init: Partial<NetworkInit> = {},
  parts: { readonly clock?: Clock } = {},
): Promise<Member[]> {
  const members = await Promise.all(names.map((name) => makeMember(name, init, parts)));
  acquaint(members);
  await Promise.all(members.map(({ network }) => network.start()));
  return members;
}

export function acquaint(members: readonly Member[]): void {
  for (const { guests } of members) for (const { id } of members) guests.list.add(id);
}

/** For afterEach: stops everything that a test has made. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((network) => network.stop()));
  running.clear();
}

/** Resolves once `peer` is connected to `network`. */
export async function connectedTo(network: Network, peer: PeerId, ms = 60_000): Promise<void> {
  while (!network.connected().includes(peer)) {
    await once(network.events, 'peer:connect', soon(ms));
  }
}

export async function disconnectedFrom(network: Network, peer: PeerId, ms = 60_000): Promise<void> {
  while (network.connected().includes(peer)) {
    await once(network.events, 'peer:disconnect', soon(ms));
  }
}

/** Asks `check` until it holds: for states that no event tells of. */
export async function until(check: () => boolean, what: string, ms = 60_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Sends back what comes, feeling back-pressure. */
export function echo(stream: PeerStream): void {
  stream.onData((chunk) => {
    if (stream.write(chunk)) return;
    stream.pause();
    stream.drained().then(
      () => stream.resume(),
      () => undefined,
    );
  });
}

/** Resolves with the first `size` bytes that come. */
export function read(stream: PeerStream, size: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let have = 0;
    stream.onEnd((error) => reject(error ?? new Error('ended')));
    stream.onData((chunk) => {
      chunks.push(chunk);
      have += chunk.length;
      if (have >= size) resolve(Buffer.concat(chunks));
    });
  });
}

/** A promise and its two ends. */
export function deferred<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((onResolve) => {
    resolve = onResolve;
  });
  return { promise, resolve };
}

/** The code of what `action` throws; `none` when it returns, the message when there is no code. */
export function codeOf(action: () => unknown): string {
  try {
    action();
    return 'none';
  } catch (error) {
    return error instanceof StarlingError ? error.code : String(error);
  }
}
