/** What the page says, and what it lets be copied. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { nameOrId, shellWord } from '../../src/dashboard/page/words.ts';

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

it('cuts ids, which begin alike, and no name', () => {
  const did = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK';
  expect(nameOrId(did)).toBe('…EGta2doK');
  expect(nameOrId('12D3KooWHNyRwYtzCgAZ71LLsdQApxtRVkiqz2t')).toBe('…RVkiqz2t');
  expect(nameOrId('laptop-with-a-rather-long-name')).toBe('laptop-with-a-rather-long-name');
  expect(nameOrId('client:claude-desktop-at-work')).toBe('client:claude-desktop-at-work');
});
