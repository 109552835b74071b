/**
 * The catalog document: what a node lists to all members, signed by that node, so that anybody can pass it on. Which
 * document counts is said by its owner's own heartbeats, by version and hash: another one is never shown. What is only
 * for who holds a grant is in no document.
 *
 * ```
 * document := cbor { v: 1, owner: PeerId, version, body: bytes, sig }     1 MiB at the most
 * body     := JSON { servers: [ServerCatalog], agents?: [ListedAgent] }
 * sig      := by the owner's key over "starling-catalog-v1" LF cbor of the other four
 * hash     := the first 32 hexadecimal digits of SHA-256 over the document
 * ```
 */
import { createHash } from 'node:crypto';
import { encode } from 'cborg';
import { isCount } from '../../core/index.ts';
import type { Json, PeerId } from '../../core/index.ts';
import { didFromPeerId, verifySignature } from '../../identity/index.ts';
import type { Signer } from '../../identity/index.ts';
import { messageFields } from '../../network/index.ts';
import { readAgents } from '../read-agents.ts';
import { readCatalogs } from '../read-catalogs.ts';
import type { ListedAgent, Listing, ServerCatalog } from '../types.ts';

const VERSION = 1;
/** So that no signature of something else is one of a document. */
const DOMAIN = 'starling-catalog-v1';
const HASH_LENGTH = 32;
/**
 * Longest document. More = longer lists; less = a hostile member has every other one fetch and keep less: all members
 * do so once for each version.
 */
export const DOCUMENT_BYTES_MAX = 1024 * 1024;
/** Of that, for agents. */
const AGENTS_BYTES_MAX = 128 * 1024;
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

/** A body, and how many agents and items were left out so that the body fits. */
export interface Body {
  readonly bytes: Uint8Array;
  readonly cut: number;
}

/** The body that lists this: as much as fits, agents first, then items, those of earlier servers first. */
export function bodyOf({ agents, servers }: Listing): Body {
  const fitting = fittingAgents(agents);
  const listed = fitting.length === 0 ? {} : { agents: fitting };
  const roomBytes = DOCUMENT_BYTES_MAX - ENVELOPE_BYTES;
  const bytesOf = (shown: readonly ServerCatalog[]): Uint8Array =>
    Buffer.from(JSON.stringify({ servers: shown, ...listed }), 'utf8');
  const whole = bytesOf(servers);
  const cutAgents = agents.length - fitting.length;
  if (whole.length <= roomBytes) return { bytes: whole, cut: cutAgents };
  const items = fittingItems(servers, roomBytes - bytesOf([]).length);
  return { bytes: bytesOf(items.fitting), cut: cutAgents + items.cut };
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

/** What a document says that it is, which proves nothing. */
export function labelOf(
  bytes: Uint8Array,
): { readonly owner: string; readonly version: number } | undefined {
  if (bytes.length > DOCUMENT_BYTES_MAX) return undefined;
  const { v, owner, version } = messageFields(bytes);
  if (v !== VERSION || typeof owner !== 'string' || !isCount(version)) return undefined;
  return { owner, version };
}

/** The document in `bytes`; undefined unless it is one of `owner` with this very name. Never throws. */
export function openDocument(
  bytes: Uint8Array,
  { owner, version, hash }: DocumentName & { readonly owner: PeerId },
): ({ readonly document: CatalogDocument } & Listing) | undefined {
  if (bytes.length > DOCUMENT_BYTES_MAX || hashOf(bytes) !== hash) return undefined;
  const { v, owner: signedOwner, version: signedVersion, body, sig } = messageFields(bytes);
  if (v !== VERSION || signedOwner !== owner || signedVersion !== version) return undefined;
  if (!(body instanceof Uint8Array) || !(sig instanceof Uint8Array)) return undefined;
  const part = signedPart({ v, owner, version, body });
  if (!verifySignature(didFromPeerId(owner), part, sig)) return undefined;
  const listing = listingIn(body);
  return listing === undefined
    ? undefined
    : { document: { owner, version, hash, bytes }, ...listing };
}

/** By which heartbeats name a document: half of a SHA-256, which nobody but the owner could find a second text for. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, HASH_LENGTH);
}

function signedPart(fields: object): Uint8Array {
  return Buffer.concat([Buffer.from(`${DOMAIN}\n`, 'latin1'), encode(fields)]);
}

function listingIn(body: Uint8Array): Listing | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !isShallow(value, DEPTH_MAX)) return undefined;
  const { agents, servers } = value as Readonly<Record<string, Json>>;
  return { servers: readCatalogs(servers), agents: readAgents(agents) };
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  return Object.values(value).every((inner) => isShallow(inner, depth - 1));
}

const KINDS = ['tools', 'prompts', 'resources', 'templates'] as const;

function fittingAgents(agents: readonly ListedAgent[]): readonly ListedAgent[] {
  let leftBytes = AGENTS_BYTES_MAX;
  return agents.filter((agent) => {
    leftBytes -= Buffer.byteLength(JSON.stringify(agent)) + 1;
    return leftBytes >= 0;
  });
}

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
