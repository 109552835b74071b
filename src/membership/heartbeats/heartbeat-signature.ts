/**
 * The author's own signature in a heartbeat, by which anybody can pass the heartbeat on. It is over all fields but
 * `sig`, and but `seen` and `called`, which are for one peer; as deterministic CBOR (RFC 8949, section 4.2), after
 * {@link DOMAIN}.
 */
import { encode } from 'cborg';
import type { Fields, PeerId } from '../../core/index.ts';
import { didFromPeerId, verifySignature } from '../../identity/index.ts';
import { messageFields } from '../../network/index.ts';

/** So that no signature of something else is one of a heartbeat. */
const DOMAIN = 'starling-heartbeat-v1';
const SIGNATURE_BYTES = 64;

/** What the signature of a heartbeat with these fields is over. */
export function signedPart(fields: Fields): Uint8Array {
  const { sig: _, seen: __, called: ___, ...rest } = fields;
  return Buffer.concat([Buffer.from(`${DOMAIN}\n`, 'latin1'), encode(rest)]);
}

/** The heartbeat without what was for one peer; undefined when it carries no signature of `author`. Never throws. */
export function signedHeartbeat(bytes: Uint8Array, author: PeerId): Uint8Array | undefined {
  const fields = messageFields(bytes);
  const { sig, seen: _, called: __, ...rest } = fields;
  if (!(sig instanceof Uint8Array) || sig.length !== SIGNATURE_BYTES) return undefined;
  if (!verifySignature(didFromPeerId(author), signedPart(rest), sig)) return undefined;
  return encode({ ...rest, sig });
}
