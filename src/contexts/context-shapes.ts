/** How conversations are called, begun and told of. Pure. */
import { createHash } from 'node:crypto';
import { newKey } from './context-rows.ts';
import type { ContextRow } from './context-rows.ts';
import { LINE_BYTES_MAX } from './limits.ts';
import type { ContextContent, ContextInfo, ContextLine, ContextOf, Exchange } from './types.ts';

/** The same for the same conversation; says nothing of whose it is to who does not know that. */
export function idOf({ agent, from, owner, sender, session }: ContextOf): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([agent, owner, from, sender, session]))
    .digest('hex');
  return `ctx_${hash.slice(0, 16)}`;
}

/** The row of a conversation that begins. */
export function newRow(id: string, of: ContextOf, now: number): ContextRow {
  const { agent, from, owner, sender, session } = of;
  const whose = { agent, owner, from, sender, session };
  const fresh = { first: 1, next: 1, shares: [] };
  return { id, ...whose, key: newKey(), createdAt: now, usedAt: now, ...fresh };
}

/** A conversation without its lines. */
export function glanceAt({ said, ...info }: ContextContent): ContextInfo {
  return { ...info, lines: said.length };
}

/** What is told of a conversation of this node. */
export function infoOf(row: ContextRow): ContextInfo {
  const { key: _, owner: _owner, sender: _sender, first, next, shares, ...info } = row;
  return {
    ...info,
    lines: next - first,
    shares: shares.map(({ to, view }) => ({ to, view })),
  };
}

/** The lines of a question and its answer. */
export function linesOf(n: number, said: Exchange, at: number): readonly ContextLine[] {
  const { answer, message, question, zone } = said;
  const common = { at, zone, message };
  return [
    { n, role: 'user', text: cut(question), ...common },
    { n: n + 1, role: 'assistant', text: cut(answer), ...common },
  ];
}

/** No half of a character is left at the end. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= LINE_BYTES_MAX) return text;
  return bytes
    .subarray(0, LINE_BYTES_MAX)
    .toString()
    .replace(/\ufffd+$/, '');
}

/** The newest of them that `maxBytes` hold. */
export function newest(lines: readonly ContextLine[], maxBytes: number): readonly ContextLine[] {
  let bytes = 0;
  const from = lines.findLastIndex((line) => (bytes += Buffer.byteLength(line.text)) > maxBytes);
  return lines.slice(from + 1);
}
