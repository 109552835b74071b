/** Asks a person before something is changed. */
import { createInterface } from 'node:readline';
import { StarlingError } from '../../../core/errors.ts';
import { interrupted } from '../interrupted.ts';
import { forTerminal } from '../output.ts';

/** Where a question goes, and where the answer comes from. */
export interface Conversation {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream & {
    readonly isTTY?: boolean;
    readonly columns?: number;
  };
}

/** Whoever started the command; read anew for each question. */
export const TERMINAL: Conversation = { input: process.stdin, output: process.stderr };

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
  return converse(
    async (put) => {
      for (;;) {
        const said = await put(`${question} [${answers.join('/')}] `);
        const found = answers.find((answer) => answer.startsWith(said.toLowerCase()));
        if (found !== undefined) return found;
      }
    },
    { conversation },
  );
}

/** Puts one question; gives what was typed, without spaces around it. */
export type Put = (question: string) => Promise<string>;

/** With whom is spoken, and what ends that before the person does: its reason is thrown. */
export interface ConverseInit {
  readonly conversation?: Conversation;
  readonly signal?: AbortSignal;
}

/**
 * Several questions in one go, so that what is typed ahead is not lost between them.
 * @throws STARLING_INTERRUPTED when the person leaves by Ctrl-C, STARLING_USAGE by Ctrl-D
 */
export async function converse<T>(
  work: (put: Put) => Promise<T>,
  { conversation = TERMINAL, signal }: ConverseInit = {},
): Promise<T> {
  const { input, output } = conversation;
  const lines = createInterface({ input, output });
  const said: string[] = [];
  let over: Error | undefined;
  let wake = (): void => undefined;
  const leave = (why: Error): void => {
    over ??= why;
    wake();
  };
  const closed = (): void => leave(nothingAgreed());
  const ended = (): void => {
    output.write('\n');
    leave(signal?.reason as Error);
  };
  lines.on('line', (line) => {
    said.push(line);
    wake();
  });
  lines.once('close', closed);
  lines.once('SIGINT', () => {
    // What follows on the terminal begins on a line of its own.
    output.write('\n');
    leave(interrupted('nothing was changed'));
  });
  signal?.addEventListener('abort', ended, { once: true });
  const put: Put = async (question) => {
    if (over === undefined) {
      lines.setPrompt(forTerminal(question, output));
      lines.prompt();
    }
    for (;;) {
      const line = said.shift();
      if (line !== undefined) return line.trim();
      if (over !== undefined) throw over;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  try {
    signal?.throwIfAborted();
    return await work(put);
  } finally {
    signal?.removeEventListener('abort', ended);
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
