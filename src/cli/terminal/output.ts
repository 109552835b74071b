/** What commands print: tables, durations, errors. Data goes to standard output, talk to standard error. */
import { durationText } from '../../core/duration.ts';
import pc from 'picocolors';
import stringWidth from 'string-width';
import { systemClock } from '../../core/clock.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { withShortIds } from '../../identity/short-id.ts';
import { settledWithin } from '../../core/wait.ts';

/** Control, escape, direction and invisible characters, without line feed and tab. */
const UNSAFE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** A column that gives way when a table is too wide never gets narrower than this. */
const COLUMN_MIN = 12;
const FLUSH_TIMEOUT_MS = 1000;
/** Splits a text where a reader sees a new character. */
const CHARACTERS = new Intl.Segmenter();

/** Whether to use colours on `stream`: on a terminal only, and never against NO_COLOR (no-color.org). */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  env: NodeJS.ProcessEnv = process.env,
): boolean {
  // Always a boolean: without one picocolors guesses, and `CI=1` misleads the guess.
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}

/** Colours of standard output. */
export const paint = pc.createColors(wantsColour(process.stdout));
/** Colours of standard error. */
export const paintTalk = pc.createColors(wantsColour(process.stderr));

/** Text from elsewhere, made safe for a terminal: no control, escape or direction characters. */
export function safe(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(UNSAFE, '\ufffd');
}

/** As {@link safe}, and on one line, so that no text can look like a line of ours. */
export function safeLine(text: string): string {
  return safe(text).replaceAll('\n', '⏎').replaceAll('\t', ' ');
}

/** `text` cut to at most `columns` columns, with `…` where something was left off. */
export function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = '';
  let width = 1;
  for (const { segment } of CHARACTERS.segment(text)) {
    width += stringWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Prints to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints to standard error. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Prints data: as one JSON value with `json`, else as `text` gives it. */
export function printData(data: unknown, json: boolean, text: () => string): void {
  print(json ? JSON.stringify(data, null, process.stdout.isTTY ? 2 : 0) : text());
}

/** Waits until the streams have handed on what was printed, at the latest until a second is over. */
export async function flush(): Promise<void> {
  const written = [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => void stream.write('', () => resolve())),
  );
  await settledWithin(FLUSH_TIMEOUT_MS, Promise.all(written), systemClock);
}

/** How a table is laid out. */
export interface TableInit {
  /** Columns to fit into; default the terminal's, and no bound where there is none. */
  readonly columns?: number;
  /** Index of the column that is cut when the table does not fit; default none. */
  readonly flexible?: number;
}

/** A table with a head; cells are made safe and columns padded. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  init: TableInit = {},
): string {
  const clean = rows.map((row) => row.map(safeLine));
  const widths = head.map((title, column) =>
    Math.max(stringWidth(title), ...clean.map((row) => stringWidth(row[column] ?? ''))),
  );
  const room = init.columns ?? (process.stdout.isTTY ? process.stdout.columns : Infinity);
  const surplus = widths.reduce((sum, width) => sum + width + 2, -2) - room;
  const wide = widths[init.flexible ?? -1];
  if (init.flexible !== undefined && wide !== undefined && surplus > 0) {
    widths[init.flexible] = Math.min(wide, Math.max(COLUMN_MIN, wide - surplus));
  }
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => pad(cut(cell, widths[column] ?? 0), widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [paint.bold(line(head)), ...clean.map(line)].join('\n');
}

/** Lines of `label  value`. */
export function facts(rows: readonly (readonly [label: string, value: string])[]): string {
  const width = Math.max(...rows.map(([label]) => stringWidth(label)));
  return rows
    .map(([label, value]) => `${paint.dim(pad(label, width))}  ${safeLine(value)}`)
    .join('\n');
}

function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - stringWidth(text)));
}

export { durationText as duration } from '../../core/duration.ts';

/** `3s ago`, or `never` for 0. */
export function ago(at: number, nowMs = Date.now()): string {
  return at === 0 ? 'never' : `${durationText(nowMs - at)} ago`;
}

/** `512 B`, `1.5 KiB`, `3.0 MiB`. */
export function size(sizeBytes: number): string {
  if (sizeBytes < 1024) return `${sizeBytes} B`;
  const kib = sizeBytes / 1024;
  return kib < 1024 ? `${kib.toFixed(1)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

/** Prints an error as a person reads it, or with `json` as an object; returns the exit code. */
export function printError(error: unknown, json: boolean): number {
  const known = error instanceof StarlingError ? error : undefined;
  const code = known?.code ?? 'INTERNAL';
  if (json) {
    print(JSON.stringify({ error: { code, message: messageOf(error), hint: known?.hint } }));
  } else {
    const text = error instanceof Error && error.message !== '' ? error.message : messageOf(error);
    tell(`${paintTalk.red('error:')} ${safe(withShortIds(text))} ${paintTalk.dim(`[${code}]`)}`);
    if (known?.hint !== undefined) tell(`  → ${safe(known.hint)}`);
  }
  return known?.row.exit ?? 1;
}
