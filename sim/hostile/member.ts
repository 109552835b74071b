/** A member that means harm: it has a key, a membership and connections, and none of the node's rooms above. */
import { createPrivateKey, sign } from 'node:crypto';
import { loadConfig, silentLogger } from '../../src/index.ts';
import type { MeshId, Transport } from '../../src/index.ts';
import {
  closeState,
  createNetwork,
  joinMesh,
  meshOf,
  openState,
  systemClock,
} from '../../src/testing.ts';
import type { GrantSigner, Network, PeerStream } from '../../src/testing.ts';

const DIAL_TIMEOUT_MS = 5000;
/** A PKCS #8 Ed25519 key is this and the seed (RFC 8410). */
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A member that means harm. */
export interface Member {
  readonly network: Network;
  readonly meshId: MeshId;
  /** What signs grants and revocations. */
  readonly signer: GrantSigner;
  /** The 32-byte public key. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
  /** Connects again when the connection was closed. Rejects while the node refuses. */
  connect(address: string): Promise<void>;
  open(peer: string, protocol: string): Promise<PeerStream>;
  stop(): Promise<void>;
}

/** A node of harm with a folder, a ticket and an address of its own. */
export interface MemberInit {
  readonly stateDir: string;
  readonly ticket: string;
  readonly home: string;
  /** Default: `mallory`. */
  readonly name?: string;
  /** Default: a free port of loopback. */
  readonly listen?: string;
  /** In place of TCP. */
  readonly transports?: readonly Transport[];
}

/** Joins a mesh by `ticket`, with a state folder of its own. */
export async function createMember(init: MemberInit): Promise<Member> {
  const config = await loadConfig({
    env: { HOME: init.home },
    flags: {
      name: init.name ?? 'mallory',
      stateDir: init.stateDir,
      join: init.ticket,
      listen: [init.listen ?? '/ip4/127.0.0.1/tcp/0'],
      mdns: false,
      relay: false,
    },
  });
  const { base, state } = await openState(config, {
    logger: silentLogger,
    transports: init.transports,
  });
  const { identity, admission, ownMesh } = state;
  const network = createNetwork(
    { ...base, identity, admission, clock: systemClock, logger: silentLogger },
    { ...config, meshId: meshOf(state).id, bootstrap: [], connections: 1000 },
  );
  await network.start();
  await joinMesh({ ...base, network, ownMesh }, { dial: state.dial });
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_ED25519, identity.seed]),
    format: 'der',
    type: 'pkcs8',
  });
  return {
    network,
    meshId: meshOf(state).id,
    signer: {
      did: identity.did,
      // Much faster than the node's own way, so that signing is not what holds the attack up.
      sign: (message) => sign(null, message, key),
    },
    publicKey: identity.publicKey,
    sign: (message) => sign(null, message, key),
    async connect(address) {
      await network.dial(address, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
    },
    open: (peer, protocol) =>
      network.open(peer as never, protocol, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) }),
    async stop() {
      await network.stop();
      await closeState(state, () => undefined);
    },
  };
}
