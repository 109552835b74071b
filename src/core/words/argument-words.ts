/** What a caveat `args` binds, in words: for a person who reads a grant, and for a caller who missed it. */
import { printable } from './text.ts';
import { isObject } from '../json/value-checks.ts';

/** Longest text of one argument's rule. */
const RULE_WORDS_MAX = 200;

const WORDS: Readonly<Record<string, string>> = {
  const: '=',
  enum: 'one of',
  prefix: 'begins with',
  minimum: '≥',
  maximum: '≤',
  paths: 'in',
};

/** One argument and its rule: `path in /srv/docs/**`, `count ≤ 10`. */
export function argumentWords(name: string, rule: unknown): string {
  return printable(`${name} ${ruleWords(rule)}`, RULE_WORDS_MAX);
}

function ruleWords(rule: unknown): string {
  if (!isObject(rule)) return JSON.stringify(rule);
  return Object.entries(rule)
    .map(([word, value]) => {
      const shown = Array.isArray(value) ? value.join(' | ') : JSON.stringify(value);
      return `${WORDS[word] ?? word} ${shown}`;
    })
    .join(' and ');
}
