/** What says the events of one stream in another API, and how the events of each API are written. */
import type { JsonObject } from '../../core/index.ts';
import { textIn } from '../json-reading.ts';

/** What a provider's answer is in: the chats of `openai`, messages of `anthropic`, content of `google`, responses of OpenAI. */
export type StreamApi = 'openai' | 'anthropic' | 'google' | 'responses';

/** Takes the events of one API one by one, and gives those of another. */
export interface StreamTranslator {
  /** What one event means; none where the other API has nothing to say. @throws STARLING_MODEL_INVALID */
  push(event: JsonObject): readonly JsonObject[];
  /** What is still to be said once the stream has ended well; default nothing. */
  end?(): readonly JsonObject[];
}

/** The last line of a chat. */
export const CHAT_END = 'data: [DONE]\n\n';

/** One translator after the other: the first one's events are said by the second. */
export function chained(first: StreamTranslator, second: StreamTranslator): StreamTranslator {
  return {
    push: (event) => first.push(event).flatMap((one) => second.push(one)),
    end: () => [
      ...(first.end?.() ?? []).flatMap((one) => second.push(one)),
      ...(second.end?.() ?? []),
    ],
  };
}

/** An event as it is written: those of a chat have no name, all others that of their `type`. */
export function eventText(event: JsonObject): string {
  const type = textIn(event['type']);
  return `${type === '' ? '' : `event: ${type}\n`}data: ${JSON.stringify(event)}\n\n`;
}
