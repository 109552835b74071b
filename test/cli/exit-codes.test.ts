/** The README's exit codes are those that the command has: all of them, and no others. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { parseAddress } from '../../src/agents/names.ts';
import { LIMITS, checkKey, checkName, checkedValue } from '../../src/blackboard/limits.ts';
import { ERRORS, StarlingError } from '../../src/core/errors.ts';
import { EXIT } from '../../src/core/exit-codes.ts';
import { Secret } from '../../src/core/secret.ts';
import { parseGrant, parseResource } from '../../src/grants/index.ts';
import { parsePeerId } from '../../src/identity/index.ts';
import { parseTicket } from '../../src/mesh/tickets/ticket-short.ts';
import { fakeNode, start } from './support.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CODES: readonly number[] = Object.values(EXIT);

function filesBelow(folder: string, end: string): readonly (readonly [string, string])[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .map((name) => [join(folder, name), readFileSync(join(ROOT, folder, name), 'utf8')] as const);
}

it('each exit code is a row of the README, and each row is one of them', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, table = ''] = /\| a command ends with[^\n]*\n([^]*?)\n\n/.exec(readme) ?? [];
  expect([...table.matchAll(/^\| (\d+) /gm)].map(([, code]) => Number(code))).toEqual(CODES);
});

it('no line of the program ends it with a number of its own', () => {
  // Commands and errors have the type of the table; these are the other ways to end a process.
  const ends = filesBelow('src', '.ts').flatMap(([file, text]) =>
    [...text.matchAll(/process\.exit\(([^)]*)\)|process\.exitCode = ([^;]+);/g)].map(
      ([, called, set]) => [file, called ?? set ?? ''] as const,
    ),
  );
  expect(ends.length).toBeGreaterThan(5);
  expect(ends.filter(([, code]) => !/^(?:EXIT\.\w+|code|exitCode)$/.test(code))).toEqual([]);
});

it('none of them is a row that nothing gives any more', () => {
  const named = filesBelow('src', '.ts')
    .filter(([file]) => !file.endsWith('exit-codes.ts'))
    .flatMap(([, text]) => [...text.matchAll(/\bEXIT\.(\w+)/g)].map(([, name = '']) => name));
  const given = [
    ...Object.entries(EXIT).flatMap(([name, code]) => (named.includes(name) ? [code] : [])),
    ...Object.values(ERRORS).map(({ exit }) => exit),
  ];
  expect(CODES.filter((code) => !given.some((one) => one === code))).toEqual([]);
});

it('what docs and help say of an exit code is of one that there is', () => {
  const texts = [...filesBelow('docs', '.md'), ...filesBelow('src/cli', '.ts')];
  const said = texts.flatMap(([file, text]) =>
    [...text.matchAll(/exit code (\d+)/gi)].map(([, code]) => [file, Number(code)] as const),
  );
  expect(said.length).toBeGreaterThan(3);
  expect(said.filter(([, code]) => !CODES.includes(code))).toEqual([]);
});

it.each<readonly [string, () => unknown]>([
  ['a name of a board', () => checkName('é')],
  ['a key of a board', () => checkKey('', LIMITS)],
  ['a value of a board', () => checkedValue(undefined, LIMITS)],
  ['an address of an agent', () => parseAddress('é@')],
  ['a resource', () => parseResource('tool:')],
  ['a grant', () => parseGrant('?')],
  ['a ticket', () => parseTicket(new Secret('?'))],
  ['a PeerId', () => parsePeerId('?')],
])('%s that is none ends a command with 2, wherever it is found out', (_, read) => {
  let exit: number | undefined;
  try {
    read();
  } catch (error) {
    if (error instanceof StarlingError) exit = error.row.exit;
  }
  expect(exit).toBe(EXIT.misused);
});

it('SIGTERM ends a command that waits with 143', async () => {
  const node = await fakeNode();
  const command = start(['ping', 'laptop', '--state', node.stateDir]);
  await node.received('tools/call');
  command.child.kill('SIGTERM');
  expect((await command.ended()).code).toBe(EXIT.terminated);
});
