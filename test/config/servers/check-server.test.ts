/** One entry, checked before it is written. */
import { describe, expect, it } from 'vitest';
import { checkMcpServer } from '../../../src/config/servers/check-server.ts';

describe('an entry that is to be written', () => {
  it('is good when the node could use it', () => {
    const good = { problems: [], unset: [], remarks: [] };
    expect(checkMcpServer('a', { command: 'x', args: ['${A}'] }, { A: '1' })).toEqual(good);
    expect(checkMcpServer('a', { type: 'sse', url: 'https://a.example' }, {})).toEqual(good);
    expect(checkMcpServer('a', { command: 'x', disabled: true }, {})).toEqual(good);
  });

  it('may use variables that only the node has, in a URL, too', () => {
    const entry = { url: '${BASE}/mcp', headers: { A: 'Bearer ${TOKEN}${TOKEN}' } };
    expect(checkMcpServer('a', entry, {})).toEqual({
      problems: [],
      unset: ['TOKEN', 'BASE'],
      remarks: [],
    });
  });

  it.each([
    ['a b', { command: 'x' }, 'a server is named by 1 to 32 of A-Z, a-z, 0-9, - and _'],
    ['__proto__', { command: 'x' }, 'a server is named by'],
    ['Starling', { command: 'x' }, "'starling' is the built-in server"],
    ['a', {}, 'give it a `command`, or a `url`'],
    ['a', { command: 7 }, "command: this value can't be used; allowed: text that is not empty"],
    ['a', { comand: 'x' }, 'give it a `command`, or a `url`'],
    ['a', { url: 'ftp://hunter2' }, "url: this value can't be used; allowed: an http:// or"],
    [
      'a',
      { command: 'x', envFile: '/no/such' },
      "envFile: can't be read: there is no such file or folder",
    ],
    ['a', 'npx hunter2', "this value can't be used; allowed: an object { … }"],
  ])('%s: %j is refused: %s', (name, entry, problem) => {
    const { problems } = checkMcpServer(name, entry, {});
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems.join()).not.toContain('hunter2');
  });
});
