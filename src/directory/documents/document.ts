/**
 * The catalog document: what a node lists to all members, signed by that node, so that anybody can pass it on. Which
 * document counts is said by its owner's own heartbeats, by version and hash: another one is never shown. What is only
 * for who holds a grant is in no document.
 *
 * ```
 * document := cbor { v: 1, owner: PeerId, version, body: bytes, sig }     1 MiB at the most
 * body     := JSON { servers: [ServerCatalog] }
 * sig      := by the owner's key over "starling-catalog-v1" LF cbor of the other four
 * hash     := the first 32 hexadecimal digits of SHA-256 over the document
 * ```
 */
import { createHash } from 'node:crypto';
import { encode } from 'cborg';
import type { Json, PeerId } from '../../core/index.ts';
import { didFromPeerId, verifySignature } from '../../identity/index.ts';
import type { Signer } from '../../identity/index.ts';
import { messageFields } from '../../network/index.ts';
import { readCatalogs } from '../read-catalogs.ts';
import type { ServerCatalog } from '../types.ts';

const VERSION = 1;
/** So that no signature of something else is one of a document. */
const DOMAIN = 'starling-catalog-v1';
const HASH_LENGTH = 32;
/**
 * Longest document. More = longer lists; less = a hostile member has every other one fetch and keep less: all members
 * do so once for each version.
 */
export const DOCUMENT_BYTES_MAX = 1024 * 1024;
/** What a document has besides its body, at the most. */
const ENVELOPE_BYTES = 256;
/** JSON in a body that is nested deeper than this is nobody's honest list: items may have 64 levels. */
const DEPTH_MAX = 80;

/** Which document of a node counts, as that node's heartbeats say. */
export interface DocumentName {
  /** Goes up with each change; of a node whose folder was restored it may go back. */
  readonly version: number;
  /** See {@link hashOf}. */
  readonly hash: string;
}

/** A document that is whole, and signed by its owner. */
export interface CatalogDocument extends DocumentName {
  readonly owner: PeerId;
  /** As they travel. */
  readonly bytes: Uint8Array;
}

/** A body, and how many items were left out so that the body fits. */
export interface Body {
  readonly bytes: Uint8Array;
  readonly cut: number;
}

/** The body that lists `servers`: as many items as fit, those of earlier servers first. */
export function bodyOf(servers: readonly ServerCatalog[]): Body {
  const roomBytes = DOCUMENT_BYTES_MAX - ENVELOPE_BYTES;
  const whole = Buffer.from(JSON.stringify({ servers }), 'utf8');
  if (whole.length <= roomBytes) return { bytes: whole, cut: 0 };
  const { fitting, cut } = fittingItems(servers, roomBytes - Buffer.byteLength('{"servers":[]}'));
  return { bytes: Buffer.from(JSON.stringify({ servers: fitting }), 'utf8'), cut };
}

/** Signs a body as the document of `owner` with this version. */
export function sealDocument(
  signer: Pick<Signer, 'sign'>,
  {
    owner,
    version,
    body,
  }: { readonly owner: PeerId; readonly version: number; readonly body: Uint8Array },
): CatalogDocument {
  const fields = { v: VERSION, owner, version, body };
  const bytes = encode({ ...fields, sig: signer.sign(signedPart(fields)) });
  return { owner, version, hash: hashOf(bytes), bytes };
}

/** The document in `bytes`; undefined unless it is one of `owner` with this very name. Never throws. */
export function openDocument(
  bytes: Uint8Array,
  { owner, version, hash }: DocumentName & { readonly owner: PeerId },
): { readonly document: CatalogDocument; readonly servers: readonly ServerCatalog[] } | undefined {
  if (bytes.length > DOCUMENT_BYTES_MAX || hashOf(bytes) !== hash) return undefined;
  const { v, owner: signedOwner, version: signedVersion, body, sig } = messageFields(bytes);
  if (v !== VERSION || signedOwner !== owner || signedVersion !== version) return undefined;
  if (!(body instanceof Uint8Array) || !(sig instanceof Uint8Array)) return undefined;
  const part = signedPart({ v, owner, version, body });
  if (!verifySignature(didFromPeerId(owner), part, sig)) return undefined;
  const servers = serversIn(body);
  return servers === undefined ? undefined : { document: { owner, version, hash, bytes }, servers };
}

/** By which heartbeats name a document: half of a SHA-256, which nobody but the owner could find a second text for. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, HASH_LENGTH);
}

function signedPart(fields: object): Uint8Array {
  return Buffer.concat([Buffer.from(`${DOMAIN}\n`, 'latin1'), encode(fields)]);
}

function serversIn(body: Uint8Array): readonly ServerCatalog[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !isShallow(value, DEPTH_MAX)) return undefined;
  return readCatalogs((value as Readonly<Record<string, Json>>)['servers']);
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  return Object.values(value).every((inner) => isShallow(inner, depth - 1));
}

const KINDS = ['tools', 'prompts', 'resources', 'templates'] as const;

function fittingItems(
  servers: readonly ServerCatalog[],
  roomBytes: number,
): { readonly fitting: readonly ServerCatalog[]; readonly cut: number } {
  let leftBytes = roomBytes;
  let cut = 0;
  const fits = (value: object): boolean => {
    const sizeBytes = Buffer.byteLength(JSON.stringify(value)) + 1;
    if (sizeBytes > leftBytes) return false;
    leftBytes -= sizeBytes;
    return true;
  };
  const fitting: ServerCatalog[] = [];
  for (const server of servers) {
    const bare = { ...server, tools: [], prompts: [], resources: [], templates: [] };
    const isIn = fits(bare);
    const items = KINDS.map((kind): [string, unknown] => {
      const kept = isIn ? (server[kind] as readonly object[]).filter(fits) : [];
      cut += server[kind].length - kept.length;
      return [kind, kept];
    });
    if (isIn) fitting.push({ ...bare, ...(Object.fromEntries(items) as Partial<ServerCatalog>) });
  }
  return { fitting, cut };
}
