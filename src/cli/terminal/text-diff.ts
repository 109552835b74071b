/** What an edit of a text file changes, as lines to look at before one agrees. */
import { structuredPatch } from 'diff';

/** A line that goes (`-`), comes (`+`), or stays (` `). */
export interface DiffLine {
  readonly sign: '-' | '+' | ' ';
  readonly text: string;
}

const CONTEXT_LINES = 2;
/** More edits than this are shown as one text that goes and one that comes. */
const EDITS_MAX = 2000;

/** The lines that differ between `before` and `after`, each change with two lines around it. */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const [old, now] = [before, after].map((text) => text.replaceAll('\r\n', '\n')) as [
    string,
    string,
  ];
  const patch = structuredPatch('', '', old, now, '', '', {
    context: CONTEXT_LINES,
    maxEditLength: EDITS_MAX,
  });
  if (patch === undefined) return [...signed('-', old), ...signed('+', now)];
  return patch.hunks.flatMap(({ lines }) =>
    // `\ No newline at end of file` is about the format of patches.
    lines
      .filter((line) => !line.startsWith('\\'))
      .map((line) => ({ sign: line.charAt(0) as DiffLine['sign'], text: line.slice(1) })),
  );
}

function signed(sign: DiffLine['sign'], text: string): readonly DiffLine[] {
  return text.split('\n').map((line) => ({ sign, text: line }));
}
