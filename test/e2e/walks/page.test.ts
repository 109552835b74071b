/** How a page of `examples/` is read: the walks stand on it. */
import { describe, expect, it } from 'vitest';
import { filled, found, goesOn, stepsOf } from './page.ts';

const fence = (language: string, ...lines: readonly string[]): string =>
  ['words', `\`\`\`${language}`, ...lines, '```', 'more words', ''].join('\n');
const none: ReadonlyMap<string, string> = new Map();

describe('a page', () => {
  it('has steps in its order, each with the machine, the command and what it shows', () => {
    const page = [
      fence('console', 'lab$ starling up', 'node  lab', '…', 'laptop$ true'),
      fence('console', 'deleted plan'),
    ].join('');
    expect(stepsOf(page)).toEqual([
      { at: 'lab', command: 'starling up', shown: ['node  lab', '…'] },
      { at: 'laptop', command: 'true', shown: [] },
      { later: ['deleted plan'] },
    ]);
  });

  it('has no block that is not walked', () => {
    expect(() => stepsOf(fence('sh', 'rm -rf /'))).toThrow("a block of 'sh' can't be walked");
  });

  it('says by a last line of dots that the command goes on', () => {
    expect(goesOn(['node  lab', '…'])).toBe(true);
    expect(goesOn(['node  lab…'])).toBe(false);
    expect(goesOn([])).toBe(false);
  });

  it('gives a name the value that was shown for it, and wants it shown before', () => {
    const ticket = found(
      ['…', '  starling up --join <ticket>'],
      'a\nb\n  starling up --join s2x\n',
      none,
    );
    expect(ticket).toEqual(new Map([['ticket', 's2x']]));
    expect(filled('starling up --join <ticket>', ticket ?? none)).toBe('starling up --join s2x');
    expect(() => filled('starling up --join <ticket>', none)).toThrow('<ticket>');
  });
});

describe('what a page shows', () => {
  it.each([
    ['the same line', ['wrote plan'], 'wrote plan\n'],
    ['columns of another width', ['NAME  STATE'], 'NAME       STATE\n'],
    ['a part of a line left out', ['up for … hours'], 'up for 3.2 hours\n'],
    ['lines left out', ['first', '…', 'last'], 'first\na\nb\nlast\n'],
    ['no lines left out where there are none', ['first', '…', 'last'], 'first\nlast\n'],
    ['the beginning of what goes on', ['first', '…'], 'first\nand so on\n'],
    ['the value of a name', ['revoked <grant>'], 'revoked 3f9c2a7e\n'],
    ['signs that patterns have', ['a (b) [c] {d} $1 *'], 'a (b) [c] {d} $1 *\n'],
  ])('agrees with %s', (_, shown, said) => {
    expect(found(shown, said, new Map([['grant', '3f9c2a7e']]))).toBeDefined();
  });

  it.each([
    ['another line', ['wrote plan'], 'wrote plans\n'],
    ['a line more', ['wrote plan'], 'wrote plan\n! but not all\n'],
    ['a line less', ['wrote plan', 'and went'], 'wrote plan\n'],
    ['another value of a name', ['revoked <grant>'], 'revoked 00000000\n'],
    ['two values of one name', ['<one>', '<one>'], 'a\nb\n'],
    ['nothing at all', ['wrote plan'], ''],
  ])('does not agree with %s', (_, shown, said) => {
    expect(found(shown, said, new Map([['grant', '3f9c2a7e']]))).toBeUndefined();
  });
});
