/** The node's Ed25519 key, and the names that a key has. */
export { didFromPeerId, parseDid, parsePeerId, peerIdFromDid } from './did.ts';
export { loadIdentity } from './key-file.ts';
export { createIdentity, randomSeed, signerFromSeed, verifySignature } from './sign.ts';
export type { Identity, Signer } from './types.ts';
