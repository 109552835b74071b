/** Asks a person for what nobody else may see: nothing of the answer appears on the terminal. */
import { StringDecoder } from 'node:string_decoder';
import { Secret, StarlingError } from '../../../core/index.ts';
import { interrupted } from '../interrupted.ts';

/** A terminal: raw mode is what keeps the answer off the screen. */
export interface HiddenConversation {
  readonly input: NodeJS.ReadableStream & { setRawMode?(mode: boolean): unknown };
  readonly output: NodeJS.WritableStream;
}

const TERMINAL: HiddenConversation = { input: process.stdin, output: process.stderr };
const LENGTH_MAX = 64 * 1024;
/** What arrows and function keys send (ECMA-48 §5.4): no part of the answer. */
const KEY_SEQUENCE = /\u001B(?:\[[0-9;?]*[@-~]|O[ -~]|[^[O])/g;
/** The start of such a sequence whose end comes with the next chunk. */
const SEQUENCE_START = /\u001B(?:\[[0-9;?]{0,16}|O)?$/;

/**
 * Asks and waits as long as the person types. Backspace and Ctrl-U work.
 * @throws STARLING_INTERRUPTED when the person leaves by Ctrl-C; STARLING_USAGE by Ctrl-D, and when the
 * answer has no end
 */
export async function askHidden(
  question: string,
  { input, output }: HiddenConversation = TERMINAL,
): Promise<Secret> {
  // Raw mode comes before the question, or the answer of a fast typist would be seen.
  input.setRawMode?.(true);
  try {
    output.write(question);
    return new Secret(await readLine(input));
  } finally {
    input.setRawMode?.(false);
    input.pause();
    output.write('\n');
  }
}

function readLine(input: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    const decoder = new StringDecoder('utf8');
    let typed: string[] = [];
    let begun = '';
    const finish = (end: () => void): void => {
      input.off('data', heard);
      input.off('end', left);
      end();
    };
    const left = (): void => finish(() => reject(nobodyAnswered()));
    const heard = (chunk: Buffer | string): void => {
      const text = begun + (typeof chunk === 'string' ? chunk : decoder.write(chunk));
      begun = SEQUENCE_START.exec(text)?.[0] ?? '';
      const whole = text.slice(0, text.length - begun.length).replaceAll(KEY_SEQUENCE, '');
      for (const character of whole) {
        if (character === '\r' || character === '\n') {
          return finish(() => resolve(typed.join('')));
        }
        if (character === '\u0003') {
          return finish(() => reject(interrupted('nothing was done')));
        }
        if (character === '\u0004') return left();
        if (character === '\u007F' || character === '\b') typed.pop();
        else if (character === '\u0015') typed = [];
        else if (character >= ' ') typed.push(character);
        if (typed.length > LENGTH_MAX) return left();
      }
    };
    input.on('data', heard);
    input.once('end', left);
    input.resume();
  });
}

function nobodyAnswered(): StarlingError {
  return new StarlingError('STARLING_USAGE', 'nothing was done, because nobody answered', {
    hint: 'run it again and answer',
  });
}
