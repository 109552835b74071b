/**
 * A modern request as servers of the legacy era know requests. The keys of the modern envelope are reserved (MCP
 * 2026-07-28, `basic`), and servers of Python's SDK refuse what has them after `initialize`.
 */
import { META, metaOf } from '../../wire/era.ts';
import { spansOf, spliced } from '../../wire/frame.ts';
import { placesOf } from '../../wire/json-scan.ts';
import type { RequestFrame } from '../../frame-types.ts';

const MODERN_KEYS: ReadonlySet<string> = new Set([
  META.protocolVersion,
  META.clientCapabilities,
  META.clientInfo,
  META.logLevel,
]);

/** The same request without the modern envelope; what else its `_meta` holds stays as it was written. */
export function legacyRequest(request: RequestFrame): RequestFrame {
  const { bytes, params } = request;
  const { meta: span } = spansOf(request);
  if (span === undefined) return request;
  const kept = Object.entries(metaOf(params)).filter(([key]) => !MODERN_KEYS.has(key));
  const rest = Object.fromEntries(kept);
  const { places, repeated } = placesOf(bytes, span.start, Object.keys(rest));
  const members = [...places].map(
    ([key, { start, end }]) => `${JSON.stringify(key)}:${bytes.toString('utf8', start, end)}`,
  );
  // Of a key that comes twice the last one counts, which is what was read.
  const text = repeated === undefined ? `{${members.join(',')}}` : JSON.stringify(rest);
  return Object.assign({}, request, {
    bytes: spliced(bytes, [{ start: span.start, end: span.end, text }]),
    params: Object.assign({}, params, { _meta: rest }),
  });
}
