/** Media types in headers of HTTP (RFC 9110 §8.3.1 and §12.5.1): names in any case, parameters beside them. */

/** `type/subtype` of a header's value, in lower case; empty when there is none. */
export function mediaTypeOf(header: string | undefined): string {
  return (header ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** True when `accept` takes `type`. An absent or empty header takes everything. */
export function acceptsType(accept: string | undefined, type: string): boolean {
  if (accept === undefined || accept.trim() === '') return true;
  const family = `${type.split('/', 1)[0]}/*`;
  let best: { readonly rank: number; readonly takes: boolean } | undefined;
  for (const one of accept.split(',')) {
    const rank = ['*/*', family, type].indexOf(mediaTypeOf(one));
    if (rank === -1 || (best !== undefined && best.rank > rank)) continue;
    best = { rank, takes: !/;\s*q=0(?:\.0{0,3})?\s*(?:;|$)/i.test(one) };
  }
  return best?.takes ?? false;
}
