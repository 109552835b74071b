/** Examples of what agents propose: one that thinks writes two servers, of which one is agreed to. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeProcess } from '../../../sim/process.ts';
import type { ProposalListResult } from '../../../src/proposals/types.ts';
import { saidProgram } from '../../proposals/program.ts';
import { resultsIn, startScriptedVendor } from '../../thinking/scripted-vendor.ts';
import { sandboxMissing } from '../sandbox-missing.ts';
import { builtin, eventually } from '../support.ts';
import type { Step } from './step.ts';

const missing = await sandboxMissing();
const AGREED = 'resize';
const REFUSED = 'shrink';

interface Written {
  readonly mcpServers?: Readonly<Record<string, unknown>>;
  readonly agents?: { readonly kinds?: Readonly<Record<string, unknown>> };
  readonly models?: { readonly providers?: Readonly<Record<string, unknown>> };
}

async function edit(alice: NodeProcess, change: (config: Written) => Written): Promise<void> {
  const path = join(alice.stateDir, '..', 'starling.json');
  const config = JSON.parse(await readFile(path, 'utf8')) as Written;
  await writeFile(path, JSON.stringify(change(config), null, 2));
}

/** Has an agent propose both. */
async function propose(alice: NodeProcess): Promise<void> {
  const vendor = await startScriptedVendor();
  vendor.script = (request) =>
    resultsIn(request).length > 0
      ? { text: 'proposed' }
      : {
          calls: [AGREED, REFUSED].map((name) => [
            'starling__infrastructure_propose',
            saidProgram({ name }),
          ]),
        };
  const endpoint = vendor.url;
  let before: Pick<Written, 'agents' | 'models'> = {};
  const tools = ['tool:starling/infrastructure_propose'];
  await edit(alice, (config) => {
    const { agents, models } = config;
    before = { agents: agents ?? {}, models: models ?? {} };
    const kinds = { ...agents?.kinds, maker: { model: 'maker/mind', tools } };
    const providers = { ...models?.providers, maker: { endpoint } };
    return { ...config, agents: { ...agents, kinds }, models: { ...models, providers } };
  });
  await eventually(
    'alice has the model',
    () => builtin<{ models: readonly { name: string }[] }>(alice, 'model_list'),
    ({ models }) => models.some(({ name }) => name === 'maker/mind'),
  );
  await builtin(alice, 'agent_spawn', {
    agentType: 'maker',
    wait_s: 30,
  });
  await builtin(alice, 'agent_message', { agentId: 'maker', message: 'write them', type: 'query' });
  await builtin(alice, 'agent_retire', { agentId: 'maker' });
  await edit(alice, (config) => ({ ...config, ...before }));
  await vendor.stop();
}

/** The steps, in their order. */
export function proposalSteps(alice: () => NodeProcess): Readonly<Record<string, Step>> {
  const known = async (name: string): Promise<{ id: string; digest: string }> => {
    const { proposals } = await builtin<ProposalListResult>(alice(), 'proposal_list');
    const { digest = '', id = '' } = proposals.find((one) => one.name === name) ?? {};
    return { id: id.slice(0, 8), digest: digest.slice(0, 16) };
  };
  const at = (name: string) => ({ '7Qm4': async () => (await known(name)).id });
  const isAgreed = `approve 7Qm4 --digest 3f2a9c01b7d44e60`;
  return {
    'starling proposals': {
      at: 'alice',
      before: () => propose(alice()),
      printed: /a server 'shrink', by client:agent:maker[^]*a server 'resize'/,
    },
    'starling proposals show 7Qm4': {
      at: 'alice',
      put: at(AGREED),
      printed: /^an MCP server 'resize'[^]*\n\+ {3}"command": "node"/,
    },
    // Where there is no sandbox nothing is tried, and nothing that was not tried is agreed to.
    'starling proposals try 7Qm4': {
      at: 'alice',
      put: { ...at(AGREED), ...(missing === undefined ? {} : { try: 'show' }) },
      printed: missing === undefined ? /told of 1 tools:\n {2}resize/ : /not run on trial/,
    },
    [`starling proposals ${isAgreed}`]: {
      at: 'alice',
      put:
        missing === undefined
          ? { ...at(AGREED), '3f2a9c01b7d44e60': async () => (await known(AGREED)).digest }
          : { [isAgreed]: async () => `show ${(await known(AGREED)).id}` },
      printed: missing === undefined ? /^approved: resize is in / : /./,
      after: () =>
        edit(alice(), ({ mcpServers = {}, ...config }) => {
          const servers = Object.entries(mcpServers).filter(([name]) => name !== AGREED);
          return { ...config, mcpServers: Object.fromEntries(servers) };
        }),
    },
    "starling proposals deny 7Qm4 --reason 'use the one we have'": {
      at: 'alice',
      put: at(REFUSED),
      printed: /^denied: 'shrink' of client:agent:maker/i,
    },
  };
}
