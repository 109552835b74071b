/**
 * What of a listed thing is pinned, as one canonical text (RFC 8785) and its SHA-256: for a tool all
 * that a model reads or a caller relies on, for a prompt likewise, and a server's instructions.
 */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Json, JsonObject } from '../../core/index.ts';
import { findInvisible } from './invisible-characters.ts';
import type { InvisibleFlag } from './invisible-characters.ts';

/** Kinds of things that are pinned. */
export type PinKind = 'tool' | 'prompt' | 'instructions';

/** A thing that a server lists by a name: a tool or a prompt. */
export interface NamedItem extends JsonObject {
  readonly name: string;
}

/** A definition, ready to be compared. */
export interface Definition {
  /** Canonical JSON of the pinned members, written anew: texts of whole lists are not kept. */
  readonly canonical: () => string;
  /** SHA-256 of the canonical JSON, base64url. */
  readonly hash: string;
  /** The same of the definition without its name: equal ones are one thing under two names. */
  readonly bare: string;
  /** What is invisible in it. */
  readonly flags: readonly InvisibleFlag[];
}

const MEMBERS: Readonly<Record<'tool' | 'prompt', readonly string[]>> = {
  tool: ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'],
  prompt: ['name', 'title', 'description', 'arguments'],
};
/** Members that hold one line. */
const ONE_LINE: ReadonlySet<string> = new Set(['name', 'title']);

/** Definitions by item, so that an unchanged list is hashed once. */
const known = new WeakMap<NamedItem, Definition>();

/** The definition of a tool or prompt. Reads it only once: a listed item must never be written to. */
export function definitionOf(kind: 'tool' | 'prompt', item: NamedItem): Definition {
  let definition = known.get(item);
  if (definition === undefined) {
    definition = define(
      Object.fromEntries(
        MEMBERS[kind]
          .filter((member) => item[member] !== undefined)
          .map((member) => [member, item[member]]),
      ),
    );
    known.set(item, definition);
  }
  return definition;
}

/** The definition of a server's instructions. */
export function instructionsDefinition(instructions: string): Definition {
  return define({ instructions });
}

function define(pinned: JsonObject): Definition {
  const members = membersOf(pinned);
  return {
    canonical: () => join(membersOf(pinned)),
    hash: sha256(join(members)),
    bare: sha256(join(members.filter(([key]) => key !== 'name'))),
    flags: findInvisible(pinned, ONE_LINE),
  };
}

type Member = readonly [key: string, text: string];

/** An object's canonical form is that of its members, by key, so each is written only once. */
function membersOf(pinned: JsonObject): readonly Member[] {
  const keys = Object.keys(pinned).sort();
  return keys.map((key) => [key, `"${key}":${canonicalOf(pinned[key])}`]);
}

function join(members: readonly Member[]): string {
  return `{${members.map(([, text]) => text).join(',')}}`;
}

function canonicalOf(value: Json | undefined): string {
  try {
    return canonicalize(value) ?? '';
  } catch {
    // What came as JSON can only be refused for a lone surrogate, for which RFC 8785 has no form. The
    // brackets make it no JSON, and so unlike every definition that has one.
    return `<${canonicalize(escapeSurrogates(value)) ?? ''}>`;
  }
}

function escapeSurrogates(value: Json | undefined): Json {
  if (typeof value === 'string') {
    return value.replaceAll(/\\|\p{Cs}/gu, (found) =>
      found === '\\' ? '\\\\' : `\\u${found.charCodeAt(0).toString(16)}`,
    );
  }
  if (Array.isArray(value)) return value.map((inner: Json) => escapeSurrogates(inner));
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.entries(value).map(([key, inner]) => [
    escapeSurrogates(key),
    escapeSurrogates(inner),
  ]);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
