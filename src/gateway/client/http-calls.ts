/** Calls by HTTP: each is a request of its own, `POST /mcp/tools/<name>`. */
import { StarlingError, isObject, parseStrictJson } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { answeredError, notReached } from './answered-error.ts';
import type { DoorCaller } from './caller.ts';

/** An answer that is longer is given up, in bytes. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const DEPTH_MAX = 1000;

/** Calls tools of the node at `door` with `key`. */
export function httpCaller(door: URL, key: string): DoorCaller {
  return {
    async call({ name, args, signal }) {
      const url = new URL(`/mcp/tools/${encodeURIComponent(name)}`, door);
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify(args),
          // A key goes to no other address than the one that was named.
          redirect: 'error',
          signal,
        });
        return resultIn(await textOf(response), response, door.host);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof StarlingError) throw error;
        throw notReached(door.host, error instanceof Error ? (error.cause ?? error) : error);
      }
    },
    close: () => undefined,
  };
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > ANSWER_BYTES_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `an answer of over ${ANSWER_BYTES_MAX} bytes`,
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function resultIn(text: string, { ok, status }: Response, host: string): JsonObject {
  const body = parsed(text);
  if (ok && isObject(body)) return body;
  const error = isObject(body) ? body['error'] : undefined;
  if (isObject(error)) throw answeredError(error);
  throw notReached(host, new Error(`HTTP ${status}, and what is no answer of a node`));
}

function parsed(text: string): Json | undefined {
  try {
    return parseStrictJson(text, DEPTH_MAX) as Json;
  } catch {
    // What is no JSON is no answer of a node.
    return undefined;
  }
}
