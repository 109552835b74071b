/**
 * Who asks the guard. Two files ask so that rights are used up: one about calls of sessions, one about calls of
 * models. A third would ask twice about one call, and count it twice. All others only look, and each is named here.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseAst } from 'rolldown/parseAst';
import { describe, expect, it } from 'vitest';
import { FLOORS } from './floors.ts';
import { languageOf, visit } from './imports.ts';

const SRC = resolve(import.meta.dirname, '../../src');

/** Files that use rights up, and what they ask about. */
const USERS: ReadonlyMap<string, string> = new Map([
  ['gateway/clearance/clearance.ts', 'a call, once, and once more when a person has approved it'],
  ['models/clearance.ts', 'a call of a model, which is no call of a session'],
]);
/** Files that only look, and what for. */
const LOOKERS: ReadonlyMap<string, string> = new Map([
  ['agents/directory/directory.ts', 'which agents somebody sees, and may write to'],
  ['agents/run/spawn-checks.ts', 'whether somebody may start an agent of a kind'],
  ['budget/funds.ts', 'whether a budget may be named by who names it'],
  ['gateway/transports/local-doors.ts', 'to whom the card of an agent is shown'],
]);
/** Files that explain a decision to a person. */
const EXPLAINERS: ReadonlyMap<string, string> = new Map([
  ['builtin/policy.ts', 'what the guard would say, and why'],
]);

const METHODS = new Set(['decide', 'explain']);
/** Without one of these words in a file nothing in it asks: to parse each takes seconds. */
const MAY_ASK = /\b(?:decide|explain)\b/;

/** How often a file takes each method of a guard: by a dot, by brackets, or by taking an object apart. */
function asked(path: string, text: string): { readonly decide: number; readonly explain: number } {
  const counts = { decide: 0, explain: 0 };
  if (!MAY_ASK.test(text)) return counts;
  visit(parseAst(text, { lang: languageOf(path) }) as never, (node) => {
    const named =
      node.type === 'MemberExpression'
        ? [node['property']]
        : node.type === 'ObjectPattern'
          ? (node['properties'] as readonly Record<string, unknown>[]).map(({ key }) => key)
          : [];
    for (const one of named as readonly Record<string, unknown>[]) {
      const isPrivate = one?.['type'] === 'PrivateIdentifier';
      const name = String(one?.['name'] ?? one?.['value']);
      if (!isPrivate && METHODS.has(name)) counts[name as 'decide' | 'explain'] += 1;
    }
  });
  return counts;
}

/** Only rooms of higher floors than the guard's can ask it. */
function isAbove(path: string): boolean {
  const floorOf = (room: string): number => FLOORS.findIndex((floor) => floor.includes(room));
  return floorOf(path.split('/')[0] ?? '') > floorOf('guard');
}

const askers = readdirSync(SRC, { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name))
  .map((path) => [relative(SRC, path), readFileSync(path, 'utf8')] as const)
  .filter(([path]) => isAbove(path))
  .map(([path, text]) => ({ path, text, ...asked(path, text) }));

describe('the guard', () => {
  it('is asked by these files, and by no other', () => {
    const deciding = askers.filter(({ decide }) => decide > 0).map(({ path }) => path);
    expect(deciding.toSorted()).toEqual([...USERS.keys(), ...LOOKERS.keys()].toSorted());
  });

  it('explains itself for these files, and for no other', () => {
    const explained = askers.filter(({ explain }) => explain > 0).map(({ path }) => path);
    expect(explained).toEqual([...EXPLAINERS.keys()]);
  });

  it('uses nothing up for those that only look: each of their questions says so', () => {
    const using = askers
      .filter(({ path }) => LOOKERS.has(path))
      .filter(({ text, decide }) => [...text.matchAll(/\blook: true\b/g)].length < decide);
    expect(using.map(({ path }) => path)).toEqual([]);
  });

  it.each([
    ['guard.decide(principal, wanted);', 1],
    ['this.#components.guard().decide(principal, wanted);', 1],
    ["guard['decide'](principal, wanted);", 1],
    ['const { decide: ask } = guard;', 1],
    ['export const it = <p>{guard.decide(principal, wanted).allow}</p>;', 1],
    ['unawaited(guard?.decide(principal, wanted));', 1],
    ['class Batches { #decide() { this.#decide(); } }', 0],
    ["type Asked = Pick<Guard, 'decide'>;", 0],
    ['// Only clearance may decide.', 0],
  ])('is seen to be asked in %j: %i', (text, times) => {
    expect(asked('page.tsx', text).decide).toBe(times);
  });
});
