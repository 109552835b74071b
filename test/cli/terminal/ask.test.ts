/** Asking before something is changed. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { ask, canAsk } from '../../../src/cli/terminal/questions/ask.ts';

function person(): { readonly input: PassThrough; readonly output: PassThrough } {
  return { input: new PassThrough(), output: new PassThrough() };
}

it.each([
  ['yes\n', 'yes'],
  ['Y\n', 'yes'],
  ['\n', 'no'],
  ['n\n', 'no'],
  ['A\n', 'all'],
])('%j means %s', async (typed, answer) => {
  const talk = person();
  talk.input.write(typed);
  expect(await ask('import it?', ['no', 'yes', 'all'], talk)).toBe(answer);
  expect(String(talk.output.read())).toContain('import it? [no/yes/all] ');
});

it('what is no answer is asked again', async () => {
  const talk = person();
  const asked = ask('import it?', ['no', 'yes'], talk);
  for (const typed of ['perhaps\n', 'y\n']) {
    await once(talk.output, 'data');
    talk.input.write(typed);
  }
  expect(await asked).toBe('yes');
});

it('the next question gets the next answer', async () => {
  const talk = person();
  for (const answer of ['yes', 'no'] as const) {
    const asked = ask('and this?', ['no', 'yes'], talk);
    talk.input.write(`${answer}\n`);
    expect(await asked).toBe(answer);
  }
});

it('who leaves has not agreed', async () => {
  const talk = person();
  const asked = ask('change it?', ['no', 'yes'], talk);
  talk.input.end();
  await expect(asked).rejects.toMatchObject({
    code: 'STARLING_USAGE',
    message: expect.stringContaining('nothing was changed') as string,
  });
});

it('a pipe can not be asked', () => {
  expect(canAsk(person())).toBe(false);
  const terminal = (): PassThrough & { isTTY: boolean } =>
    Object.assign(new PassThrough(), { isTTY: true });
  expect(canAsk({ input: terminal(), output: terminal() })).toBe(true);
  expect(canAsk({ input: terminal(), output: new PassThrough() })).toBe(false);
});
