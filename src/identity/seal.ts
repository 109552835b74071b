/**
 * Sealing what only this node may read, with NaCl's secretbox (XSalsa20-Poly1305) under a key that
 * HKDF-SHA-256 (RFC 5869) derives from the node's seed. Each use has a label and so a key of its own.
 */
import { createHash, hkdfSync } from 'node:crypto';
import nacl from 'tweetnacl';
import { StarlingError } from '../core/index.ts';
import type { Identity } from './types.ts';

const INFO_PREFIX = 'starling/seal/1/';

/** Seals and opens. */
export interface Sealer {
  /** Seals `content`. `context` names the sealed thing, so that no other can be put in its place. */
  seal(context: string, content: Uint8Array): Uint8Array;
  /** @throws STARLING_STATE_UNUSABLE when `sealed` is damaged, or by another key or context */
  open(context: string, sealed: Uint8Array): Uint8Array;
}

/** A table of the store whose rows hold what is sealed for the node's key. */
export interface SealedTable {
  readonly name: string;
  /** Label of its sealer. */
  readonly label: string;
  /** The row of `key`, sealed anew. @throws STARLING_STATE_UNUSABLE when `before` did not seal it */
  reseal(
    key: string,
    row: Uint8Array,
    by: { readonly before: Sealer; readonly after: Sealer },
  ): Uint8Array;
}

/** The sealer of `identity` for one use. The same identity and label always give the same key. */
export function sealerOf(identity: Pick<Identity, 'seed'>, label: string): Sealer {
  const keyOf = (context: string): Uint8Array =>
    new Uint8Array(
      hkdfSync(
        'sha256',
        identity.seed,
        new Uint8Array(),
        // Hashed, because this input is short by definition.
        `${INFO_PREFIX}${label}/${createHash('sha256').update(context).digest('hex')}`,
        nacl.secretbox.keyLength,
      ),
    );
  return {
    seal(context, content) {
      const nonce = nacl.randomBytes(nacl.secretbox.nonceLength);
      const box = nacl.secretbox(content, nonce, keyOf(context));
      return Buffer.concat([nonce, box]);
    },
    open(context, sealed) {
      const nonce = sealed.subarray(0, nacl.secretbox.nonceLength);
      const box = sealed.subarray(nacl.secretbox.nonceLength);
      const content =
        nonce.length === nacl.secretbox.nonceLength
          ? nacl.secretbox.open(box, nonce, keyOf(context))
          : null;
      if (content === null) {
        throw new StarlingError(
          'STARLING_STATE_UNUSABLE',
          `what was sealed for ${label} can't be opened with this node's key`,
          { hint: 'restore the key file and the database together from a backup, or start anew' },
        );
      }
      return content;
    },
  };
}
