/** What shells complete, asked of the shells themselves where they are there (`npm run machine` installs them). */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { run, temporaryFolder } from '../../support.ts';

const exec = promisify(execFile);

/** How each shell is asked what may follow `$2 …` on the line, with the script in `$1`. */
const ASKED: Readonly<Record<string, string>> = {
  bash: 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _starling; printf "%s\\n" "${COMPREPLY[@]}"',
  zsh: 'compdef() { }; source "$1"; shift; words=("$@"); CURRENT=$#; _describe() { print -l -- "${found[@]}" }; _starling',
  fish: 'source $argv[1]; complete -C (string join " " -- $argv[2..-1])',
};

async function isThere(shell: string): Promise<boolean> {
  return exec(shell, ['-c', 'true']).then(
    () => true,
    () => false,
  );
}

const shells = await Promise.all(
  Object.keys(ASKED).map(async (shell) => ({ shell, there: await isThere(shell) })),
);

/** The words that a shell offers for a line. */
async function offered(shell: string, ...line: readonly string[]): Promise<readonly string[]> {
  const script = join(await temporaryFolder(), 'script');
  await writeFile(script, (await run('completion', shell)).stdout);
  const asked = ASKED[shell] ?? '';
  const args =
    shell === 'fish' ? ['-c', asked, script, ...line] : ['-c', asked, shell, script, ...line];
  const { stdout } = await exec(shell, args);
  // Zsh has all words with their texts, and chooses among them itself; fish puts a tab before the text.
  return stdout
    .split('\n')
    .map((one) => one.split(/[\t:]/, 1)[0] ?? '')
    .filter(Boolean);
}

describe.each(shells)('$shell', ({ shell, there }) => {
  it.runIf(there)('completes commands, those below them, and options', async () => {
    expect(await offered(shell, 'starling', 'gr')).toContain('grant');
    expect(await offered(shell, 'starling', 'grant', 'cr')).toContain('create');
    expect(await offered(shell, 'starling', 'grant', 'create', '--to')).toContain('--tool');
    expect(await offered(shell, 'starling', 'completion', 'fi')).toContain('fish');
    expect(await offered(shell, 'starling', 'grant', 'cr')).not.toContain('doctor');
  });
});

it('knows no other shell', async () => {
  const { code, stderr } = await run('completion', 'cmd');
  expect(code).toBe(2);
  expect(stderr).toContain('bash, zsh, fish');
});
