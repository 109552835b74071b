/** A call of a tool by the program that holds the node: a session of one request, by the road of all others. */
import { StarlingError, VERSION, isObject } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { OwnCallOptions } from '../types.ts';
import { META, MODERN_VERSIONS } from '../wire/era.ts';
import { errorFrom, parseFrame, requestBytes } from '../wire/frame.ts';
import type { Session } from './types.ts';

/** How the session is opened and ended. */
export interface OwnCallComponents {
  /** @throws STARLING_LIMIT_EXCEEDED */
  open(): Session;
  ended(session: Session): void;
}

const CLIENT: JsonObject = {
  [META.protocolVersion]: MODERN_VERSIONS[0],
  [META.clientCapabilities]: {},
  [META.clientInfo]: { name: 'library', version: VERSION },
};

/** Calls `name`, and gives the result of MCP. @throws what the tool's server, the guard or the road says */
export async function callOwnTool(
  components: OwnCallComponents,
  name: string,
  args: JsonObject,
  { onProgress, signal }: OwnCallOptions,
): Promise<JsonObject> {
  signal?.throwIfAborted();
  const session = components.open();
  const token = onProgress === undefined ? {} : { progressToken: 1 };
  const params = { name, arguments: args, _meta: { ...CLIENT, ...token } };
  const gone = (): void => session.end();
  signal?.addEventListener('abort', gone, { once: true });
  try {
    return await new Promise<JsonObject>((resolve, reject) => {
      const hear = (message: Buffer): void => progressIn(message, onProgress);
      session.receive(parseFrame(requestBytes(1, 'tools/call', params)), {
        interim: hear,
        urgent: hear,
        dropped: () => reject(givenUp()),
        final(message) {
          const frame = parseFrame(message);
          if (frame.kind !== 'response' || frame.error !== undefined) {
            reject(frame.kind === 'response' && frame.error ? errorFrom(frame.error) : givenUp());
          } else resolve((JSON.parse(message.toString('utf8')) as { result: JsonObject }).result);
        },
      });
      signal?.addEventListener('abort', () => reject(givenUp()), { once: true });
    });
  } finally {
    signal?.removeEventListener('abort', gone);
    session.end();
    components.ended(session);
  }
}

function progressIn(message: Buffer, onProgress: OwnCallOptions['onProgress']): void {
  const frame = parseFrame(message);
  if (frame.kind !== 'notification' || frame.method !== 'notifications/progress') return;
  const { progress, total, message: text } = frame.params;
  if (typeof progress !== 'number' || !isObject(frame.params)) return;
  onProgress?.({
    progress,
    ...(typeof total === 'number' ? { total } : {}),
    ...(typeof text === 'string' ? { message: text } : {}),
  });
}

function givenUp(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'the call was given up');
}
