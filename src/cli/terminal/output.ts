/** What commands print: tables, durations, errors. Data goes to standard output, talk to standard error. */
import { durationText } from '../../core/time/duration.ts';
import pc from 'picocolors';
import stringWidth from 'string-width';
import { systemClock } from '../../core/time/clock.ts';
import { localTime } from '../../core/time/local-time.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { EXIT } from '../../core/exit-codes.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import { withShortIds } from '../../identity/short-id.ts';
import { settledWithin } from '../../core/wait.ts';

/** Control, escape, direction and invisible characters, without line feed and tab. */
const UNSAFE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** A column that gives way when a table is too wide never gets narrower than this. */
const COLUMN_MIN = 12;
/** The same where nothing is cut: what does not fit stands below. */
const WRAPPED_MIN = 8;
/** Marks behind which a long word is broken rather than elsewhere. */
const DIVIDING = ['-', '/', ':', ',', '.'];
/** Marks that stand behind a word, and begin no line. */
const CLOSING = [',', ';', '.', ')'];
const FLUSH_TIMEOUT_MS = 1000;
/** Splits texts where a reader sees a new character; made when it is first needed, because that takes 10 ms. */
let segmenter: Intl.Segmenter | undefined;

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
  for (const { segment } of charactersOf(text)) {
    width += stringWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return `${kept}…`;
}

function charactersOf(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter();
  return segmenter.segment(text);
}

/** A time as JSON and messages have it (ISO 8601, in UTC). */
const ISO_TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z/g;

/** The same text with its times by the zone of this machine, where a person reads at a terminal; pipes keep UTC. */
export function withLocalTimes(text: string, stream: { readonly isTTY?: boolean }): string {
  if (stream.isTTY !== true) return text;
  return text.replaceAll(ISO_TIME, (time) => localTime(Date.parse(time)));
}

/** Prints to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints to standard error. */
export function tell(text: string): void {
  process.stderr.write(`${forTerminal(withLocalTimes(text, process.stderr), process.stderr)}\n`);
}

/** Takes away what a terminal shows of Ctrl-C, `^C`, so that the next line begins at its begin. */
export function clearEcho(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[2K');
}

/** Sentences as a terminal shows them: {@link fitted} into its columns; pipes have each on its one line. */
export function forTerminal(
  text: string,
  stream: { readonly isTTY?: boolean; readonly columns?: number },
): string {
  return fitted(text, columnsOf(stream));
}

/** Prints data: as one JSON value with `json`, else as `text` gives it. */
export function printData(data: unknown, json: boolean, text: () => string): void {
  print(
    json
      ? JSON.stringify(data, null, process.stdout.isTTY ? 2 : 0)
      : withLocalTimes(text(), process.stdout),
  );
}

/** Waits until the streams have handed on what was printed, at the latest until a second is over. */
export async function flush(): Promise<void> {
  const written = [process.stdout, process.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        stream.write('', () => resolve());
      }),
  );
  await settledWithin(FLUSH_TIMEOUT_MS, Promise.all(written), systemClock);
}

/** How a table is laid out. */
export interface TableInit {
  /** Columns to fit into; default the terminal's, and no bound where there is none. */
  readonly columns?: number;
  /** Index of the column that gives way first when the table does not fit; default none. */
  readonly flexible?: number;
  /** What gives way goes on below, in its column, and nothing is cut; else the flexible column is cut. */
  readonly wrap?: boolean;
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
  narrow(widths, head, init);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => pad(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const fitted = (cells: readonly string[]): readonly string[] => {
    if (init.wrap !== true) {
      return [line(cells.map((cell, column) => cut(cell, widths[column] ?? 0)))];
    }
    const columns = cells.map((cell, column) => wrapped(cell, widths[column] ?? 0));
    const height = Math.max(1, ...columns.map((lines) => lines.length));
    return Array.from({ length: height }, (_, at) => line(columns.map((lines) => lines[at] ?? '')));
  };
  return [paint.bold(line(head)), ...clean.flatMap(fitted)].join('\n');
}

/** Makes columns narrower until the table fits: the flexible one, and where cells wrap also the widest others. */
function narrow(widths: number[], head: readonly string[], init: TableInit): void {
  const room = init.columns ?? columnsOf(process.stdout);
  const others = [...widths.keys()].toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
  const { flexible } = init;
  const order = [
    ...(flexible === undefined ? [] : [flexible]),
    ...(init.wrap === true ? others : []),
  ];
  for (const column of order) {
    const surplus = widths.reduce((sum, width) => sum + width + 2, -2) - room;
    if (surplus <= 0) return;
    const width = widths[column] ?? 0;
    const min = init.wrap === true ? WRAPPED_MIN : COLUMN_MIN;
    const least = Math.max(min, stringWidth(head[column] ?? ''));
    widths[column] = Math.min(width, Math.max(least, width - surplus));
  }
}

/** How wide lines may be: what the terminal says, and no bound where there is none, or one that does not know (0). */
export function columnsOf(stream: { readonly isTTY?: boolean; readonly columns?: number }): number {
  return stream.isTTY === true ? stream.columns || Infinity : Infinity;
}

/**
 * `text` in lines of at most `columns` columns, ended between words; longer words are broken, unless `whole`: then
 * commands of ours stay on one line as well.
 */
export function wrapped(text: string, columns: number, whole = false): readonly string[] {
  if (whole) return filled(unitsOf(text), columns);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const next = line === '' ? word : `${line} ${word}`;
    if (stringWidth(next) <= columns) {
      line = next;
      continue;
    }
    if (line !== '') lines.push(line);
    const pieces = piecesOf(word, columns);
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1) ?? '';
  }
  return [...lines, line];
}

/** A sentence that answers a command, as {@link safeLine} has it, on standard output: {@link fitted} on a terminal. */
export function asSentence(text: string): string {
  return forTerminal(safeLine(text), process.stdout);
}

/** What stands before a sentence: its indent, and a mark or a time of day. */
const HEAD = /^ *(?:(?:\u001B\[\d+m)*(?:[→!✓✗…▸]|\d\d:\d\d:\d\d)(?:\u001B\[\d+m)* +)?/;
/** Lines that are there as they are: what a shell or cron takes, and lines of a file that is changed. */
const ALONE = /^(?: {4,}(?:@reboot|sudo|export) |(?:\u001B\[\d+m)*[+-] )/;
/** How far a line goes in that goes on with a sentence without one. */
const GOES_ON = '  ';

/**
 * Lines of talk in lines of at most `columns` columns, ended between words. A command in them stays whole, on a line
 * of its own where it has to, because a person may paste it; so does a long word, as a path is.
 */
export function fitted(text: string, columns: number): string {
  if (columns === Infinity) return text;
  return text
    .split('\n')
    .flatMap((line) => {
      if (stringWidth(line) <= columns || ALONE.test(line)) return [line];
      const [head = ''] = HEAD.exec(line) ?? [];
      const below = head === '' ? GOES_ON : ' '.repeat(stringWidth(head));
      const room = Math.max(COLUMN_MIN, columns - below.length);
      const lines = filled(unitsOf(line.slice(head.length)), room);
      return lines.map((one, at) => `${at === 0 ? head : below}${one}`);
    })
    .join('\n');
}

/** Words, and commands of ours as one each: `starling grant create bob --tool 'files/*'`. */
function unitsOf(text: string): readonly string[] {
  const units: string[] = [];
  let isCommand = false;
  for (const word of text.split(' ')) {
    const plain = word.replaceAll(/\u001B\[\d+m/g, '');
    if (isCommand && !plain.startsWith('(')) units.push(`${units.pop() ?? ''} ${word}`);
    else {
      units.push(word);
      isCommand = /^[('"]?starling$/.test(plain);
    }
    if (/[;,):.]$/.test(plain)) isCommand = false;
  }
  return units;
}

/** Units in lines of at most `columns` columns, as far as each fits into one. */
function filled(units: readonly string[], columns: number): readonly string[] {
  const lines: string[] = [];
  let line: string | undefined;
  for (const unit of units) {
    const next: string = line === undefined ? unit : `${line} ${unit}`;
    if (line === undefined || stringWidth(next) <= columns) line = next;
    else {
      lines.push(line);
      line = unit;
    }
  }
  return line === undefined ? lines : [...lines, line];
}

/** A long word in pieces, which end behind a mark that divides it, where one is in their second half. */
function piecesOf(word: string, columns: number): readonly string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const { segment } of charactersOf(word)) {
    if (piece !== '' && stringWidth(piece + segment) > columns) {
      const end = Math.max(...DIVIDING.map((mark) => piece.lastIndexOf(mark))) + 1;
      // A comma is no line of its own: what it closes goes on with it.
      const least = CLOSING.includes(segment) ? 0 : piece.length / 2;
      const at = end > least ? end : piece.length;
      pieces.push(piece.slice(0, at));
      piece = piece.slice(at);
    }
    piece += segment;
  }
  return [...pieces, piece];
}

/** A sentence behind `head`, which goes on below, beside its begin, where the terminal is narrower. */
export function sentence(head: string, text: string, columns = columnsOf(process.stdout)): string {
  const indent = stringWidth(head);
  const lines = text
    .split('\n')
    .flatMap((line) => wrapped(line, Math.max(COLUMN_MIN, columns - indent), true));
  return `${head}${lines.join(`\n${' '.repeat(indent)}`)}`;
}

/** Lines of `label  value`; a value that is too long for the terminal goes on below, beside its label. */
export function facts(
  rows: readonly (readonly [label: string, value: string])[],
  columns = columnsOf(process.stdout),
): string {
  const width = Math.max(...rows.map(([label]) => stringWidth(label)));
  const room = Math.max(COLUMN_MIN, columns - width - 2);
  return rows
    .flatMap(([label, value]) =>
      // Words stay whole: paths and ids are there to be copied.
      wrapped(safeLine(value), room, true).map(
        (line, at) => `${paint.dim(pad(at === 0 ? label : '', width))}  ${line}`,
      ),
    )
    .join('\n');
}

function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - stringWidth(text)));
}

export { durationText as duration } from '../../core/time/duration.ts';

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

/** An error that nobody has words for: at least what it is about, where the system has said that. */
function unforeseen(error: unknown): string {
  const path = error instanceof Error && 'path' in error ? String(error.path) : '';
  const text = messageOf(error);
  return path === '' || text.includes(path) ? text : `${path}: ${text}`;
}

/** Prints an error as a person reads it, or with `json` as an object; returns the exit code. */
export function printError(error: unknown, json: boolean): ExitCode {
  const known = error instanceof StarlingError ? error : undefined;
  const code = known?.code ?? 'INTERNAL';
  if (json) {
    print(
      JSON.stringify({
        error: {
          code,
          message: known === undefined ? unforeseen(error) : messageOf(error),
          hint: known?.hint,
        },
      }),
    );
  } else if (code === 'STARLING_INTERRUPTED') {
    // The person knows that; what has become of the work is news.
    tell(safe(messageOf(error)));
  } else {
    const text = known === undefined || known.message === '' ? unforeseen(error) : known.message;
    tell(`${paintTalk.red('error:')} ${safe(withShortIds(text))} ${paintTalk.dim(`[${code}]`)}`);
    if (known?.hint !== undefined) tell(`  → ${safe(known.hint)}`);
  }
  return known?.row.exit ?? EXIT.failed;
}
