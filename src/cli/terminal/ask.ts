/** Asks a person before something is changed. */
import { createInterface } from 'node:readline/promises';
import { StarlingError } from '../../core/errors.ts';
import { interrupted } from './interrupted.ts';
import { forTerminal } from './output.ts';

/** Where a question goes, and where the answer comes from. */
export interface Conversation {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & {
    readonly isTTY?: boolean;
    readonly columns?: number;
  };
}

const TERMINAL: Conversation = { input: process.stdin, output: process.stderr };

/** Whether a person sits at both ends: a pipe can't be asked. */
export function canAsk({ input, output }: Conversation = TERMINAL): boolean {
  return input.isTTY === true && output.isTTY === true;
}

/**
 * Asks until the answer is one of `answers` (their first letters do; Enter means the first one). Waits
 * as long as the person thinks.
 * @throws STARLING_INTERRUPTED when the person leaves by Ctrl-C, STARLING_USAGE by Ctrl-D
 */
export async function ask<T extends string>(
  question: string,
  answers: readonly [T, ...T[]],
  conversation: Conversation = TERMINAL,
): Promise<T> {
  const lines = createInterface({ input: conversation.input, output: conversation.output });
  const { promise: left, leave } = leaving();
  const closed = (): void => leave(nothingAgreed());
  lines.once('close', closed);
  lines.once('SIGINT', () => {
    // What follows on the terminal begins on a line of its own.
    conversation.output.write('\n');
    leave(interrupted('nothing was changed'));
  });
  try {
    for (;;) {
      const asked = lines.question(
        forTerminal(`${question} [${answers.join('/')}] `, conversation.output),
      );
      const said = (await Promise.race([asked, left])).trim().toLowerCase();
      const found = answers.find((answer) => answer.startsWith(said));
      if (found !== undefined) return found;
    }
  } finally {
    lines.off('close', closed);
    lines.close();
  }
}

/** The error where nobody can be asked and nobody has agreed beforehand. */
export function nobodyAgreed(what: string): StarlingError {
  return new StarlingError('STARLING_USAGE', `${what}, and nobody can be asked here`, {
    hint: 'look at what is shown above, then agree with --yes',
  });
}

function nothingAgreed(): StarlingError {
  return new StarlingError('STARLING_USAGE', 'nothing was changed, because nobody agreed', {
    hint: 'run it again and answer, or agree beforehand with --yes',
  });
}

/** A promise that rejects when `leave` is called: when the person leaves the question. */
function leaving(): { readonly promise: Promise<never>; leave(this: void, why: Error): void } {
  let leave: (why: Error) => void = () => undefined;
  const promise = new Promise<never>((_, reject) => {
    leave = reject;
  });
  return { promise, leave };
}
