/** Says how good an answer is, by a program: from 0 to 1. Pure. */
import { isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { objectIn, parsedObject } from '../json-reading.ts';
import type { SaidAnswer } from '../routing/final-answer.ts';
import type { Expectation } from './mix.ts';

/** The score of what was said; nothing that can be read scores 0. */
export function gradeOf(expect: Expectation, said: SaidAnswer | undefined): number {
  if (said === undefined) return 0;
  if ('equals' in expect) return plain(said.text) === plain(expect.equals) ? 1 : 0;
  if ('json' in expect) return shareOf(expect.json, parsedObject(said.text) ?? {});
  if ('words' in expect) {
    const text = said.text.toLowerCase();
    const found = expect.words.filter((word) => text.includes(word.toLowerCase()));
    return found.length / expect.words.length;
  }
  const [call, ...more] = said.calls;
  if (call === undefined || more.length > 0 || call.name !== expect.call.name) return 0;
  return isSame(expect.call.arguments, objectIn(call.args)) ? 1 : 0;
}

function shareOf(wanted: JsonObject, got: JsonObject): number {
  const entries = Object.entries(wanted);
  if (entries.length === 0) return Object.keys(got).length === 0 ? 1 : 0;
  const right = entries.filter(([key, value]) => isSame(value ?? null, got[key] ?? null));
  return right.length / entries.length;
}

function isSame(one: Json, other: Json): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, at) => isSame(item, other[at] ?? null));
  }
  if (isObject(one) && isObject(other)) {
    const keys = Object.keys(one);
    const all = keys.length === Object.keys(other).length;
    return all && keys.every((key) => isSame(one[key] ?? null, other[key] ?? null));
  }
  return one === other;
}

function plain(text: string): string {
  return text.trim().toLowerCase().replaceAll(/\s+/g, ' ').replace(/[.!]$/, '');
}
