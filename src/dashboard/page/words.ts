/** How the page says numbers and times. */

const UNITS: readonly (readonly [ms: number, word: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
];

/** `3m`, `2h`, `5d`; `now` for less than a second. */
export function duration(ms: number): string {
  const [unit, word] = UNITS.find(([size]) => Math.abs(ms) >= size) ?? [1000, 's'];
  return `${Math.floor(Math.abs(ms) / unit)}${word}`;
}

/** `3m ago`; `never` for 0. */
export function ago(at: number, now = Date.now()): string {
  if (at === 0) return 'never';
  return now - at < 1000 ? 'now' : `${duration(now - at)} ago`;
}

/** `3 ms`, `1.2 s`. */
export function latency(ms: number | undefined): string {
  if (ms === undefined) return '–';
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** `1,234`, `12.3k`, `4.5M`. */
export function count(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return value.toLocaleString('en');
}

/** A count with its noun: `1 peer`, `2 peers`. */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}

/** An amount of a budget: dollars are counted in millionths. */
export function amount(value: number, unit: string): string {
  if (unit !== 'usd') return `${count(value)} ${unit}`;
  const dollars = value / 1_000_000;
  return `$${dollars.toFixed(dollars !== 0 && Math.abs(dollars) < 0.01 ? 4 : 2)}`;
}

/** `14:03:12` today, else with the day. */
export function clock(at: number): string {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const style = { timeStyle: 'medium', hourCycle: 'h23' } as const;
  return isToday
    ? date.toLocaleTimeString(undefined, style)
    : date.toLocaleString(undefined, { dateStyle: 'short', ...style });
}

/** A did, a PeerId, or the name of somebody: a name is never cut. */
export function nameOrId(text: string): string {
  return /^(?:did:|12D3Koo)/.test(text) ? shortId(text) : text;
}

/** Many long ids begin alike: the end tells them apart. */
export function shortId(id: string): string {
  return id.length > 20 ? `…${id.slice(-8)}` : id;
}

/** What a terminal obeys, or nobody sees: a command that is pasted must hold none of it. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A word of a command, quoted where a shell would read it otherwise. */
export function shellWord(word: string): string {
  if (word.search(UNSEEN) >= 0) {
    const quoted = word.replaceAll(/['\\]/g, String.raw`\$&`).replaceAll(UNSEEN, escaped);
    return `$'${quoted}'`;
  }
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return String.raw`\x${code.toString(16).padStart(2, '0')}`;
  return String.raw`\U${code.toString(16).padStart(8, '0')}`;
}

/** What the record has as the hash of no arguments (`hashArguments` of the room `audit`). */
const NO_ARGUMENTS = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';

/** A call as a command. */
export interface Replay {
  readonly line: string;
  /** The tool by the name that lists show. */
  readonly tool: string;
  /** What the command lacks to be the whole call, in words; absent where it is. */
  readonly missing?: string;
}

/**
 * The command that makes a call of the record again; undefined where it was no call of a tool. The record keeps a hash of the
 * arguments and not themselves, so that only a call without any comes back whole.
 */
export function replayOf(resource: string, args: string | undefined): Replay | undefined {
  const [, peer, server, tool] = /^tool:(?:@([^/]+)\/)?([^/]+)\/([^/]+)$/.exec(resource) ?? [];
  if (server === undefined || tool === undefined) return undefined;
  const called = [peer, server, tool].filter((part) => part !== undefined).join('__');
  const name = shellWord(called);
  const whole = { line: `starling call ${name}`, tool: called };
  if (args === undefined || args === NO_ARGUMENTS) return whole;
  const missing = `and its arguments, of which the record keeps only a hash; what it takes: starling tools show ${name}`;
  return { ...whole, missing };
}
