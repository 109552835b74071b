/** How plans are shown: phases as bars, who does what and why, and the votes. */
import type { PhaseView, PlanView, VoteView } from '../../../orchestration/types.ts';
import type { TaskView } from '../../../tasks/types.ts';
import { table } from '../../terminal/output.ts';

const CELLS = 4;
const PER_CENT = 100;

/** Whether a task is one that a swarm does by a plan. */
export function isPlan(task: TaskView): task is PlanView {
  return 'orchestrationPlan' in task;
}

/** What the phases of a plan need, each once. */
export function capabilitiesOf({ orchestrationPlan }: PlanView): readonly string[] {
  return [...new Set(orchestrationPlan.phases.map(({ capability }) => capability))];
}

/** All phases in one line, each as a bar with how far it is. */
export function barsText({ orchestrationPlan }: PlanView): string {
  return orchestrationPlan.phases.map((phase) => phaseText(phase)).join('   ');
}

function phaseText(phase: PhaseView): string {
  const { agents, attempts, dependencies = [], name, round, status } = phase;
  const open = attempts.slice(-Math.max(1, agents.length));
  const done = open.filter(({ outcome }) => outcome === 'done').length;
  const part = status === 'done' ? 1 : status === 'running' ? done / open.length : 0;
  const full = status === 'waiting' ? 0 : Math.max(1, Math.round(part * CELLS));
  const bar = `${'█'.repeat(full)}${'░'.repeat(CELLS - full)}`;
  const failed = attempts.filter(({ outcome }) => outcome === 'failed');
  const last = failed.at(-1);
  const lost = last === undefined ? '' : ` (attempt ${failed.length + 1}: ${last.agent} failed)`;
  const anew = round === 0 ? '' : ` (planned anew, round ${round + 1})`;
  if (status === 'waiting') {
    return `${name} – waits${dependencies.length === 0 ? '' : ` for ${dependencies.join(', ')}`}${anew}`;
  }
  return `${name} ${bar} ${status}${secondsOf(phase)} ${agents.join(', ')}${lost}${anew}`;
}

function secondsOf({ endedAt, startedAt }: PhaseView): string {
  if (endedAt === undefined || startedAt === undefined) return '';
  return ` ${Math.round((Date.parse(endedAt) - Date.parse(startedAt)) / 100) / 10}s`;
}

/** The plan: its phases, who does each and why, what came of each attempt, and the votes. */
export function planText(plan: PlanView): string {
  const { assignedAgents, estimatedCompletion, orchestrationPlan } = plan;
  const rows = orchestrationPlan.phases.map((phase) => {
    const { capability, dependencies = [], estimatedDuration, name, role, status } = phase;
    return [
      name,
      role,
      capability,
      dependencies.join(', '),
      phase.agents.join(', ') || 'nobody',
      estimatedDuration === undefined ? '' : `${estimatedDuration}s`,
      status,
    ];
  });
  const why = assignedAgents.map(({ agentId, role, why: reason }) => [agentId, role, reason]);
  const attempts = orchestrationPlan.phases.flatMap(({ attempts: all, name }) =>
    all
      .filter(({ outcome }) => outcome !== undefined)
      .map(({ agent, error = '', outcome = '' }) => [name, agent, outcome, error]),
  );
  const votes = orchestrationPlan.phases.flatMap(({ name, vote }) =>
    vote === undefined ? [] : [voteText(name, vote)],
  );
  return [
    table(['PHASE', 'ROLE', 'NEEDS', 'AFTER', 'AGENTS', 'TAKES', 'STATUS'], rows, { flexible: 4 }),
    ...(why.length === 0 ? [] : [table(['AGENT', 'ROLE', 'WHY'], why, { flexible: 2 })]),
    ...(attempts.length === 0
      ? []
      : [table(['PHASE', 'ATTEMPT BY', 'OUTCOME', 'ERROR'], attempts, { flexible: 3 })]),
    ...votes,
    ...(estimatedCompletion === undefined ? [] : [`done at about ${estimatedCompletion}`]),
  ].join('\n\n');
}

/** How the votes of a plan went, in a few words; empty where there were none. */
export function votesText({ orchestrationPlan }: PlanView): string {
  return orchestrationPlan.phases
    .flatMap(({ name, vote }) => (vote === undefined ? [] : [shortVote(name, vote)]))
    .join('; ');
}

function shortVote(phase: string, { by, dissent, share, threshold, tie }: VoteView): string {
  if (by === 'no_consensus') {
    return `vote on ${phase}: ${share} of ${threshold}${tie ? ', a tie' : ''} → no consensus`;
  }
  const how = by === 'majority' ? `${share} ≥ ${threshold}` : `${share}, by the expert`;
  const others = dissent.length === 0 ? '' : `, against ${dissent.join(', ')}`;
  return `vote on ${phase}: ${how} → accepted${others}`;
}

function voteText(phase: string, vote: VoteView): string {
  const rows = vote.ballots.map(({ agent, choice, confidence, share, signed }) => [
    agent,
    choice ?? 'none',
    `${Math.round(share * PER_CENT)} %`,
    confidence === undefined ? '' : String(confidence),
    signed ? 'signed' : 'not signed, does not count',
    vote.choice !== undefined && choice !== undefined && choice !== vote.choice ? 'against' : '',
  ]);
  const listed = table(['BALLOT OF', 'CHOICE', 'SHARE', 'SURE', 'SIGNATURE', ''], rows, {
    flexible: 1,
  });
  return `${shortVote(phase, vote)}\n${listed}`;
}
