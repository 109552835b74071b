/** What one session hears of resources of the built-in server. */
import { BUILTIN_SERVER, StarlingError, printable } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { notificationBytes, parseFrame } from '../wire/frame.ts';
import type { ServerChannelInit } from '../channel-types.ts';
import type { BuiltinContext, BuiltinTemplate } from '../types.ts';

const UPDATED = 'notifications/resources/updated';
/** Resources that one session may hear of. */
const WATCHES_MAX = 1000;

/** The subscriptions of one channel. */
export interface BuiltinSubscriptions {
  /**
   * Serves `resources/subscribe` and `resources/unsubscribe`.
   * @throws STARLING_USAGE for a resource that there is not, STARLING_LIMIT_EXCEEDED, and as the template does
   */
  serve(method: string, uri: unknown, context: BuiltinContext): Promise<JsonObject>;
  /** Ends all of them. */
  close(): void;
}

/** Makes the subscriptions of one channel, none at first. */
export function createBuiltinSubscriptions(
  templates: readonly BuiltinTemplate[],
  { listener }: Pick<ServerChannelInit, 'listener'>,
): BuiltinSubscriptions {
  const watches = new Map<string, () => void>();
  /** What is asked for and not heard of yet: it has its place, and its end may come before. */
  const coming = new Map<string, object>();
  let isClosed = false;
  const changed = (uri: string) => (): void => {
    const frame = parseFrame(notificationBytes(UPDATED, { uri }));
    if (!isClosed && frame.kind === 'notification') listener.notification(frame);
  };
  const watch = async (uri: string, context: BuiltinContext): Promise<void> => {
    if (watches.has(uri)) return;
    if (!coming.has(uri) && watches.size + coming.size >= WATCHES_MAX) throw tooMany();
    const turn = {};
    coming.set(uri, turn);
    try {
      for (const template of templates) {
        const end = await template.watch(uri, context, changed(uri));
        if (end === undefined) continue;
        // Another request for the same one, its end, or that of the channel, may have come meanwhile.
        if (isClosed || coming.get(uri) !== turn) end();
        else watches.set(uri, end);
        return;
      }
    } finally {
      if (coming.get(uri) === turn) coming.delete(uri);
    }
    throw new StarlingError(
      'STARLING_USAGE',
      `server '${BUILTIN_SERVER}' has no resource '${printable(uri)}' that changes`,
    );
  };
  return {
    async serve(method, uri, context) {
      if (typeof uri !== 'string')
        throw new StarlingError('STARLING_USAGE', '"uri" must be a text');
      if (method === 'resources/subscribe') await watch(uri, context);
      else {
        coming.delete(uri);
        watches.get(uri)?.();
        watches.delete(uri);
      }
      return {};
    },
    close() {
      isClosed = true;
      for (const end of watches.values()) end();
      watches.clear();
    },
  };
}

function tooMany(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `this session hears of ${WATCHES_MAX} resources of server '${BUILTIN_SERVER}' already`,
    { hint: 'unsubscribe from some of them' },
  );
}
