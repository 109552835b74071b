/** Requests at the door to models, as a program with a key makes them. */
import type { JsonObject } from '../../src/core/index.ts';

/** Posts to the door at `base`; a text goes as it is. */
export function postTo(
  { base, key }: { readonly base: string; readonly key: string },
  path: string,
  body: unknown,
): Promise<Response> {
  return fetch(`${base}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export async function errorOf(response: Response): Promise<unknown> {
  return ((await response.json()) as JsonObject)['error'];
}
