/** `starling approvals` */
import { givenText } from '../../../core/words/limit-words.ts';
import type { ApprovalListResult, ApprovalSummary } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { ProposalListResult, ProposalSummary } from '../../../proposals/types.ts';
import { ago, duration, paint, printData, safeLine, sentence } from '../../terminal/output.ts';
import { askText } from '../../terminal/rights.ts';
import type { NodeClient } from '../../node/client.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints what waits for a person, newest first; with `--all` also what is over. */
export async function run(options: CommonOptions & { readonly all?: boolean }): Promise<void> {
  const all = options.all === true;
  const isTalk = options.json !== true;
  const [result, proposed] = await withNode(options, async (node) => [
    await node.builtin<ApprovalListResult>('approval_list', { all }),
    isTalk ? await proposedNow(node) : [],
  ]);
  printData(result, !isTalk, () => {
    const lines = proposed.map(proposalText);
    if (result.approvals.length === 0) {
      const none = all ? 'no approvals yet' : 'nothing waits for you';
      return lines.length === 0 ? none : lines.join('\n');
    }
    const isOpen = result.approvals.some(({ state }) => state === 'pending');
    return [
      ...result.approvals.map(describe),
      ...(isOpen ? [paint.dim('answer with: starling approvals approve <id> (or deny <id>)')] : []),
      ...(lines.length === 0 ? [] : [lines.join('\n')]),
    ].join('\n\n');
  });
}

/** What agents propose and nobody has answered: it waits for a person, too, and is answered elsewhere. */
async function proposedNow(node: NodeClient): Promise<readonly ProposalSummary[]> {
  try {
    const { proposals } = await node.builtin<ProposalListResult>('proposal_list', {});
    return proposals.filter(({ state }) => state === 'pending');
  } catch (error) {
    // An older node has no such tool, and others than its operator may not ask.
    if (error instanceof StarlingError) return [];
    throw error;
  }
}

function proposalText({ agent, id, name, what }: ProposalSummary): string {
  const called = what === 'server' ? 'a server' : 'a kind of agents';
  return sentence(
    '',
    safeLine(`${agent} proposes ${called}, '${name}': starling proposals show ${id.slice(0, 8)}`),
  );
}

function describe(one: ApprovalSummary): string {
  const lines = [
    `rule: ${ruleOf(one)}`,
    ...(SCORED.test(one.rule) ? [SCORE] : []),
    ...(one.args === undefined ? [] : [`arguments: ${one.args}`]),
    ...(one.agentId === undefined || one.agentId === 'operator' ? [] : [`for: ${one.agentId}`]),
    ...(one.capabilities ?? []).map((right) => `would get: ${givenText(right)}`),
    ...(one.lifetimeMs === undefined ? [] : [`for how long: ${duration(one.lifetimeMs)}`]),
    ...(one.justification === undefined ? [] : [`they say: ${one.justification}`]),
    stateOf(one),
  ];
  const what = `${one.who} ${askText(one.kind, one.ability, one.resource)}`;
  const head = sentence(`${safeLine(one.id.slice(0, 8))}  `, safeLine(what));
  return [paint.bold(head), ...lines.map((line) => sentence('  ', safeLine(line)))].join('\n');
}

/** Reasons of the guardian that name a number. */
const SCORED = /\b(?:score|scores|trust|risk) is\b|justification scores/;
const SCORE =
  'score: 0 to 1, from how well they say why, how far the policy trusts them, and how little harm it can do; it is a hint, and the answer is yours (docs/grants-and-policy.md)';

/** The rule that demands the approval, in words. */
function ruleOf({ rule, grant }: ApprovalSummary): string {
  if (grant === undefined) return rule;
  const id = grant.slice(0, 8);
  return rule === 'grant' ? `grant ${id}` : `${rule}, and grant ${id} covers it`;
}

function stateOf(one: ApprovalSummary): string {
  if (one.state === 'pending') {
    const escalated = one.escalatedAt === undefined ? '' : ', escalated';
    return `asked ${ago(one.askedAt)}, refused in ${duration(one.expiresAt - Date.now())}${escalated}`;
  }
  const by = one.answeredBy === undefined ? '' : ` by ${one.answeredBy}`;
  const when = one.answeredAt === undefined ? '' : ` ${ago(one.answeredAt)}`;
  const why = one.reason === undefined ? '' : `: ${one.reason}`;
  return `${one.state}${by}${when}${why}`;
}
