/** What a running node does when a promise fails that nobody waits for. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const SOURCE = resolve(import.meta.dirname, '../../../src/cli/node/unforeseen.ts');

/** Runs `lines` in a process of its own: in that of the tests an unhandled rejection belongs to the runner. */
async function run(lines: string): Promise<{ readonly code: number; readonly out: string }> {
  const program = `import { outliveRejections } from ${JSON.stringify(SOURCE)};
    const stop = outliveRejections({ noteFault: (error) => console.log('noted', error?.message ?? error) });
    ${lines}`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
    return { code: 0, out: stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, out: stdout };
  }
}

it('goes on after rejections that nobody handles, and notes each', async () => {
  const ran = await run(`void Promise.reject(new Error('one'));
    void Promise.reject(undefined);
    setImmediate(() => setImmediate(() => console.log('goes on')));`);
  expect(ran).toEqual({ code: 0, out: 'noted one\nnoted undefined\ngoes on\n' });
});

it('ends by an error that is thrown outside of promises, and by a rejection after the node is over', async () => {
  const thrown = await run(`setImmediate(() => { throw new Error('thrown') });
    setImmediate(() => setImmediate(() => console.log('goes on')));`);
  expect(thrown).toEqual({ code: 1, out: '' });
  expect(await run(`stop(); void Promise.reject(new Error('late'));`)).toEqual({
    code: 1,
    out: '',
  });
});
