/**
 * The proof that agents of one name on several nodes are one agent that is spread over these nodes: the node that has
 * spread it signs its name, its kind and the nodes. Whoever is not among them is no part of it, whatever it says.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { decodeJws, encodeJws } from '../../identity/index.ts';
import type { Signer } from '../../identity/index.ts';
import { SPREAD_NODES_MAX } from '../limits.ts';
import { isAgentName } from '../names.ts';

/** What the node that has spread an agent signs. */
export interface SpreadClaims {
  /** That node. */
  readonly iss: Did;
  /** Random, and another one each time an agent is spread. */
  readonly spread: string;
  readonly agent: string;
  readonly kind: string;
  /** The nodes that may have a part, and look after the others. */
  readonly on: readonly Did[];
  /** {@link digestOf} what the parts are to be. */
  readonly terms: string;
}

const TYP = 'starling-spread+jwt';
const WHAT = 'the proof of a spread agent';
/** Proofs that were read and are kept: the same one comes with every list of a peer. */
const KEPT_MAX = 256;
const did = z.custom<Did>(
  (value) => typeof value === 'string' && /^did:key:z\w{20,128}$/.test(value),
);
const CLAIMS = z.strictObject({
  iss: did,
  spread: z.string().regex(/^[\w-]{22}$/),
  agent: z.string().refine(isAgentName),
  kind: z.string().refine(isAgentName),
  on: z.array(did).min(1).max(SPREAD_NODES_MAX),
  terms: z.string().regex(/^[\w-]{43}$/),
});

/** The digest of a text: SHA-256 as base64url. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** Signs `claims` as `signer`. @throws STARLING_GRANT_MALFORMED when they are too long */
export function signSpread(signer: Signer, claims: Omit<SpreadClaims, 'iss'>): string {
  return encodeJws(signer, TYP, { iss: signer.did, ...claims }, WHAT);
}

/** Reads proofs; keeps what the last ones said. */
export interface SpreadProofs {
  /** What a proof says, whose signature holds; undefined for any other text. */
  read(proof: string): SpreadClaims | undefined;
}

/** Makes what reads proofs. */
export function createSpreadProofs(): SpreadProofs {
  const known = new Map<string, SpreadClaims | undefined>();
  return {
    read(proof) {
      if (known.has(proof)) return known.get(proof);
      const claims = readProof(proof);
      const [oldest] = known.size < KEPT_MAX ? [] : known.keys();
      if (oldest !== undefined) known.delete(oldest);
      known.set(proof, claims);
      return claims;
    },
  };
}

function readProof(proof: string): SpreadClaims | undefined {
  try {
    const decoded = decodeJws(proof, TYP, WHAT);
    const read = CLAIMS.safeParse(decoded.payload);
    if (!read.success) return undefined;
    decoded.verify(read.data.iss);
    return read.data;
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}
