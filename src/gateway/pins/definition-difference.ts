/**
 * The difference of two definitions as lines that a person can read: JSON laid out, long texts broken
 * at their line ends and sentences, invisible characters written out, everything bounded.
 */
import { diffArrays } from 'diff';
import type { Json } from '../../core/index.ts';
import { revealInvisible } from './invisible-characters.ts';

/** Lines of one difference; what is left off is said. */
const LINES_MAX = 200;
/** Unchanged lines around a change. */
const CONTEXT_LINES = 2;
/** A longer line is broken. */
const TOO_LONG = /[^]{1,160}/gu;
/** Lines that may go and come (more are not shown anyway): the time grows with the square of them. */
const EDITS_MAX = 300;
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

/** The lines of both texts in order; two texts that differ too much are shown one after the other. */
function compare(was: readonly string[], is: readonly string[]): readonly Line[] {
  const parts = diffArrays([...was], [...is], { maxEditLength: EDITS_MAX }) ?? [
    { removed: true, added: false, value: was },
    { removed: false, added: true, value: is },
  ];
  return parts.flatMap(({ removed, added, value }) => {
    const mark: Mark = removed ? '-' : added ? '+' : ' ';
    return value.map((text): Line => [mark, text]);
  });
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
