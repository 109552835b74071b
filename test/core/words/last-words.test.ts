/** Which line of those that a program wrote before its end is quoted. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { lastWordsOf } from '../../../src/core/index.ts';

/** The lines that a program of Node.js writes to its standard error. */
function ofNode(...args: string[]): readonly string[] {
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return stderr.split('\n').slice(-20);
}

describe('the last words of a program', () => {
  it('are those of the error that nobody caught, not the end of its trace', () => {
    expect(lastWordsOf(ofNode('-e', "require('./not-there')"))).toBe(
      "Error: Cannot find module './not-there'",
    );
    expect(lastWordsOf(ofNode('--input-type=module', '-e', "import './not-there.mjs'"))).toMatch(
      /^Error \[ERR_MODULE_NOT_FOUND\]: Cannot find module '.*not-there\.mjs'/,
    );
    expect(lastWordsOf(ofNode('-e', "require('fs').readFileSync('/not/there')"))).toBe(
      "Error: ENOENT: no such file or directory, open '/not/there'",
    );
    expect(lastWordsOf(ofNode('-e', 'let a b'))).toMatch(/^SyntaxError: Unexpected identifier/);
  });

  it.each([
    ['Traceback (most recent call last):|  File "a.py", line 1|KeyError: \'X\'|', "KeyError: 'X'"],
    [
      'panic: no port||goroutine 1 [running]:|main.main()|\t/a.go:3 +0x1d|exit status 2',
      'panic: no port',
    ],
    [
      'Exception in thread "main" java.lang.Ex: no|\tat a.B.c(B.java:1)',
      'Exception in thread "main" java.lang.Ex: no',
    ],
    [
      'npm error code E404|npm error 404 Not Found - GET a|npm error 404|npm error A complete log of this run can be found in: b',
      'npm error 404 Not Found - GET a',
    ],
    [
      'npm ERR! code ENOENT|npm ERR! A complete log of this run can be found in: b',
      'npm ERR! A complete log of this run can be found in: b',
    ],
    // Without a trace the last line is what the program chose to say last.
    ['Error: no cache|fatal: the port is taken', 'fatal: the port is taken'],
    ['usage: tool FOLDER|', 'usage: tool FOLDER'],
    ['    at a|  at b', '  at b'],
  ])('of %j are %j', (text, words) => {
    expect(lastWordsOf(text.split('|'))).toBe(words);
  });

  it('are none where nothing was written', () => {
    expect(lastWordsOf([])).toBeUndefined();
    expect(lastWordsOf(['', ' '])).toBeUndefined();
  });
});
