/**
 * The difference of two definitions as lines that a person can read: JSON laid out, long texts broken
 * at their line ends and sentences, invisible characters written out, everything bounded.
 */
import type { Json } from '../../core/index.ts';
import { revealInvisible } from './invisible-characters.ts';

/** Lines of one difference; what is left off is said. */
const LINES_MAX = 200;
/** Unchanged lines around a change. */
const CONTEXT_LINES = 2;
/** A longer line is broken. */
const TOO_LONG = /[^]{1,160}/gu;
/** Pairs of lines compared; two texts that need more are shown one after the other. */
const PAIRS_MAX = 1_000_000;
/** Lines of a definition that are looked at. */
const INPUT_LINES_MAX = 20_000;

type Mark = ' ' | '-' | '+';
type Line = readonly [mark: Mark, text: string];

/**
 * Lines marked `-` (was), `+` (is) or two spaces (both), with `@@` where unchanged ones are left off.
 * Both texts are canonical JSON; without `was` all of `is` is new.
 */
export function differenceOf(was: string | undefined, is: string): readonly string[] {
  const lines = compare(was === undefined ? [] : layout(was), layout(is));
  const shown = withContext(lines);
  if (shown.length <= LINES_MAX) return shown;
  return [
    ...shown.slice(0, LINES_MAX),
    `@@ ${shown.length - LINES_MAX} more lines are left off @@`,
  ];
}

/** Canonical JSON as lines; a text that was cut and so is no JSON any more is laid out as it is. */
function layout(canonical: string): readonly string[] {
  return laidOut(canonical).split('\n').flatMap(breakText).slice(0, INPUT_LINES_MAX);
}

function laidOut(canonical: string): string {
  try {
    return JSON.stringify(JSON.parse(canonical) as Json, null, 2);
  } catch (error) {
    if (error instanceof SyntaxError) return canonical;
    throw error;
  }
}

/** Breaks a line of JSON after written line ends, after sentences, and where it is too long. */
function breakText(line: string): readonly string[] {
  const indent = /^ */.exec(line)?.[0] ?? '';
  const parts = line.replaceAll(/\\\\|\\n|[.!?;] (?=\S)/g, (found) =>
    found === '\\\\' ? found : `${found}\n`,
  );
  return parts
    .split('\n')
    .flatMap((part) => part.match(TOO_LONG) ?? [''])
    .map((part, index) => revealInvisible(index === 0 ? part : `${indent}  ${part}`));
}

/** Longest common subsequence, after what both begin and end with. */
function compare(was: readonly string[], is: readonly string[]): readonly Line[] {
  let head = 0;
  while (head < was.length && head < is.length && was[head] === is[head]) head += 1;
  let tail = 0;
  const most = Math.min(was.length, is.length) - head;
  while (tail < most && was[was.length - 1 - tail] === is[is.length - 1 - tail]) tail += 1;
  const same = (text: string): Line => [' ', text];
  return [
    ...was.slice(0, head).map(same),
    ...compareMiddle(was.slice(head, was.length - tail), is.slice(head, is.length - tail)),
    ...was.slice(was.length - tail).map(same),
  ];
}

function compareMiddle(was: readonly string[], is: readonly string[]): readonly Line[] {
  if (was.length * is.length > PAIRS_MAX || was.length === 0 || is.length === 0) {
    return [...was.map((text): Line => ['-', text]), ...is.map((text): Line => ['+', text])];
  }
  const width = is.length + 1;
  const common = new Uint32Array((was.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = was.length - 1; i >= 0; i -= 1) {
    for (let j = is.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        was[i] === is[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < was.length || j < is.length) {
    const left = was[i];
    const right = is[j];
    if (left !== undefined && left === right) {
      lines.push([' ', left]);
      i += 1;
      j += 1;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push(['-', left]);
      i += 1;
    } else if (right !== undefined) {
      lines.push(['+', right]);
      j += 1;
    }
  }
  return lines;
}

function withContext(lines: readonly Line[]): readonly string[] {
  const keep = new Set<number>();
  for (const [index, [mark]] of lines.entries()) {
    if (mark === ' ') continue;
    for (let at = index - CONTEXT_LINES; at <= index + CONTEXT_LINES; at += 1) keep.add(at);
  }
  const shown: string[] = [];
  let skipped = 0;
  for (const [index, [mark, text]] of lines.entries()) {
    if (!keep.has(index)) {
      skipped += 1;
      continue;
    }
    if (skipped > 0) shown.push(`@@ ${skipped} unchanged @@`);
    skipped = 0;
    shown.push(`${mark} ${text}`);
  }
  if (skipped > 0 && shown.length > 0) shown.push(`@@ ${skipped} unchanged @@`);
  return shown;
}
