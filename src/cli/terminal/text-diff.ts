/** What an edit of a text file changes, as lines to look at before one agrees. */
import type { JsoncNode } from '../client-files/jsonc.ts';

/** A line that goes (`-`), comes (`+`), or stays (` `). */
export interface DiffLine {
  readonly sign: '-' | '+' | ' ';
  readonly text: string;
}

const CONTEXT_LINES = 2;

/**
 * The one place where `before` and `after` differ, with two lines around it. (An edit of one property
 * changes one place; lines between two changes are shown as going and coming.)
 */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  if (before === after) return [];
  const old = before === '' ? [] : before.split(/\r?\n/);
  const now = after.split(/\r?\n/);
  let head = 0;
  while (head < Math.min(old.length, now.length) && old[head] === now[head]) head += 1;
  let tail = 0;
  const most = Math.min(old.length, now.length) - head;
  while (tail < most && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const lines = (sign: DiffLine['sign'], texts: readonly string[]): readonly DiffLine[] =>
    texts.map((text) => ({ sign, text }));
  const end = old.length - tail;
  return [
    ...lines(' ', old.slice(Math.max(0, head - CONTEXT_LINES), head)),
    ...lines('-', old.slice(head, end)),
    ...lines('+', now.slice(head, now.length - tail)),
    ...lines(' ', old.slice(end, end + CONTEXT_LINES)),
  ];
}

/** `text` with `…` for every text value outside of `kept`: those may be other servers' secrets. */
export function maskOthers(text: string, root: JsoncNode, kept: JsoncNode | undefined): string {
  const spans: JsoncNode[] = [];
  const visit = (node: JsoncNode): void => {
    if (node === kept) return;
    if (node.kind === 'object') for (const { value } of node.properties) visit(value);
    else if (node.kind === 'array') for (const item of node.items) visit(item);
    else if (typeof node.value === 'string') spans.push(node);
  };
  visit(root);
  const parts: string[] = [];
  let at = 0;
  for (const { start, end } of spans) {
    parts.push(text.slice(at, start), '"…"');
    at = end;
  }
  return parts.join('') + text.slice(at);
}
