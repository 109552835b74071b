/** Writes the long tickets of before, byte for byte as commit 6fb304d did: for what reads them. */
import { deflateRawSync } from 'node:zlib';
import { encode } from 'cborg';
import { base32 } from 'multiformats/bases/base32';
import { Secret } from '../../src/core/index.ts';
import type { Grant } from '../../src/grants/index.ts';

/** What such a ticket holds; its invite travels inside. */
export interface LongTicketInit {
  readonly mesh: string;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly seed: Uint8Array;
  readonly grants: readonly Grant[];
}

export function encodeLongTicket(ticket: LongTicketInit): Secret {
  const bytes = encode({
    mesh: ticket.mesh,
    name: ticket.name,
    addrs: ticket.addresses.slice(0, 6),
    invite: { seed: ticket.seed, grants: ticket.grants.map(splitGrant) },
  });
  return new Secret(`starling1${base32.encode(deflateRawSync(bytes, { level: 9 })).slice(1)}`);
}

function splitGrant(grant: Grant): readonly [payload: Uint8Array, signature: Uint8Array] {
  const [, payload = '', signature = ''] = grant.jws.split('.');
  return [Buffer.from(payload, 'base64url'), Buffer.from(signature, 'base64url')];
}
