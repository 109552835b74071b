/** Examples of agents that a node runs, and of what is told to all. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import type { NodeProcess } from '../../../sim/process.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { builtin } from '../support.ts';
import type { Step } from './step.ts';

/** A kind of agents that the node runs. */
export const ECHO: JsonObject = {
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../../fixtures/agents/worker.mjs')],
  protocol: 'lines',
  maxReplicas: 2,
};

let shown: Server | undefined;

/** Shows the card of an A2A agent on this machine; gives where that is. */
async function shownCard(): Promise<string> {
  const server = createServer((_, response) => {
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/rpc`;
    const at = [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }];
    response.end(JSON.stringify({ name: 'planner', supportedInterfaces: at, skills: [] }));
  });
  shown = server;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The steps, at nodes that run once a step has its turn. */
export function agentSteps(
  nodes: () => { readonly alice: NodeProcess; readonly bob: NodeProcess },
): Readonly<Record<string, Step>> {
  return {
    'starling agent add https://example.com/agents/planner': {
      at: 'alice',
      put: {
        'https://example.com/agents/planner': async () => `${await shownCard()} --yes`,
      },
      printed: /^planner is an agent of this node now, and answers from 127\.0\.0\.1:/m,
      after: () => shown?.close(),
    },
    'starling agent spawn echo': { at: 'alice', printed: /^echo \(agent_\S+\) {2}ready in / },
    'starling agent spawn echo --name twins --replicas 2 --memory 512Mi': {
      at: 'alice',
      printed: /^twins .* memory 512Mi/,
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
