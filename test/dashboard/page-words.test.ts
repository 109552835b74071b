/** What the page says, and what it lets be copied. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { shellWord } from '../../src/dashboard/page/words.ts';

it('quotes each word of a command so that a shell reads that word, and a terminal obeys nothing of it', () => {
  const words = [
    'files/read',
    "it's",
    '$(reboot)',
    'a\u001b[201~\nreboot\n',
    'stop\u0003\r\nreboot\\',
    'turned \u202Eround',
    '\u0085\u2028',
    "both ' and \n",
  ];
  for (const word of words) {
    const quoted = shellWord(word);
    expect(quoted).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    const env = { ...process.env, LC_ALL: 'C.UTF-8' };
    const read = execFileSync('bash', ['-c', `printf %s ${quoted}`], { encoding: 'utf8', env });
    expect(read).toBe(word);
  }
});
