/**
 * A node each of whose texts holds markup: every name, description, value, log line and error that its own page gets, whoever
 * may choose it and whatever the node would let through. What the page asks goes to the real node, without that markup.
 */
import type { Page, Route } from 'playwright-core';

/** Words that the node itself has chosen, by which the page tells things apart. */
const OWN_KEYS: ReadonlySet<string> = new Set(
  'jsonrpc protocolVersion type method status state direction unit startedAt endedAt submittedAt deadline last_seen'.split(
    ' ',
  ),
);

/** Has all answers to the page hold `markup` in each of their texts, from now on. */
export async function speakMarkup(page: Page, markup: string): Promise<void> {
  await page.route('**/mcp', async (route: Route) => {
    const request = route.request();
    const headers = { ...(await request.allHeaders()), origin: new URL(request.url()).origin };
    const postData = (request.postData() ?? '').replaceAll(markup, '');
    const response = await route.fetch({ headers, postData });
    const body = await response.text();
    await route.fulfill({ response, body: marked(body, markup) });
  });
}

/** An answer, or a stream of events with one. */
function marked(body: string, markup: string): string {
  if (body.startsWith('{')) return JSON.stringify(markedValue(JSON.parse(body), markup));
  return body.replaceAll(
    /^data: (\{.*)$/gm,
    (_, json: string) => `data: ${JSON.stringify(markedValue(JSON.parse(json), markup))}`,
  );
}

function markedValue(value: unknown, markup: string, areNames = false): unknown {
  if (typeof value === 'string') return `${value}${markup}`;
  if (Array.isArray(value)) return value.map((one) => markedValue(one, markup));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => {
    const isOwn = OWN_KEYS.has(key) && typeof inner === 'string';
    // What a schema calls its arguments is a stranger's choice, too.
    const text = isOwn ? inner : markedValue(inner, markup, key === 'properties');
    return [areNames ? `${key}${markup}` : key, text];
  });
  return Object.fromEntries(entries);
}
