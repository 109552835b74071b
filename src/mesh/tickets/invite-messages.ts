/** What members say to each other of a ticket that was shown, on `/starling/invite/1`: CBOR, bounded. */
import { encode } from 'cborg';
import { isText } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { parseDid } from '../../identity/index.ts';
import { messageFields } from '../../network/index.ts';

const CODE_MAX = 64;
const REASON_MAX = 1024;
const JWS_MAX = 16_384;

/** A newcomer has proven the key of a ticket of yours: may it come in? */
export interface InviteQuestion {
  /** The one-time key of the invite. */
  readonly key: Did;
  readonly newcomer: Did;
}

/** The answer of who made the ticket. */
export type InviteAnswer =
  | {
      readonly ok: true;
      /** The invite, as a record. */
      readonly invite: string;
      /** The record of its use by the newcomer. */
      readonly spent: string;
    }
  | { readonly ok: false; readonly code: string; readonly reason: string };

/** From who was shown a ticket to the member that made it. */
export function encodeInviteQuestion({ key, newcomer }: InviteQuestion): Uint8Array {
  return encode({ key, newcomer });
}

/** Decodes a question; undefined when it is none. Never throws. */
export function decodeInviteQuestion(bytes: Uint8Array): InviteQuestion | undefined {
  const { key, newcomer } = messageFields(bytes);
  try {
    return { key: parseDid(String(key)), newcomer: parseDid(String(newcomer)) };
  } catch {
    // Anything may come from a peer.
    return undefined;
  }
}

/** A reason is cut to a sentence's length. */
export function encodeInviteAnswer(answer: InviteAnswer): Uint8Array {
  if (answer.ok) return encode({ ok: true, spent: answer.spent, invite: answer.invite });
  const { code, reason } = answer;
  return encode({ ok: false, code, reason: reason.slice(0, REASON_MAX) });
}

/** Decodes an answer; undefined when it is none. Never throws. */
export function decodeInviteAnswer(bytes: Uint8Array): InviteAnswer | undefined {
  const { ok, invite, spent, code, reason } = messageFields(bytes);
  if (ok === true && isText(invite, JWS_MAX) && isText(spent, JWS_MAX)) {
    return { ok, invite, spent };
  }
  if (ok === false && isText(code, CODE_MAX) && isText(reason, REASON_MAX)) {
    return { ok, code, reason };
  }
  return undefined;
}
