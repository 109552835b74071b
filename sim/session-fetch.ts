/**
 * `fetch` for the official client's transport. That transport has one AbortSignal for its whole life
 * and hands it to each request; undici adds a listener to the signal for each, and takes it away only
 * when the garbage collector has found the request. After 1,500 requests Node warns of a leak with
 * every further one. So each request gets a signal of its own that follows the transport's.
 */
export function sessionFetch(url: string | URL, init: RequestInit = {}): Promise<Response> {
  const { signal } = init;
  const own = signal instanceof AbortSignal ? { signal: AbortSignal.any([signal]) } : {};
  return fetch(url, { ...init, ...own });
}
