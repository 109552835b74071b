/** What a node that wants to join and a member say to each other on `/starling/knock/1`: CBOR, bounded. */
import { encode } from 'cborg';
import { isCount, isText, printable } from '../../core/index.ts';
import type { MeshId } from '../../core/index.ts';
import { parseDid } from '../../identity/index.ts';
import { messageFields } from '../../network/index.ts';

/** Spoken by a node that does not belong to the mesh of the one that answers. */
export const KNOCK_PROTOCOL = '/starling/knock/1';
/** Longest message: a ticket is below 250 characters, a reason one sentence. */
export const KNOCK_BYTES_MAX = 4096;

const NAME_MAX = 64;
const REASON_MAX = 500;
const TICKET_MAX = 1024;
/** Longest pause that a member may ask for, ms. */
const EVERY_MAX_MS = 300_000;

/** `who`: which mesh is this? `knock`: may the node that is called `name` join? */
export type KnockQuestion = { readonly t: 'who' } | { readonly t: 'knock'; readonly name: string };

/** Which mesh a node is of. */
export interface MeshHere {
  /** What the node is called. */
  readonly name: string;
  readonly mesh: MeshId;
  readonly meshName: string;
  readonly open: boolean;
}

/** What a member answers. `everyMs` is when to ask again. */
export type KnockAnswer =
  | ({ readonly t: 'here' } & MeshHere)
  /** The operator has been told, and has not answered yet. */
  | { readonly t: 'wait'; readonly everyMs: number }
  /** Too many knock; the operator was not told. */
  | { readonly t: 'busy'; readonly everyMs: number }
  /** The operator has let the node in: the ticket is for it alone. */
  | { readonly t: 'admitted'; readonly ticket: string }
  | { readonly t: 'refused'; readonly reason: string };

/** Encodes a question. */
export function encodeKnock(question: KnockQuestion): Uint8Array {
  return encode(question.t === 'who' ? { t: 'who' } : { t: 'knock', name: question.name });
}

/** Decodes a question; undefined when it is none. Never throws. */
export function decodeKnock(bytes: Uint8Array): KnockQuestion | undefined {
  const { t, name } = messageFields(bytes);
  if (t === 'who') return { t };
  return t === 'knock' && isText(name, NAME_MAX) ? { t, name: printable(name) } : undefined;
}

/** Names and reasons are cut to their bounds. */
export function encodeKnockAnswer(answer: KnockAnswer): Uint8Array {
  switch (answer.t) {
    case 'here': {
      const { t, name, mesh, meshName, open } = answer;
      return encode({ t, name: name.slice(0, NAME_MAX), mesh, meshName, open });
    }
    case 'wait':
    case 'busy':
      return encode({ t: answer.t, every: answer.everyMs });
    case 'admitted':
      return encode({ t: answer.t, ticket: answer.ticket });
    case 'refused':
      return encode({ t: answer.t, reason: answer.reason.slice(0, REASON_MAX) });
  }
}

/** Decodes an answer; undefined when it is none. Never throws. */
export function decodeKnockAnswer(bytes: Uint8Array): KnockAnswer | undefined {
  const { t, name, mesh, meshName, open, every, ticket, reason } = messageFields(bytes);
  if (t === 'wait' || t === 'busy') {
    return isCount(every) ? { t, everyMs: Math.min(every, EVERY_MAX_MS) } : undefined;
  }
  if (t === 'admitted') return isText(ticket, TICKET_MAX) ? { t, ticket } : undefined;
  if (t === 'refused') {
    return isText(reason, REASON_MAX) ? { t, reason: printable(reason, REASON_MAX) } : undefined;
  }
  if (t !== 'here' || !isText(name, NAME_MAX) || !isText(meshName, NAME_MAX)) return undefined;
  const id = meshOf(mesh);
  if (id === undefined || typeof open !== 'boolean') return undefined;
  return { t, name: printable(name), mesh: id, meshName: printable(meshName), open };
}

function meshOf(value: unknown): MeshId | undefined {
  try {
    return parseDid(String(value));
  } catch {
    // Anything may come from a stranger.
    return undefined;
  }
}
