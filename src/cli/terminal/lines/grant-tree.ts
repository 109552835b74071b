/** Draws the chain of a grant: the grant itself on top, below it what it stands on. */
import type { ShownChain, ShownLink } from '../../../grants/index.ts';
import { rightText } from '../../../core/words/right-words.ts';
import { shortId } from '../../../identity/short-id.ts';
import { duration, safeLine } from '../output.ts';

/** A did:key in a reason, which knows no names. */
const DID = /did:key:z[1-9A-HJ-NP-Za-km-z]{40,64}/g;

/** The chain as lines. `names` are aliases by did:key; times are told from `nowMs`. */
export function drawChain(
  chain: ShownChain,
  names: Readonly<Record<string, string>>,
  nowMs: number,
): string {
  const byHash = new Map(chain.links.map((link) => [link.hash, link]));
  const drawn = new Set<string>();
  const nameOf = (did: string): string =>
    names[did] ?? `${shortId(did)}${did === chain.owner ? ' (owner)' : ''}`;

  const draw = (hash: string, first: string, rest: string): string[] => {
    const link = byHash.get(hash);
    if (link === undefined) return [`${first}${hash.slice(0, 8)}  missing`];
    const head = `${first}${link.id.slice(0, 8)}  ${nameOf(link.issuer)} → ${nameOf(link.audience)}, ${endOf(link, nowMs)}`;
    if (drawn.has(hash)) return [`${head} (see above)`];
    drawn.add(hash);
    const bar = link.parents.length > 0 ? '│ ' : '  ';
    const lines = [
      ...link.allows.map((what) => `${rest}${bar}  ${inWords(what)}`),
      ...link.narrows.map((what) => `${rest}${bar}  narrows: ${what}`),
      ...(link.handsMax > 0
        ? [
            `${rest}${bar}  may be handed on ${link.handsMax === 1 ? 'once' : `${link.handsMax} times`}`,
          ]
        : []),
    ];
    const below = link.parents.flatMap((parent, index) => {
      const isLast = index === link.parents.length - 1;
      return draw(parent, `${rest}${isLast ? '└─ ' : '├─ '}`, `${rest}${isLast ? '   ' : '│  '}`);
    });
    return [head, ...lines, ...below];
  };
  const [leaf] = chain.links;
  const lines = leaf === undefined ? [] : draw(leaf.hash, '', '');
  const verdict = chain.valid
    ? ['valid']
    : [
        `not valid: ${chain.rule ?? ''}`,
        ...(chain.reason ?? '').split('\n').map((one) => `  ${one.replaceAll(DID, nameOf)}`),
      ];
  return [...lines, ...verdict].map(safeLine).join('\n');
}

/** A right as the chain has it, `tool/call tool:files/* (5 uses)`, as a person says it. */
function inWords(what: string): string {
  return what.replace(/^(\S+) (\S+)/, (_, ability: string, resource: string) =>
    rightText(ability, resource),
  );
}

function endOf({ startsAt, endsAt }: ShownLink, nowMs: number): string {
  if (endsAt <= nowMs) return `ended ${duration(nowMs - endsAt)} ago`;
  const ends = `ends in ${duration(endsAt - nowMs)}`;
  return startsAt !== undefined && startsAt > nowMs
    ? `begins in ${duration(startsAt - nowMs)}, ${ends}`
    : ends;
}
