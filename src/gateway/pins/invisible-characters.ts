/**
 * Finds text that a person does not see but a model reads: tag characters, bidi controls, zero-width
 * and other default-ignorable characters (Unicode `Default_Ignorable_Code_Point`), variation selectors,
 * control characters, lone surrogates. What writing needs is let be: emoji sequences (UTS #51), joiners
 * inside the scripts that join, and direction marks next to right-to-left letters (UAX #9).
 */
import type { Json } from '../../core/index.ts';

/** What sort of invisible character was found. */
export type InvisibleKind =
  | 'tag'
  | 'bidi'
  | 'zero-width'
  | 'variation'
  | 'control'
  | 'surrogate'
  | 'ignorable';

/** One invisible character in one text of a definition. */
export interface InvisibleFlag {
  /** Where the text stands: `description`, `inputSchema.properties.path.description`. */
  readonly where: string;
  readonly kind: InvisibleKind;
  /** Like `U+200B`. */
  readonly character: string;
  /** How often it stands there; counting ends at 10,000. */
  readonly count: number;
}

/** Flags kept of one definition: enough to see what is going on. */
const FLAGS_MAX = 32;
/** Characters counted in one text. */
const COUNTED_MAX = 10_000;
/** Longest shown part of a place's name. */
const KEY_SHOWN_MAX = 64;

const INVISIBLE = '[\\p{Cc}\\p{Cs}\\p{DI}\\p{Zl}\\p{Zp}\\ufff9-\\ufffb]';
/** All of them but tab, line feed and carriage return. */
const SUSPECT =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\p{Cs}\p{DI}\p{Zl}\p{Zp}\ufff9-\ufffb]/u;

const PICTURE = '\\p{Extended_Pictographic}(?:\\p{Emoji_Modifier}|[\\ufe0e\\ufe0f])?';
const EMOJI = `${PICTURE}(?:\\u200d${PICTURE})*`;
const KEYCAP = '[0-9#*]\\ufe0f\\u20e3';
/** The three flags that are spelt with tags: England, Scotland, Wales. */
const TAGGED_FLAG =
  '\\u{1f3f4}\\u{e0067}\\u{e0062}(?:\\u{e0065}\\u{e006e}\\u{e0067}|\\u{e0073}\\u{e0063}\\u{e0074}|\\u{e0077}\\u{e006c}\\u{e0073})\\u{e007f}';

/** Scripts in which a joiner or non-joiner changes the letters that are seen. */
const JOINING =
  'Arab Syrc Mand Nkoo Mong Adlm Rohg Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Khmr Mymr Tibt'
    .split(' ')
    .map((script) => `\\p{sc=${script}}`)
    .join('');
const JOINER = `(?<=[${JOINING}])(?<!${INVISIBLE})[\\u200c\\u200d](?!${INVISIBLE})`;
const MONGOLIAN = '(?<=\\p{sc=Mong})(?<![\\u180b-\\u180f])[\\u180b-\\u180f](?![\\u180b-\\u180f])';
const RTL =
  '[\\u05d0-\\u05ea\\u0620-\\u064a\\u0671-\\u06d3\\u0710-\\u072f\\u0780-\\u07a5\\u07ca-\\u07ea\\u{1e900}-\\u{1e943}]';
/** A single direction mark, at most 16 characters from a letter that gives it sense. */
const MARK = `(?<!${INVISIBLE})[\\u200e\\u200f\\u061c](?!${INVISIBLE})(?:(?<=${RTL}[^]{1,17})|(?=[^]{0,16}${RTL}))`;

const LAWFUL = [TAGGED_FLAG, EMOJI, KEYCAP, JOINER, MONGOLIAN, MARK].join('|');
const PARTS = new RegExp(`(?<lawful>${LAWFUL})|${INVISIBLE}`, 'gu');

/**
 * The invisible characters of everything that is text in `value`, names of members included. `names`:
 * members of the top level that hold one line, in which a line end counts, too.
 */
export function findInvisible(
  value: Json,
  names: ReadonlySet<string> = new Set(),
): readonly InvisibleFlag[] {
  const flags = new Map<string, InvisibleFlag>();
  walk(value, '', (text, where) => {
    for (const character of invisibleIn(text, names.has(where))) {
      const key = `${where} ${character}`;
      const before = flags.get(key);
      if (before === undefined && flags.size >= FLAGS_MAX) continue;
      const code = character.codePointAt(0) ?? 0;
      flags.set(key, {
        where,
        kind: kindOf(code),
        character: `U+${code.toString(16).toUpperCase().padStart(4, '0')}`,
        count: (before?.count ?? 0) + 1,
      });
    }
  });
  return [...flags.values()];
}

/** `text` with each invisible character written as `\u{200B}`; tabs and line ends are let be. */
export function revealInvisible(text: string): string {
  if (!SUSPECT.test(text)) return text;
  return text.replaceAll(PARTS, (found: string, lawful: string | undefined) =>
    lawful !== undefined || isLayout(found) ? found : escapeOf(found),
  );
}

/** The first invisible characters of one text, in order. `oneLine`: tabs and line ends count. */
function invisibleIn(text: string, oneLine: boolean): readonly string[] {
  const invisible: string[] = [];
  if (!SUSPECT.test(text) && !(oneLine && /[\t\n\r]/.test(text))) return invisible;
  for (const match of text.matchAll(PARTS)) {
    if (invisible.length >= COUNTED_MAX) break;
    const [found] = match;
    if (match.groups?.['lawful'] !== undefined || (isLayout(found) && !oneLine)) continue;
    invisible.push(found);
  }
  return invisible;
}

function walk(
  value: Json | undefined,
  where: string,
  see: (text: string, at: string) => void,
): void {
  if (typeof value === 'string') see(value, where);
  else if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) walk(inner as Json, `${where}[${index}]`, see);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const shown = revealInvisible(key.slice(0, KEY_SHOWN_MAX));
      const at = where === '' ? shown : `${where}.${shown}`;
      see(key, at);
      walk(inner, at, see);
    }
  }
}

function kindOf(code: number): InvisibleKind {
  const character = String.fromCodePoint(code);
  if (code >= 0xe0000 && code <= 0xe007f) return 'tag';
  if (/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(character)) return 'bidi';
  if (/[\u200b-\u200d\u2060\ufeff\u180e]/u.test(character)) return 'zero-width';
  if (/\p{Variation_Selector}/u.test(character)) return 'variation';
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(character)) return 'control';
  return /\p{Cs}/u.test(character) ? 'surrogate' : 'ignorable';
}

function isLayout(character: string): boolean {
  return character === '\n' || character === '\t' || character === '\r';
}

function escapeOf(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`;
}
