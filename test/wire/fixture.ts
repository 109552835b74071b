/**
 * Reads and writes the fixtures in `test/fixtures/wire`: bytes as hexadecimal pairs, ASCII as text in
 * double or single quotes, and behind `#` what they mean. `== title` begins a message.
 */
import { decode } from 'cborg';

const TOKEN = /^(?:([0-9a-f]{2})|"([\x20\x21\x23-\x7e]*)"|'([\x20-\x26\x28-\x7e]*)')\s*/;

/** The bytes of each message of a fixture, by title. @throws Error when a line is no fixture */
export function parseFixture(text: string): Map<string, Uint8Array> {
  const messages = new Map<string, Uint8Array>();
  let title = '';
  let parts: Buffer[] = [];
  const finish = (): void => {
    if (title !== '') messages.set(title, Buffer.concat(parts));
    parts = [];
  };
  for (const line of text.split('\n')) {
    if (line.startsWith('== ')) {
      finish();
      title = line.slice(3).trim();
    } else if (title !== '') parts.push(parseLine(line));
  }
  finish();
  return messages;
}

function parseLine(line: string): Buffer {
  const parts: Buffer[] = [];
  let rest = line.trimStart();
  while (rest !== '' && !rest.startsWith('#')) {
    const [token = '', pair, ...quoted] = TOKEN.exec(rest) ?? [];
    if (token === '') throw new Error(`neither bytes nor text: ${rest}`);
    const ascii = quoted.find((each) => each !== undefined) ?? '';
    parts.push(pair === undefined ? Buffer.from(ascii, 'ascii') : Buffer.from(pair, 'hex'));
    rest = rest.slice(token.length);
  }
  return Buffer.concat(parts);
}

/** What the keys of a message mean, by key; `notes` of one message may be those of all. */
export type Notes = Readonly<Record<string, string>>;

/**
 * How a message is written: `cbor` bare or `framed` behind its length, a `frame` of a control stream (length, kind,
 * then CBOR where the kind has any), `text`, or bytes as `hex`.
 */
export type WireKind = 'cbor' | 'framed' | 'frame' | 'text' | 'hex';

const COMMENT_COLUMN = 58;
const HEX_PER_LINE = 16;
const TEXT_PER_LINE = 88;

/**
 * `bytes` as a fixture writes them. CBOR is cut at its items, with the notes of its keys; other bytes
 * as text where they are text, else as they are.
 */
export function formatMessage(bytes: Uint8Array, kind: WireKind, notes: Notes = {}): string {
  const buffer = Buffer.from(bytes);
  if (kind === 'text') return formatText(buffer);
  if (kind === 'hex') return hexLines(buffer).join('\n');
  const lines: string[] = [];
  let at = 0;
  if (kind === 'framed' || kind === 'frame') {
    while (((buffer[at] ?? 0) & 0x80) !== 0) at += 1;
    at += 1;
    lines.push(
      withNote(hex(buffer.subarray(0, at)), `length of what follows: ${buffer.length - at}`),
    );
  }
  if (kind === 'frame') {
    const end = at + 1 + (buffer[at] ?? 0);
    const name = `${hex(buffer.subarray(at, at + 1))} "${buffer.subarray(at + 1, end).toString('latin1')}"`;
    lines.push(withNote(name, 'length of the kind, and the kind'));
    at = end;
    const payload = buffer.subarray(at);
    if (!isCbor(payload)) return [...lines, ...hexLines(payload)].join('\n');
  }
  decode(buffer.subarray(at));
  new CborPrinter(buffer, notes, lines, at).item(0, undefined);
  return lines.join('\n');
}

/** Whether a payload is a map in CBOR: numbers of ticks are not. */
function isCbor(payload: Buffer): boolean {
  return (payload[0] ?? 0) >> 5 === 5;
}

/** Writes one CBOR item (RFC 8949) a line, a key beside its value. */
class CborPrinter {
  readonly #bytes: Buffer;
  readonly #notes: Notes;
  readonly #lines: string[];
  #at: number;

  constructor(bytes: Buffer, notes: Notes, lines: string[], at: number) {
    this.#bytes = bytes;
    this.#notes = notes;
    this.#lines = lines;
    this.#at = at;
  }

  item(depth: number, key: { readonly name: string; readonly text: string } | undefined): void {
    const start = this.#at;
    const { major, count } = this.#head();
    const head = hex(this.#bytes.subarray(start, this.#at));
    const note = key === undefined ? '' : (this.#notes[key.name] ?? '');
    const lead = `${'  '.repeat(depth)}${key === undefined ? '' : `${key.text} `}`;
    if (major === 4 || major === 5) {
      const what = `${major === 4 ? 'list' : 'map'} of ${count}`;
      this.#push(depth, `${lead}${head}`, note === '' ? what : `${what}: ${note}`);
      for (let each = 0; each < count; each += 1) {
        this.item(depth + 1, major === 5 ? this.#key() : undefined);
      }
    } else if (major === 2 || major === 3) {
      const content = this.#bytes.subarray(this.#at, this.#at + count);
      this.#at += count;
      const [first = '', ...more] =
        major === 3 || content[0] === 0x7b ? textParts(content) : hexLines(content);
      this.#push(depth, `${lead}${head} ${first}`.trimEnd(), note);
      for (const line of more) this.#lines.push(`${'  '.repeat(depth + 1)}${line}`);
    } else {
      this.#push(depth, `${lead}${head}`, [scalar(major, count), note].filter(Boolean).join(': '));
    }
  }

  /** A note that has no room behind its line stands above it. */
  #push(depth: number, line: string, note: string): void {
    if (line.length > COMMENT_COLUMN && note !== '') {
      this.#lines.push(`${'  '.repeat(depth)}# ${note}`, line);
    } else this.#lines.push(withNote(line, note));
  }

  #key(): { readonly name: string; readonly text: string } {
    const start = this.#at;
    const { count } = this.#head();
    const head = hex(this.#bytes.subarray(start, this.#at));
    const name = this.#bytes.subarray(this.#at, this.#at + count).toString('utf8');
    this.#at += count;
    return { name, text: `${head} "${name}"` };
  }

  #head(): { readonly major: number; readonly count: number } {
    const first = this.#bytes[this.#at] ?? 0;
    const info = first & 0x1f;
    const sizeBytes = info < 24 ? 0 : 2 ** (info - 24);
    const count = sizeBytes === 0 ? info : Number(readBig(this.#bytes, this.#at + 1, sizeBytes));
    this.#at += 1 + sizeBytes;
    return { major: first >> 5, count };
  }
}

function readBig(bytes: Buffer, at: number, sizeBytes: number): bigint {
  return BigInt(`0x${bytes.subarray(at, at + sizeBytes).toString('hex')}`);
}

function scalar(major: number, count: number): string {
  if (major === 0) return String(count);
  if (major === 1) return String(-1 - count);
  return count === 20 ? 'false' : 'true';
}

function textParts(content: Uint8Array): string[] {
  const text = Buffer.from(content).toString('latin1');
  const quote = text.includes('"') ? "'" : '"';
  // Only what a fixture can hold between quotes.
  if (!/^[\x20-\x7e]*$/.test(text) || text.includes(quote)) return hexLines(content);
  if (text === '') return ['""'];
  return [...text.matchAll(new RegExp(`.{1,${TEXT_PER_LINE}}`, 'g'))].map(
    ([part]) => `${quote}${part}${quote}`,
  );
}

/** Lines of text, each with its line feed; above a JWS, or a row with the way to one, stands what it says. */
function formatText(content: Buffer): string {
  const segments = content.toString('latin1').split('.');
  const isJws = segments.length >= 3 && segments[0]?.startsWith('eyJ') === true;
  const said = isJws
    ? segments
        .filter((part) => part.startsWith('eyJ'))
        .map((part) => `# ${Buffer.from(part, 'base64url').toString('utf8')}`)
    : [];
  const lines = content.toString('latin1').split('\n');
  const parts = lines.flatMap((line, index) => {
    const quoted = textParts(Buffer.from(line, 'latin1'));
    if (index > 0 && index === lines.length - 1 && line === '') return [];
    return index === lines.length - 1 ? quoted : [...quoted.slice(0, -1), `${quoted.at(-1)} 0a`];
  });
  return [...said, ...parts].join('\n');
}

function hexLines(content: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < content.length; at += HEX_PER_LINE) {
    lines.push(hex(content.subarray(at, at + HEX_PER_LINE)));
  }
  return lines;
}

function hex(bytes: Uint8Array): string {
  return (Buffer.from(bytes).toString('hex').match(/../g) ?? []).join(' ');
}

function withNote(line: string, note: string): string {
  return note === '' ? line : `${line.padEnd(COMMENT_COLUMN)} # ${note}`;
}
