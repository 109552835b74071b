/** A form of a server, answered at the terminal. */
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { askForm } from '../../../src/cli/terminal/questions/ask-form.ts';
import type { JsonObject } from '../../../src/core/index.ts';

interface Talk {
  readonly input: PassThrough & { isTTY: boolean };
  readonly output: PassThrough & { isTTY: boolean };
}

let told = '';

beforeEach(() => {
  told = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    told += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

function talk(...lines: readonly string[]): Talk {
  const end = (): PassThrough & { isTTY: boolean } =>
    Object.assign(new PassThrough(), { isTTY: true });
  const conversation = { input: end(), output: end() };
  conversation.input.write(lines.map((line) => `${line}\n`).join(''));
  return conversation;
}

const FORM: JsonObject = {
  message: 'Who are you?\n\u001B[2J12:00:00 laptop joined',
  requestedSchema: {
    type: 'object',
    properties: {
      name: { type: 'string', title: 'Your name', description: 'As in your passport' },
      age: { type: 'integer', minimum: 0 },
      agree: { type: 'boolean', default: true },
      colour: { type: 'string', enum: ['r', 'g'], enumNames: ['Red', 'Green'] },
    },
    required: ['name', 'colour'],
  },
};

describe('a form', () => {
  it('is answered field by field, and sent once the person agrees', async () => {
    const conversation = talk('', 'Ada', 'old', '36', '', '3', '2', 'y');
    expect(await askForm(FORM, 'the server of x__y', { conversation })).toEqual({
      action: 'accept',
      content: { name: 'Ada', age: 36, agree: true, colour: 'g' },
    });
    expect(told).toContain('the server of x__y asks:\n  Who are you?\n');
    // What a server says can't pass for a line of this program.
    expect(told).toMatch(/\n {2}\ufffd\[2J12:00:00 laptop joined\n/);
    expect(told).toContain('name (Your name): As in your passport\n');
    expect(told).toContain('  this is needed\n');
    expect(told).toContain('  this is a whole number from 0\n');
    expect(told).toContain('    2  Green\n');
    expect(String(conversation.output.read())).toContain(
      'Send these answers to the server of x__y?',
    );
  });

  it('leaves out what is left out', async () => {
    const conversation = talk('Ada', '', 'no', '1', 'yes');
    expect(await askForm(FORM, 'it', { conversation })).toEqual({
      action: 'accept',
      content: { name: 'Ada', agree: false, colour: 'r' },
    });
  });

  it('is declined by a no', async () => {
    const conversation = talk('Ada', '', '', '1', 'n');
    expect(await askForm(FORM, 'it', { conversation })).toEqual({ action: 'decline' });
  });

  it('is answered with nothing by Ctrl-D', async () => {
    const conversation = talk('Ada');
    conversation.input.end();
    expect(await askForm(FORM, 'it', { conversation })).toEqual({ action: 'cancel' });
  });

  it('is put away when it is not asked any more', async () => {
    const gone = new AbortController();
    const asked = askForm(FORM, 'it', { conversation: talk(), signal: gone.signal });
    gone.abort(new Error('over'));
    await expect(asked).rejects.toThrow('over');
  });

  it.each([
    ['of another mode', { ...FORM, mode: 'url' }],
    ['without fields', { message: 'x' }],
    [
      'of more fields than a person fills in',
      {
        requestedSchema: {
          properties: Object.fromEntries(
            Array.from({ length: 41 }, (_, at) => [`f${at}`, { type: 'string' }]),
          ),
        },
      },
    ],
  ])('%s is declined, and nobody is asked', async (_, params) => {
    expect(await askForm(params, 'it', { conversation: talk() })).toEqual({ action: 'decline' });
    expect(told).toBe('');
  });
});
