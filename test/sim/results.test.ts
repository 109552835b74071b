/** The file of last results: each command replaces its own section and leaves the others alone. */
import { describe, expect, it } from 'vitest';
import { renderSection, withSection } from '../../sim/results.ts';

const HEAD = '# Last results\n\nWhat this is.\n';
const WHERE = { commit: '0123456789', date: '2026-11-28T07:00Z', machine: '2 cores' };
const section = (name: string, text: string): string =>
  renderSection({ name, command: `npm run ${name}`, text }, WHERE);

describe('a section', () => {
  it('names commit, date, machine and command, and holds the text as it was printed', () => {
    expect(section('bench', '\na  1\nb  2\n\n')).toBe(
      '## bench\n\nCommit 0123456789, 2026-11-28T07:00Z, 2 cores. `npm run bench`\n\n' +
        '```text\na  1\nb  2\n```\n',
    );
  });

  it('can not be ended by what a command printed', () => {
    expect(section('soak', '```\n## sim\n').match(/```/g)).toHaveLength(2);
  });
});

describe('the file', () => {
  it('gets new sections in the order of the alphabet, below its head', () => {
    let text = HEAD;
    for (const name of ['soak', 'bench', 'sim'])
      text = withSection(text, name, section(name, name));
    expect([...text.matchAll(/^## (.*)$/gm)].map((match) => match[1])).toEqual([
      'bench',
      'sim',
      'soak',
    ]);
    expect(text.startsWith(HEAD)).toBe(true);
  });

  it('is the same when a command records the same again', () => {
    const once = withSection(
      withSection(HEAD, 'sim', section('sim', 'x')),
      'bench',
      section('bench', 'y'),
    );
    expect(withSection(once, 'sim', section('sim', 'x'))).toBe(once);
  });

  it('keeps one result a command, the last', () => {
    const first = withSection(HEAD, 'sim', section('sim', 'old'));
    const second = withSection(first, 'sim', section('sim', 'new'));
    expect(second).toContain('new');
    expect(second).not.toContain('old');
  });
});
