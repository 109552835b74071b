/** The id of a message of which only the ends are known, because it is too long or no JSON as a whole. */
import { numberId, ownIdOf } from './frame-id.ts';
import type { FrameId } from '../frame-types.ts';

const NOTHING = Buffer.alloc(0);
/** A text without escapes, or a number (RFC 8259 §6 and §7). */
const ID = String.raw`("[^"\\\u0000-\u001f]{0,200}"|-?\d{1,200}(?:\.\d{1,200})?(?:[eE][+-]?\d{1,10})?)`;
const AT_HEAD = new RegExp(
  String.raw`^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*${ID}\s*[,}]`,
);
const AT_TAIL = new RegExp(String.raw`[,{]\s*"id"\s*:\s*${ID}\s*\}\s*$`);

/**
 * The id: the first or second key of the message, or the last one, as serialisers write it. Undefined when neither end
 * shows it beyond doubt.
 */
export function idAtEdge(head: Buffer, tail: Buffer = NOTHING): FrameId | undefined {
  const text =
    AT_HEAD.exec(head.toString('utf8', 0, 1024))?.[1] ??
    AT_TAIL.exec(tail.toString('utf8', Math.max(0, tail.length - 1024)))?.[1];
  if (text === undefined) return undefined;
  if (text.startsWith('"')) return text.slice(1, -1);
  const bytes = Buffer.from(text);
  return numberId(Number(text), bytes, { start: 0, end: bytes.length });
}

/** {@link idAtEdge} where it is a whole number, as our own ids are. */
export function ownIdAtEdge(head: Buffer, tail?: Buffer): number | undefined {
  return ownIdOf(idAtEdge(head, tail) ?? null);
}
