/**
 * How a tool of the built-in server asks the model before the client of a session, also when the call is long over:
 * `sampling/createMessage` (MCP 2025-11-25, `client/sampling`). The stateless era has no question outside of a call.
 */
import { joinSignals } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { askQuestion } from '../wire/question.ts';
import type { ServerChannelInit } from '../channel-types.ts';
import type { ClientSampling } from '../types.ts';

/** What {@link createClientSampling} makes. */
export interface SessionSampling extends ClientSampling {
  /** The session is over: takes its open questions back, and tells who wants to know. */
  end(): void;
}

const METHOD = 'sampling/createMessage';
let asked = 0;

/** The sampling of the channel that was opened with `init`; undefined where its client declares none. */
export function createClientSampling({
  client,
  listener,
}: Pick<ServerChannelInit, 'client' | 'listener'>): SessionSampling | undefined {
  if (client.capabilities['sampling'] === undefined) return undefined;
  const over = new AbortController();
  return {
    ask(params: JsonObject, signal: AbortSignal): Promise<JsonObject | undefined> {
      asked += 1;
      const until = joinSignals(signal, over.signal);
      return askQuestion(
        { id: asked, method: METHOD, params, signal: until.signal },
        {
          ask: (frame, answer) => listener.request(frame, answer),
          takeBack: (frame) => listener.notification(frame),
        },
      ).finally(until.clear);
    },
    over: over.signal,
    end: () => over.abort(),
  };
}
