/**
 * `docs/reference/limits.md`: the bounds that can be configured, and those that stand in the code as
 * constants whose names end in a unit or in `_MAX` or `_MIN`, with the comment above each.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { configKeys } from './configuration.ts';
import { code, page, table } from './markdown.ts';

interface Limit {
  readonly file: string;
  readonly name: string;
  readonly value: string;
  readonly text: string;
}

const CONSTANT =
  /(?:^\/\*\*(?<comment>(?:(?!\*\/)[^])*)\*\/\n)?^(?:export )?const (?<name>[A-Z][A-Z0-9_]*_(?:MAX|MIN|MS|BYTES))\b(?:: number)? = (?<value>[^;]+);$/gm;
/** Names of units are no limits. */
const UNIT = /^(SECOND|MINUTE|HOUR|DAY)_MS$/;
/** Plain sums of numbers and of constants of the same file. */
const ARITHMETIC = /^[\w\s*+/().-]+$/;

/** The page; `source` is the folder `src`. */
export async function limitsPage(source: string): Promise<string> {
  const limits = await limitsIn(source);
  const rooms = [...new Set(limits.map(({ file }) => roomOf(file)))].sort();
  return page(
    'Limits',
    [
      'What a node takes, keeps and waits for is bounded. Limits that depend on the machine and the mesh are',
      'keys of the [configuration](configuration.md); the others are constants, listed by the room of the house',
      'that holds them. Names end in their unit: `Ms` milliseconds, `Bytes` bytes, `Max` and `Min` a count.',
    ].join('\n'),
    [
      '## To be configured',
      table(
        ['key', 'form', 'default', 'what it bounds'],
        configKeys()
          .filter(({ key }) => /^(limits|heartbeat|keepAlive|retry|audit)\./.test(key))
          .map((one) => [code(one.key), one.form, code(one.default), one.text]),
      ),
      ...rooms.flatMap((room) => [
        `## ${room}`,
        table(
          ['name', 'value', 'file', 'what for'],
          limits
            .filter(({ file }) => roomOf(file) === room)
            .map(({ name, value, file, text }) => [code(name), value, code(file), text]),
        ),
      ]),
    ],
  );
}

async function limitsIn(source: string): Promise<readonly Limit[]> {
  const entries = await readdir(source, { withFileTypes: true, recursive: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const found: Limit[] = [];
  for (const path of paths) {
    const text = await readFile(path, 'utf8');
    const file = relative(source, path).replaceAll('\\', '/');
    const values = valuesIn(text);
    for (const { groups = {} } of text.matchAll(CONSTANT)) {
      const value = values.get(groups['name'] ?? '');
      const name = groups['name'] ?? '';
      if (value === undefined || UNIT.test(name)) continue;
      found.push({ file, name, value: shown(name, value), text: plain(groups['comment'] ?? '') });
    }
  }
  return found;
}

/** The numbers that a file calls by name, as far as they are plain arithmetic. */
function valuesIn(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const [, name = '', written = ''] of text.matchAll(
    /^(?:export )?const ([A-Z][A-Z0-9_]*)(?:: number)? = ([^;]+);$/gm,
  )) {
    const value = ARITHMETIC.test(written) ? evaluate(written, values) : undefined;
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

/** Sums and products from left to right, `**` and `*` first; no brackets. */
function evaluate(written: string, values: ReadonlyMap<string, number>): number | undefined {
  if (written.includes('(')) return undefined;
  const term = (factors: string): number =>
    factors
      .split(/(?<!\*)\*(?!\*)/)
      .map((factor) => {
        const [base = '', exponent] = factor.split('**').map((part) => part.trim());
        const number = numberOf(base, values);
        return exponent === undefined ? number : number ** numberOf(exponent, values);
      })
      .reduce((product, factor) => product * factor, 1);
  const sum = written
    .split(/(?=[+-])/)
    .map((part) => {
      const bare = part.replace(/^[+-]/, '');
      return part.startsWith('-') ? -term(bare) : term(bare);
    })
    .reduce((total, part) => total + part, 0);
  return Number.isFinite(sum) ? sum : undefined;
}

function numberOf(word: string, values: ReadonlyMap<string, number>): number {
  const [over, under] = word.split('/').map((part) => part.trim());
  if (under !== undefined) return numberOf(over ?? '', values) / numberOf(under, values);
  return (
    values.get(word) ?? (/^[\d_.]+$/.test(word) ? Number(word.replaceAll('_', '')) : Number.NaN)
  );
}

function shown(name: string, value: number): string {
  const isMs = /_MS(_M(AX|IN))?$/.test(name);
  if (/BYTES/.test(name)) return bytes(value);
  if (!isMs) return value.toLocaleString('en');
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const;
  const [unit, size] = units.find(([, ms]) => value >= ms && value % ms === 0) ?? ['ms', 1];
  return `${(value / size).toLocaleString('en')} ${unit}`;
}

function bytes(value: number): string {
  const mib = value / 1024 / 1024;
  if (Number.isInteger(mib) && mib > 0) return `${mib.toLocaleString('en')} MiB`;
  const kib = value / 1024;
  if (Number.isInteger(kib) && kib > 0) return `${kib.toLocaleString('en')} KiB`;
  return `${value.toLocaleString('en')} bytes`;
}

function plain(comment: string): string {
  const text = comment.replaceAll(/\n\s*\*/g, ' ').replaceAll(/\{@link (\w+)\}/g, '`$1`');
  return text.replaceAll(/\s+/g, ' ').trim();
}

function roomOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] ?? '') : 'composition';
}
