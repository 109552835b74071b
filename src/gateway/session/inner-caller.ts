/** Whoever works inside of the node and calls as others do: each request goes the road of all callers, by the rights of now. */
import { StarlingError } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { InnerCaller } from '../inner-types.ts';
import { errorFrom, parseFrame, requestBytes } from '../wire/frame.ts';
import { keyOfId } from '../wire/frame-id.ts';
import { NO_REPLY } from '../wire/reply.ts';
import { createInnerSessions } from './inner-sessions.ts';
import type { InnerSessionsComponents } from './inner-sessions.ts';

/** Makes a caller, which has no session before its first request. `principal` is asked before each of them. */
export function createInnerCaller(
  components: InnerSessionsComponents,
  principal: () => Principal,
): InnerCaller {
  const sessions = createInnerSessions(components);
  let lastId = 0;
  return {
    async request(method, params, signal) {
      signal.throwIfAborted();
      const session = sessions.of(principal());
      const id = (lastId += 1);
      let gone: (() => void) | undefined;
      try {
        return await new Promise<JsonObject>((resolve, reject) => {
          gone = () => {
            session.abandon(keyOfId(id), 'its caller gave it up');
            reject(signal.reason instanceof Error ? signal.reason : overError());
          };
          signal.addEventListener('abort', gone, { once: true });
          session.receive(parseFrame(requestBytes(id, method, params)), {
            ...NO_REPLY,
            dropped: () => reject(overError()),
            final(message) {
              const frame = parseFrame(message);
              if (frame.kind !== 'response') reject(overError());
              else if (frame.result !== undefined) resolve(frame.result);
              else reject(frame.error === undefined ? overError() : errorFrom(frame.error));
            },
          });
        });
      } finally {
        if (gone !== undefined) signal.removeEventListener('abort', gone);
      }
    },
    originOf: (name) => sessions.of(principal()).originOf(name),
    close: () => sessions.end(),
  };
}

function overError(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'the call was given up');
}
