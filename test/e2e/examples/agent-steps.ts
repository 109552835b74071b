/** Examples of agents that a node runs, and of what is told to all. */
import { resolve } from 'node:path';
import type { NodeProcess } from '../../../sim/process.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { showCard } from '../../agents/a2a/shown-card.ts';
import { CLI, builtin } from '../support.ts';
import type { Step } from './step.ts';

/** A kind of agents that the node runs. */
export const ECHO: JsonObject = {
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../../fixtures/agents/worker.mjs')],
  protocol: 'lines',
  maxReplicas: 2,
};

/** The built-in healer, as a kind that looks after servers of its own node. */
export const HEALER: JsonObject = {
  command: process.execPath,
  args: [CLI, 'agent', 'healer'],
  protocol: 'lines',
  tools: ['tool:starling/server_status', 'tool:starling/server_logs'],
};

let shown: Awaited<ReturnType<typeof showCard>> | undefined;

/** The steps, at nodes that run once a step has its turn. */
export function agentSteps(
  nodes: () => { readonly alice: NodeProcess; readonly bob: NodeProcess },
): Readonly<Record<string, Step>> {
  return {
    'starling agent add https://example.com/agents/planner': {
      at: 'alice',
      put: {
        'https://example.com/agents/planner': async () => `${(shown = await showCard()).url} --yes`,
      },
      printed: /^planner is an agent of this node now, and answers from 127\.0\.0\.1:/m,
      after: () => shown?.close(),
    },
    'starling agent spawn echo': { at: 'alice', printed: /^echo \(agent_\S+\) {2}ready in / },
    'starling agent spawn echo --name twins --replicas 2 --memory 512Mi': {
      at: 'alice',
      printed: /^twins .* memory 512Mi/,
    },
    'starling agent spawn healer --tell \'{"watch":[{"server":"files"}]}\'': {
      at: 'alice',
      printed: /^healer \(agent_\S+\) {2}ready in /,
    },
    'starling agent spawn echo --name frugal --budget research:1usd': {
      at: 'alice',
      before: () => builtin(nodes().alice, 'budget_create', { name: 'frugal', limit: '2usd' }),
      put: { research: 'frugal' },
      printed: /^frugal \(agent_\S+\) {2}ready in /,
    },
    'starling agent spawn echo --name spread --replicas 4 --on alice --on bob': {
      at: 'alice',
      before: async () => {
        const { alice, bob } = nodes();
        await builtin(bob, 'grant_create', {
          peer: 'alice',
          spawns: ['echo'],
          agents: ['spread'],
        });
        await builtin(alice, 'board_create', { board: 'spreads', strong: ['alice', 'bob'] });
      },
      printed: /^spread/,
      after: () => builtin(nodes().alice, 'agent_retire', { agentId: 'spread' }),
    },
    'starling agent logs echo': {
      at: 'alice',
      before: () =>
        builtin(nodes().alice, 'agent_message', { agentId: 'echo', message: { do: 'die' } }),
      printed: /./,
    },
    'starling agent logs echo --follow': { at: 'alice', says: /out of cheese/ },
    "starling broadcast 'lunch is ready'": {
      at: 'bob',
      printed: /^told to \d+ peers? \(broadcast\)$/m,
    },
    'starling events': { at: 'bob', printed: /broadcast from bob: .*lunch is ready/ },
    'starling events --since 2h': { at: 'alice', printed: /broadcast from bob: .*lunch is ready/ },
    'starling events --arg level=error': { at: 'bob', printed: /nothing was told lately/ },
    "starling events --topic 'agent.*.events' --follow": {
      at: 'alice',
      says: /agent\.echo\.events from echo@bob: done/,
      before: () => builtin(nodes().bob, 'agent_announce', { name: 'echo' }),
      // More than one a second is refused, and the next one is told.
      poke: () =>
        builtin(nodes().bob, 'broadcast', {
          subject: 'agent.echo.events',
          message: 'done',
          from: 'echo',
        }).catch(() => undefined),
      after: () => builtin(nodes().bob, 'agent_retire', { agentId: 'echo' }),
    },
  };
}
