/** What an Ed25519 identity can do, without showing its secret. */
import type { Did, PeerId } from '../core/index.ts';

/** Signs as one key. */
export interface Signer {
  readonly did: Did;
  /** The 64-byte Ed25519 signature of `message` (RFC 8032 §5.1.6). */
  sign(message: Uint8Array): Uint8Array;
}

/** Signs many small things. */
export interface FrequentSigner extends Signer {
  /** The same bytes as {@link Signer.sign}, made by the system's library in a hundredth of the time. */
  signOften(message: Uint8Array): Uint8Array;
}

/** A node's own key, in the two ways in which its public half is written. */
export interface Identity extends FrequentSigner {
  readonly peerId: PeerId;
  /** The 32-byte public key. */
  readonly publicKey: Uint8Array;
  /** The 32-byte seed (RFC 8032 §5.1.5). Only the network host and `seal.ts` may ask for it. */
  readonly seed: Uint8Array;
}
