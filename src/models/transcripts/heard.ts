/** Reads along with one call: what it says to its model, and what the model says, each up to a length. */
import type { ModelAnswer, ModelForm, ReadCall } from '../types.ts';
import { followStream } from '../providers/follow-stream.ts';
import { createSaid, readSaid, streamApiOf } from '../routing/final-answer.ts';
import type { SaidAnswer } from '../routing/final-answer.ts';

const SAYING: readonly ModelForm[] = ['chat', 'messages', 'responses'];

/** The texts of one call. */
export interface Texts {
  /** The request as it was sent, JSON. */
  readonly request: string;
  /** What the model said, with the tools that it called; of what says nothing in words, the JSON that came. */
  readonly answer: string;
  /** One of the two was longer. */
  readonly isCut: boolean;
}

/** Listens to `call`, and keeps so many characters of each text. */
export function listenTo(
  { body, form }: Pick<ReadCall, 'body' | 'form'>,
  textMax: number,
): { along(answer: ModelAnswer): AsyncIterable<Uint8Array>; texts(): Texts } {
  let read = (): string => '';
  return {
    along(answer) {
      const isSaid = SAYING.includes(form);
      const ear = isSaid && answer.isStream ? ofStream(form, textMax) : ofWhole(form);
      read = () => ear.text();
      return heard(answer.body, ear);
    },
    texts() {
      // Of one character there are four bytes at the most.
      const request = body.subarray(0, 4 * textMax).toString('utf8');
      const answer = read();
      return {
        request: request.slice(0, textMax),
        answer: answer.slice(0, textMax),
        isCut: request.length > textMax || answer.length > textMax,
      };
    },
  };
}

interface Ear {
  hear(chunk: Uint8Array): void;
  text(): string;
}

async function* heard(
  body: AsyncIterable<Uint8Array>,
  ear: Pick<Ear, 'hear'>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    ear.hear(chunk);
    yield chunk;
  }
}

/** An answer that is not streamed is in memory as a whole already. */
function ofWhole(form: ModelForm): Ear {
  const chunks: Uint8Array[] = [];
  return {
    hear(chunk) {
      chunks.push(chunk);
    },
    text() {
      const bytes = Buffer.concat(chunks);
      const said = SAYING.includes(form) ? readSaid(form, false, bytes) : undefined;
      return said === undefined ? bytes.toString('utf8') : textOf(said);
    },
  };
}

function ofStream(form: ModelForm, textMax: number): Ear {
  const said = createSaid(form, textMax);
  // One event may be as long as the node lets it be: the call itself is bounded.
  const follower = followStream(streamApiOf(form), 'the model', Infinity);
  let isBroken = false;
  return {
    hear(chunk) {
      if (isBroken) return;
      try {
        said.push(follower.push(chunk));
      } catch {
        // The caller is told what is wrong with it; what came before is kept.
        isBroken = true;
      }
    },
    text: () => textOf(said.answer()),
  };
}

function textOf({ calls, text }: SaidAnswer): string {
  const called = calls.map(({ args, name }) => `→ ${name} ${JSON.stringify(args ?? null)}`);
  return [...(text === '' ? [] : [text]), ...called].join('\n');
}
