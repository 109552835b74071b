/** What the health of the node says about the agents that it runs: which do not run, and which no sandbox holds. */
import type { Health } from '../../core/index.ts';
import type { RunAgent } from './run-agent.ts';

const UNCONFINED = 'agents-unconfined';

/** Tells that an agent does not run, and why. */
export function tellTrouble(health: Health, name: string, why: string): void {
  health.raise({
    code: codeOf(name),
    text: `the agent '${name}' does not run: ${why}`,
    hint: `see why: starling agent logs ${name}`,
  });
}

/** The agent runs, or is wanted no more. */
export function clearTrouble(health: Health, name: string): void {
  health.clear(codeOf(name));
}

/** Tells, or takes back, that something of an agent has changed. */
export function tellChange(health: Health, { error, isOver, row }: RunAgent): void {
  if (isOver && error !== undefined) tellTrouble(health, row.name, error.message);
  else clearTrouble(health, row.name);
}

/** Tells which of all agents of the node can read what the node can. */
export function tellUnconfined(health: Health, all: Iterable<RunAgent>): void {
  const bare = [...all].filter((run) => run.view().resources.enforcedBy.files === undefined);
  if (bare.length === 0) return health.clear(UNCONFINED);
  health.raise({
    code: UNCONFINED,
    text: `agents ${bare.map(({ row }) => `'${row.name}'`).join(', ')} can read the key and the token of this node, and act as its operator: agents.unconfined`,
    hint: 'install bubblewrap, and take agents.unconfined away',
  });
}

function codeOf(name: string): string {
  return `agent-down:${name}`;
}
