/** `starling grant list` */
import type { GrantListResult, GrantSummary } from '../../../builtin/results.ts';
import { shownName } from '../../../core/words/shown-name.ts';
import { rightText } from '../../../core/words/right-words.ts';
import { shortId } from '../../../identity/short-id.ts';
import { printable } from '../../../core/words/text.ts';
import { asSentence, duration, printData, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the grants, newest first; with `peer` those to it and from it. */
export async function run(
  peer: string | undefined,
  options: CommonOptions & { readonly all?: boolean; readonly wide?: boolean },
): Promise<void> {
  const all = await withNode(options, (node) =>
    node.builtin<GrantListResult>('grant_list', options.all === true ? { all: true } : {}),
  );
  const result = {
    ...all,
    grants: all.grants.filter((grant) => peer === undefined || isOf(grant, peer)),
  };
  printData(result, options.json === true, () => {
    if (result.grants.length === 0 && peer !== undefined)
      return asSentence(
        `no grants to ${peer} or from it; all: starling grant list; peers: starling peers`,
      );
    if (result.grants.length === 0)
      return asSentence(
        'no grants yet; make one with: starling grant create <peer> --tool <server>/<tool>',
      );
    const rows = result.grants.map((grant) => [
      grant.id.slice(0, 8),
      whoOf(grant),
      stateOf(grant),
      endOf(grant),
      grant.capabilities
        .map(({ ability, resource, caveats }, index) => {
          const conditions = Object.keys(caveats ?? {}).map((name) =>
            conditionText(grant, index, name),
          );
          const what =
            options.wide === true ? `${ability} ${resource}` : rightText(ability, resource);
          return conditions.length === 0 ? what : `${what} (${conditions.join(', ')})`;
        })
        .join(', '),
    ]);
    return table(['ID', 'WHO', 'STATE', 'EXPIRES', 'WHAT'], rows, { flexible: 4, wrap: true });
  });
}

function isOf({ with: alias, newName, did, ticket }: GrantSummary, peer: string): boolean {
  return ticket === undefined && [alias, newName, did, shortId(did)].includes(peer);
}

function whoOf({ direction, ticket, with: alias, newName, did }: GrantSummary): string {
  if (ticket !== undefined) return 'a ticket';
  const other = alias === did ? shortId(did) : shownName({ alias, newName });
  return direction === 'issued' ? `to ${other}` : `from ${other}`;
}

/** A grant all of whose uses are taken counts for nothing; only its owner knows that. */
function stateOf(grant: GrantSummary): string {
  if (grant.ticket === 'spent') return 'spent';
  return grant.state === 'valid' && isUsedUp(grant) ? 'used up' : grant.state;
}

function isUsedUp({ capabilities, taken = [] }: GrantSummary): boolean {
  return capabilities.every(({ caveats }, index) => {
    const uses = caveats?.['uses'];
    const used = taken.find(({ capability }) => capability === index)?.uses ?? 0;
    return typeof uses === 'number' && used >= uses;
  });
}

/** One condition in a word or two. */
function conditionText(grant: GrantSummary, index: number, name: string): string {
  if (name === 'uses') return usesText(grant, index);
  if (name !== 'budget') return name;
  const known = grant.budgets?.find(({ capability }) => capability === index)?.name;
  return known === undefined ? name : `budget ${printable(known)}`;
}

function usesText({ capabilities, taken = [] }: GrantSummary, index: number): string {
  const uses = String(capabilities[index]?.caveats?.['uses']);
  const used = taken.find(({ capability }) => capability === index)?.uses;
  return used === undefined ? `${uses} uses` : `${used} of ${uses} uses taken`;
}

function endOf(grant: GrantSummary): string {
  if (stateOf(grant) !== 'valid') return '–';
  if (grant.board !== undefined) return 'never';
  return grant.renewed ? 'renewed' : `in ${duration(grant.expiresAt - Date.now())}`;
}
