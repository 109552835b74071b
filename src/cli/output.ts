/** What commands print: tables, durations, errors. Data goes to standard output, talk to standard error. */
import pc from 'picocolors';
import { StarlingError, messageOf } from '../core/errors.ts';

const UNSAFE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Text from elsewhere, made safe for a terminal: no control, escape or direction characters. */
export function safe(text: string): string {
  return text.replaceAll(UNSAFE, '\ufffd');
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

/** A table with a head; cells are made safe and columns padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(safe));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...clean.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [pc.bold(line(head)), ...clean.map(line)].join('\n');
}

/** Lines of `label  value`. */
export function facts(rows: readonly (readonly [label: string, value: string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `${pc.dim(label.padEnd(width))}  ${safe(value)}`).join('\n');
}

/** `3s`, `5m`, `2h`, `4d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}

/** `3s ago`, or `never` for 0. */
export function ago(at: number): string {
  return at === 0 ? 'never' : `${duration(Date.now() - at)} ago`;
}

/** Prints an error as a person reads it, or with `json` as an object; returns the exit code. */
export function printError(error: unknown, json: boolean): number {
  const known = error instanceof StarlingError ? error : undefined;
  const code = known?.code ?? 'INTERNAL';
  if (json) {
    print(JSON.stringify({ error: { code, message: messageOf(error), hint: known?.hint } }));
  } else {
    const text = error instanceof Error ? error.message : String(error);
    tell(`${pc.red('error:')} ${text.split('\n').map(safe).join('\n')} ${pc.dim(`[${code}]`)}`);
    if (known?.hint !== undefined) tell(`  → ${safe(known.hint)}`);
  }
  return known?.row.exit ?? 1;
}
