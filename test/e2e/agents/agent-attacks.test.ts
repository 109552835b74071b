/** Agents whose programs always obey are attacked: see `agent-attacks.ts`. */
import { resolve } from 'node:path';
import { attackAgents } from './agent-attacks.ts';

attackAgents({
  kind: {
    command: process.execPath,
    args: [resolve(import.meta.dirname, '../../fixtures/agents/obedient.mjs')],
    protocol: 'lines',
    sandbox: false,
  },
});
