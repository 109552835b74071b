/**
 * URIs of resources as a caller knows them. They stay as they are; only where two servers use the same
 * one, the later gets an alias, `starling://<server>/<its URI, encoded>`. Templates (RFC 6570) are
 * matched in linear time, because they come from anybody: by their literal parts, which occur in order.
 */

const EXPRESSION = /(\{[^}]*\})/u;

/** The alias of `uri` of the server that `prefix` names; a template remains one. */
export function aliasOf(prefix: string, uri: string): string {
  const encoded = uri
    .split(EXPRESSION)
    .map((part, index) => (index % 2 === 1 ? part : encodeURIComponent(part)));
  return `starling://${prefix}/${encoded.join('')}`;
}

/** True when `uri` may come from `template`; what this lets through wrongly, the server refuses. */
export function fitsTemplate(template: string, uri: string): boolean {
  return expansionsIn(template, uri) !== undefined;
}

/** What the server calls `uri`, which fits `alias` here: the server calls that template `template`. */
export function translate(uri: string, alias: string, template: string): string {
  const values = alias === template ? undefined : expansionsIn(alias, uri);
  if (values === undefined) return uri;
  return literalsOf(template)
    .map((literal, index) => `${literal}${values[index] ?? ''}`)
    .join('');
}

/** What stands in `uri` for each expression of `template`. */
function expansionsIn(template: string, uri: string): readonly string[] | undefined {
  const literals = literalsOf(template);
  const [first = ''] = literals;
  if (literals.length === 1) return uri === first ? [] : undefined;
  const last = literals.at(-1) ?? '';
  const end = uri.length - last.length;
  if (end < first.length || !uri.startsWith(first) || !uri.endsWith(last)) return undefined;
  const values: string[] = [];
  let at = first.length;
  for (const literal of literals.slice(1, -1)) {
    const found = uri.indexOf(literal, at);
    if (found === -1 || found + literal.length > end) return undefined;
    values.push(uri.slice(at, found));
    at = found + literal.length;
  }
  return [...values, uri.slice(at, end)];
}

function literalsOf(template: string): readonly string[] {
  return template.split(EXPRESSION).filter((_, index) => index % 2 === 0);
}
