/** The node's Ed25519 key, and the names that a key has. */
export { didFromPeerId, parseDid, parsePeerId, peerIdFromDid } from './did.ts';
export { loadIdentity, replaceIdentity } from './key-file.ts';
export { sealerOf } from './seal.ts';
export type { Sealer } from './seal.ts';
export { createIdentity, randomSeed, signerFromSeed, verifySignature } from './sign.ts';
export type { Identity, Signer } from './types.ts';
