/** The node's Ed25519 key, and the names that a key has. */
export { boxOpenerOf, closeBox } from './box.ts';
export type { BoxOpener } from './box.ts';
export {
  didFromPeerId,
  didFromPublicKey,
  parseDid,
  parsePeerId,
  peerIdFromDid,
  peerIdFromPublicKey,
  publicKeyFromDid,
  publicKeyFromPeerId,
} from './did.ts';
export { loadIdentity, openKeyFile, readKeyFacts, writeKeyFile } from './key-file.ts';
export type { KeyFacts, KeyFileInit, OpenedKey, PassphraseSource } from './key-file.ts';
export { PLAIN, protectBy } from './protection.ts';
export type { KeyProtection, ScryptCost } from './protection.ts';
export { sealerOf } from './seal.ts';
export type { SealedTable, Sealer } from './seal.ts';
export { createIdentity, randomSeed, signerFromSeed, verifySignature } from './sign.ts';
export type { FrequentSigner, Identity, Signer } from './types.ts';
export { BATCH_MAX, decodeBatched, encodeBatch, isBatched } from './batch.ts';
export { decodeBase64url, decodeJws, encodeJws, malformedAs } from './jws.ts';
export type { DecodedJws, MalformedError } from './jws.ts';
export { isShortIdOf, shortId, withShortIds } from './short-id.ts';
