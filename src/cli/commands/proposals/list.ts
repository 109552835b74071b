/** `starling proposals` */
import type { ProposalListResult, ProposalSummary } from '../../../proposals/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ago, duration, paint, printData, safeLine, sentence } from '../../terminal/output.ts';

const SHOWN_ID = 8;

/** Prints what agents propose, newest first; with `--all` also what is over. */
export async function run(options: CommonOptions & { readonly all?: boolean }): Promise<void> {
  const all = options.all === true;
  const result = await withNode(options, (node) =>
    node.builtin<ProposalListResult>('proposal_list', { all }),
  );
  printData(result, options.json === true, () => {
    if (result.proposals.length === 0)
      return all ? 'no proposals yet' : 'no agent proposes anything';
    return [
      ...result.proposals.map(describe),
      paint.dim('see what one would change: starling proposals show <id>'),
    ].join('\n\n');
  });
}

function describe(one: ProposalSummary): string {
  const called = one.what === 'server' ? 'a server' : 'a kind of agents';
  const head = `${one.id.slice(0, SHOWN_ID)}  ${called} '${one.name}', by ${one.agent}`;
  const lines = [
    ...(one.taint === undefined ? [] : [`! its agent had read what is ${one.taint}`]),
    `trial: ${one.trial}`,
    stateOf(one),
  ];
  return [paint.bold(safeLine(head)), ...lines.map((line) => sentence('  ', safeLine(line)))].join(
    '\n',
  );
}

function stateOf(one: ProposalSummary): string {
  const { answeredAt, expiresAt, id, inConfig, madeAt, reason, state } = one;
  if (state === 'pending') {
    return `proposed ${ago(madeAt)}, expires in ${duration(expiresAt - Date.now())}`;
  }
  if (state === 'approved' && !inConfig) {
    return `approved, and not in the config file: starling proposals approve ${id.slice(0, SHOWN_ID)} writes it, starling proposals deny ${id.slice(0, SHOWN_ID)} takes it back`;
  }
  const when = answeredAt === undefined ? '' : ` ${ago(answeredAt)}`;
  return `${state}${when}${reason === undefined ? '' : `: ${reason}`}`;
}
