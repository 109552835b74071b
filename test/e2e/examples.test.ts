/** Every example of the help does what it promises, at real nodes: with the world's values for its placeholders. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NodeProcess } from '../../sim/process.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { authWorld } from '../gateway/support/auth-server.ts';
import { runCleanup } from '../gateway/support/gateways.ts';
import { ECHO, HEALER, agentSteps } from './examples/agent-steps.ts';
import { boardSteps } from './examples/board-steps.ts';
import { RECLAIM_STEPS, budgetSteps } from './examples/budget-steps.ts';
import { lookSteps } from './examples/look-steps.ts';
import { modelSteps } from './examples/model-steps.ts';
import { proposalSteps } from './examples/proposal-steps.ts';
import { LEARNER } from './examples/learn-steps.ts';
import { swarmSteps } from './examples/swarm-steps.ts';
import { taskSteps } from './examples/task-steps.ts';
import { isShort } from './examples/step.ts';
import type { Put, Step } from './examples/step.ts';
import { placeOf, programsIn, runHere, startShell, wordsOf } from './examples/place.ts';
import type { Place, Running } from './examples/place.ts';
import { isLong, someOf } from '../long/extent.ts';
import {
  SERVERS,
  builtin,
  eventually,
  grantTo,
  sees,
  status,
  ticketOf,
  toolList,
  useWorld,
} from './support.ts';

const world = useWorld('file');
afterAll(runCleanup);

const places = new Map<string, Place>();
const kept = new Map<string, Running>();
let alice: NodeProcess;
let bob: NodeProcess;
let open: NodeProcess;
let docs: string;
let programs: string;

async function place(name: string): Promise<Place> {
  const found = places.get(name) ?? (await placeOf(await world.root(), name, programs));
  places.set(name, found);
  return found;
}

const file = async (at: string, name: string, text: string): Promise<void> => {
  const path = join((await place(at)).folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
};
const idOfGrant = (what: object) => async () =>
  (await grantTo(alice, 'bob', what as never)).slice(0, 8);
const toBob = idOfGrant({ tools: ['files/read_file'] });
/** A grant that bob may hand on, once bob holds it. */
const handable = async (): Promise<string> => {
  const id = await grantTo(alice, 'bob', { tools: ['files/read_file'], max_depth: 1 });
  await eventually(
    'bob holds the grant',
    () => builtin<{ readonly grants: readonly { readonly id: string }[] }>(bob, 'grant_list'),
    ({ grants }) => grants.some((one) => one.id === id),
  );
  return id.slice(0, 8);
};
interface Waiting {
  readonly approvals: readonly { readonly id: string }[];
}
const waiting = async (): Promise<string> => {
  const { approvals } = await eventually(
    'somebody waits',
    () => builtin<Waiting>(alice, 'approval_list'),
    (seen) => seen.approvals.length > 0,
  );
  return (approvals[0]?.id ?? '').slice(0, 8);
};
const asks = (scope: string) => async () => {
  const args = {
    agent_id: 'operator',
    resource_type: 'EXTERNAL_SERVICE',
    justification: 'to read the plan for the launch on Friday',
    scope,
  };
  const words = ['call', 'alice__starling__request_permission', '--args', JSON.stringify(args)];
  const ran = await runHere(await place('bob'), words);
  expect(ran.stdout).toContain('pending');
};
const knocks = (name: string) => async () => {
  const line = `starling up --knock ${alice.up.addresses[0]} --yes`;
  kept.set(name, startShell(await place(name), line));
  await knocked(name);
};
const knocked = (name: string): Promise<unknown> =>
  eventually(
    `${name} knocks`,
    () => builtin<{ knocks: readonly { name: string }[] }>(alice, 'knock_list'),
    (seen) => seen.knocks.some((one) => one.name === name),
  );
const ends = async (name: string, code: number, interrupt = true): Promise<void> => {
  const running = kept.get(name);
  kept.delete(name);
  if (interrupt) running?.interrupt();
  const ran = await running?.ended;
  expect(ran, name).toMatchObject({ code });
};
/** A server whose tool `note` can be changed. */
const changing = (): object =>
  SERVERS.fixture(
    'plain.mjs',
    '--era',
    'legacy',
    '--log',
    join(docs, '..', 'git.log'),
    '--text',
    join(docs, '..', 'note.txt'),
  );
/** Changes that tool, and has alice start its server again. */
const change = async (text: string): Promise<void> => {
  await writeFile(join(docs, '..', 'note.txt'), text);
  const path = join((await place('alice')).folder, 'starling.json');
  const config = JSON.parse(await readFile(path, 'utf8')) as { mcpServers: object };
  const git = { ...changing(), env: { CHANGED: text } };
  await writeFile(path, JSON.stringify({ ...config, mcpServers: { ...config.mcpServers, git } }));
};
const quarantined = (node: NodeProcess, server: string): Promise<unknown> =>
  eventually(
    'the changed tool is quarantined',
    () => builtin(node, 'pin_list'),
    (seen) =>
      new RegExp(`${server}.*quarantined|quarantined.*${server}`).test(JSON.stringify(seen)),
  );
/** Waits until the admitted node is in, and ends it. */
const joins = async (name: string): Promise<void> => {
  await kept.get(name)?.says(/joined/);
  await ends(name, 130);
};
/** Answers the next query to an agent. */
const answers = async (node: NodeProcess, name: string, message: string): Promise<void> => {
  const { messages } = await builtin<{ messages: readonly { id: string }[] }>(node, 'agent_inbox', {
    name,
    timeout_s: 60,
  });
  const inReplyTo = messages[0]?.id ?? '';
  await builtin(node, 'agent_message', { type: 'response', inReplyTo, message });
};
const docsAt: Put = { '/srv/docs': () => docs };
const yes = (line: string): Put => ({ [line]: `${line} --yes` });

/** Each example, in the order in which a day would bring them. */
const STEPS: Readonly<Record<string, Step>> = {
  ...lookSteps(() => alice),
  'starling up --config starling.json': {
    at: 'carol',
    before: () => file('carol', 'starling.json', '{"mcpServers": {}}'),
    says: /starling up --join starling2/,
  },
  'starling up --join starling2…': {
    at: 'laptop',
    put: { 'starling2…': () => ticketOf(alice) },
    says: /joined/,
  },
  'starling up --join starling2… --yes': {
    at: 'carol',
    put: { 'starling2…': () => ticketOf(alice) },
    says: /joined/,
  },
  'starling up --knock lab': {
    at: 'tablet',
    put: { lab: () => `${alice.up.addresses[0]} --yes` },
    says: /./,
    keep: 'tablet',
  },
  'starling up --open --bootstrap /ip4/192.0.2.7/tcp/4040/p2p/12D3Koo…': {
    at: 'passer',
    put: { '/ip4/192.0.2.7/tcp/4040/p2p/12D3Koo…': () => open.up.addresses[0] ?? '' },
    says: /passer/,
  },
  'starling peers': { at: 'alice' },
  'starling peers --wide': { at: 'alice' },
  'starling peers --watch': { at: 'alice', says: /bob/ },
  'starling peers --offering search': { at: 'alice' },
  'starling ping alice': { at: 'bob' },
  'starling ping alice --count 3': { at: 'bob' },
  'starling peers show alice': { at: 'bob' },
  'starling peers forgive alice': { at: 'bob' },
  'starling members': { at: 'alice' },
  'starling members admit laptop': {
    at: 'alice',
    before: () => knocked('tablet'),
    put: { laptop: 'tablet' },
    after: () => joins('tablet'),
  },
  'starling members admit laptop --no-invite': {
    at: 'alice',
    before: knocks('phone'),
    put: { laptop: 'phone' },
    after: () => joins('phone'),
  },
  'starling members refuse laptop': {
    at: 'alice',
    before: knocks('thief'),
    put: { laptop: 'thief' },
    after: () => ends('thief', 1, false),
  },
  'starling invite': { at: 'alice' },
  'starling invite --expires 15m --no-invite': { at: 'alice' },
  'starling invite --uses 5': { at: 'alice' },
  'starling tools': { at: 'alice' },
  'starling tools files': { at: 'alice' },
  "starling request 'alice/files/read_text_file' --as researcher --because 'to read the plan for the launch on Friday'":
    { at: 'bob', says: /waits|waiting/, keep: 'request' },
  'starling approvals': { at: 'alice', before: waiting },
  "starling approvals approve 8fK2 --reason 'once, for the audit'": {
    at: 'alice',
    put: { '8fK2': waiting },
  },
  'starling approvals approve 8fK2': {
    at: 'alice',
    before: asks('files/list_directory'),
    put: { '8fK2': waiting },
  },
  "starling approvals deny 8fK2 --reason 'ask Anna first'": {
    at: 'alice',
    before: asks('files/write_file'),
    put: { '8fK2': waiting },
  },
  "starling grant create bob --tool 'files/*'": { at: 'alice' },
  "starling grant create bob --tool 'files/read_*' --expires 8h": { at: 'alice' },
  "starling grant create bob --tool files/read_file --arg 'path=/srv/docs/**' --rate 5/s": {
    at: 'alice',
    put: docsAt,
  },
  'starling grant create bob --tool files/write_file --uses 3 --needs-approval': { at: 'alice' },
  'starling grant create bob --server git': { at: 'alice' },
  'starling tools show alice__files__read_text_file': {
    at: 'bob',
    before: () =>
      eventually(
        'bob knows the tool',
        () => toolList(bob),
        (tools) => tools.some(({ name }) => name === 'alice__files__read_text_file'),
      ),
  },
  'starling call alice__files__read_text_file path=/srv/docs/a.txt': { at: 'bob', put: docsAt },
  'starling trace alice__files__list_directory path=/srv/docs': { at: 'bob', put: docsAt },
  'starling call sums__add --arg a=1 --arg b=2': { at: 'alice' },
  'starling call sums__add --args \'{"a": 1, "b": 2}\'': { at: 'alice' },
  'starling grant list': { at: 'alice' },
  'starling grant list laptop': { at: 'alice', put: { laptop: 'bob' } },
  'starling grant list --all --wide': { at: 'alice' },
  'starling grant show 3f9c2a7e': { at: 'alice', put: { '3f9c2a7e': toBob } },
  'starling grant delegate 3f9c2a7e carol': { at: 'bob', put: { '3f9c2a7e': handable } },
  "starling grant delegate 3f9c2a7e carol --tool files/read_file --arg 'path=/srv/docs/**' --uses 10":
    { at: 'bob', put: { '3f9c2a7e': handable, ...docsAt } },
  'starling grant export 3f9c2a7e | starling grant verify -': {
    at: 'alice',
    put: { '3f9c2a7e': toBob },
  },
  'starling grant export 3f9c2a7e > grant.txt': { at: 'alice', put: { '3f9c2a7e': toBob } },
  'starling grant import - < grant.txt': { at: 'bob', put: { 'grant.txt': '../alice/grant.txt' } },
  "starling grant revoke 3f9c2a7e --reason 'laptop was lost'": {
    at: 'alice',
    put: { '3f9c2a7e': toBob },
  },
  'starling policy show': { at: 'alice' },
  'starling policy show --json': { at: 'alice' },
  'starling policy check': {
    at: 'alice',
    before: () => file('alice', 'policy.yaml', 'version: 1\n'),
  },
  'starling policy check new.yaml': {
    at: 'alice',
    before: () => file('alice', 'new.yaml', 'version: 1\n'),
  },
  'starling policy explain --as bob --do tool/call --on tool:files/read_file': { at: 'alice' },
  "starling key create ci --scope 'tool:files/read_*' --expires 90d": { at: 'alice' },
  "starling key create editor --scope 'tool:@alice/git/*' --scope 'prompt:files/*'": {
    at: 'alice',
  },
  'starling policy explain --as client:ci --on files/write_file --arg path=/srv/a': { at: 'alice' },
  'starling key list': { at: 'alice' },
  'starling key revoke ci': { at: 'alice' },
  'starling key rotate-token': { at: 'alice' },
  'starling pin list': { at: 'bob' },
  'starling pin list files/': { at: 'alice' },
  'starling pin approve files': {
    at: 'alice',
    before: async () => {
      await eventually(
        'bob knows the tool as it was',
        () => toolList(bob),
        (tools) => tools.some(({ name }) => name === 'alice__git__note'),
      );
      await change('Keeps a note, and sends it on.');
      await quarantined(alice, 'git');
    },
    put: { files: 'git' },
  },
  'starling pin approve alice/files/read_file': {
    at: 'bob',
    before: () => quarantined(bob, 'git'),
    put: { 'files/read_file': 'git/note' },
  },
  'starling audit tail': { at: 'alice', says: /./ },
  'starling audit tail --outcome denied': {
    at: 'alice',
    says: /./,
    poke: async () => runHere(await place('bob'), ['call', 'alice__git__no_such']),
  },
  'starling audit query --outcome denied --since 1d': { at: 'alice' },
  'starling audit query --who laptop --what files/': { at: 'alice', put: { laptop: 'bob' } },
  'starling audit verify': { at: 'alice' },
  'starling audit verify --folder /backup/audit --did did:key:z6Mk…': {
    at: 'spare',
    before: async () => {
      const backup = join((await place('spare')).folder, 'audit');
      await cp(join(alice.stateDir, 'audit'), backup, { recursive: true });
    },
    put: {
      '/backup/audit': async () => join((await place('spare')).folder, 'audit'),
      'did:key:z6Mk…': () => alice.up.did,
    },
  },
  'starling audit export --since 2026-05-01 > may.jsonl': { at: 'alice' },
  'starling grant create bob --agent reviewer': { at: 'alice' },
  "starling grant create bob --model 'gpu/*'": { at: 'alice' },
  'starling agent announce reviewer --capability review': { at: 'bob' },
  'starling agent list': {
    at: 'alice',
    before: async () => {
      await builtin(bob, 'agent_announce', { name: 'coder' });
      await builtin(bob, 'grant_create', { peer: 'alice', agents: ['coder', 'reviewer'] });
      await eventually(
        'alice sees the agents of bob',
        () => builtin<{ agents: readonly unknown[] }>(alice, 'agent_list'),
        ({ agents }) => agents.length === 2,
      );
    },
    printed: /coder@bob +online[^]*reviewer@bob +online +review/,
  },
  'starling agent list --online': { at: 'alice', printed: /coder@bob/ },
  'starling agent info coder@bob': { at: 'alice', printed: /coder@bob/ },
  "starling agent message coder@bob 'run the tests'": {
    at: 'alice',
    printed: /is in the inbox of coder@bob/,
  },
  "starling agent message coder@bob 'what is your status?' --type query": {
    at: 'alice',
    before: async () => {
      await builtin(bob, 'agent_retire', { agentId: 'coder' });
      await builtin(bob, 'agent_announce', { name: 'coder' });
      void answers(bob, 'coder', 'all is well');
    },
    printed: /^all is well$/m,
  },
  'starling agent inbox reviewer --wait 10s': {
    at: 'bob',
    before: () => builtin(alice, 'agent_message', { agentId: 'reviewer@bob', message: 'look' }),
    printed: /command from .*@alice: look/,
  },
  'starling agent inbox reviewer --history': { at: 'bob', printed: /command from .*@alice: look/ },
  'starling capability list': { at: 'alice', printed: /review +1 of 1 +reviewer@bob/ },
  "starling capability request review 'main.rs'": {
    at: 'alice',
    before: () => void answers(bob, 'reviewer', 'no holes'),
    printed: /^no holes$/m,
  },
  "starling capability request --like 'review this code' 'main.rs'": {
    at: 'alice',
    before: () => void answers(bob, 'reviewer', 'no holes'),
    printed: /^no holes$/m,
  },
  ...taskSteps({
    node: () => alice,
    look: () => builtin(bob, 'agent_inbox', { name: 'reviewer', timeout_s: 0 }),
    answer: (message) => void answers(bob, 'reviewer', message),
    ask: (taskId) =>
      void builtin(bob, 'task_ask', { taskId, token: 1, key: 'sure', message: 'Are you sure?' }),
  }),
  ...swarmSteps(() => alice),
  ...agentSteps(() => ({ alice, bob })),
  'starling agent stop reviewer': { at: 'bob' },
  'starling agent retire reviewer': { at: 'bob' },
  ...boardSteps((tool, input) => builtin(alice, tool, input)),
  'starling sim --nodes 25': {
    at: 'spare',
    put: { 25: '2' },
    stdin: '',
    printed: /full membership +\d[^]*failures +0/,
  },
  'starling demo self-heal': { at: 'spare', says: /Three machines in one mesh/ },
  'starling demo swarm': { at: 'spare', says: /Three machines/ },
  'starling sim partition-heal': { at: 'spare', says: /./ },
  'starling sim churn --nodes 5,10,20 --seeds 3': { at: 'spare', says: /./ },
  'starling service install --print': { at: 'alice' },
  'starling --node lab service install': { at: 'alice', put: { lab: 'alice' } },
  'starling service uninstall': { at: 'alice' },
  'starling mcp login tickets': {
    at: 'alice',
    before: async () => {
      const { mcp } = await authWorld();
      await runHere(await place('alice'), ['mcp', 'add', '-t', 'http', 'tickets', mcp.url]);
      await eventually(
        'alice knows the server',
        () => status(alice),
        ({ upstreams }) => upstreams.some(({ server }) => server === 'tickets'),
      );
    },
    says: /^https?:/m,
  },
  'starling mcp logout tickets': { at: 'alice' },
  'starling mcp restart files': { at: 'alice', printed: /^files is (?:ready|idle): \d+ tools/ },
  'starling mcp logs files': { at: 'alice', printed: /started, pid \d+$/m },
  'starling mcp logs files --lines 200': { at: 'alice', printed: /is started anew/ },
  'starling mcp add files -- npx -y @modelcontextprotocol/server-filesystem /srv/docs': {
    at: 'spare',
  },
  "starling mcp add -e 'API_KEY=${MY_KEY}' search -- npx -y search-server --fast": { at: 'spare' },
  "starling mcp add --transport http tickets https://mcp.example.com/mcp --header 'Authorization: Bearer ${TOKEN}'":
    { at: 'spare' },
  "starling mcp add -e 'GITHUB_TOKEN=${secret:GITHUB_TOKEN}' github -- github-mcp-server stdio": {
    at: 'spare',
  },
  'starling mcp list': { at: 'spare' },
  'starling mcp list --json': { at: 'spare' },
  'starling mcp remove files': { at: 'spare' },
  'starling mcp import': {
    at: 'spare',
    before: () => file('spare', '.cursor/mcp.json', '{"mcpServers": {"one": {"command": "x"}}}'),
    put: yes('starling mcp import'),
  },
  'starling mcp import claude-desktop --yes': {
    at: 'spare',
    before: () =>
      file(
        'spare',
        '.config/Claude/claude_desktop_config.json',
        '{"mcpServers": {"two": {"command": "x"}}}',
      ),
  },
  'starling mcp import .vscode/mcp.json': {
    at: 'spare',
    before: () => file('spare', '.vscode/mcp.json', '{"servers": {"three": {"command": "x"}}}'),
    put: yes('starling mcp import .vscode/mcp.json'),
  },
  'starling secret set GITHUB_TOKEN': { at: 'alice', stdin: 'hunter2' },
  'pass show github | starling secret set GITHUB_TOKEN': {
    at: 'alice',
    put: { 'pass show github': 'echo hunter2' },
  },
  'starling secret list': { at: 'alice' },
  'starling secret remove GITHUB_TOKEN': { at: 'alice' },
  'starling connect claude-desktop': { at: 'alice', put: yes('starling connect claude-desktop') },
  'starling connect vscode --project --dry-run': { at: 'alice' },
  'starling connect cursor --http --as work': {
    at: 'alice',
    put: yes('starling connect cursor --http --as work'),
  },
  'starling connect cursor --remove --yes': { at: 'alice' },
  'starling identity show': { at: 'alice' },
  'starling identity encrypt': {
    at: 'tablet',
    before: () => file('tablet', 'old.txt', 'the old passphrase, which is long\n'),
    env: () => ({ STARLING_PASSPHRASE_FILE: 'old.txt' }),
  },
  'STARLING_PASSPHRASE_FILE=old.txt starling identity encrypt --new-passphrase-file new.txt': {
    at: 'tablet',
    before: () => file('tablet', 'new.txt', 'another passphrase, which is long\n'),
  },
  'starling identity decrypt': {
    at: 'tablet',
    env: () => ({ STARLING_PASSPHRASE_FILE: 'new.txt' }),
  },
  'starling identity rotate': { at: 'tablet' },
  'starling identity rotate --json': { at: 'tablet' },
  ...modelSteps(() => alice),
  ...proposalSteps(() => alice),
  ...budgetSteps(() => bob),
  'starling peers rename laptop-bjya anna-laptop': {
    at: 'alice',
    put: { 'laptop-bjya': 'laptop' },
  },
  "starling peers remove laptop --reason 'it was lost'": {
    at: 'alice',
    put: { laptop: 'anna-laptop', "'it was lost'": "'it was lost' --yes" },
  },
  ...RECLAIM_STEPS,
  'starling peers remove laptop --yes': { at: 'alice', put: { laptop: 'phone' } },
  'starling leave': { at: 'carol', put: yes('starling leave') },
  'starling completion bash': { at: 'bob', printed: /^complete .* starling$/m },
  'starling leave --yes': { at: 'bob', before: () => ends('request', 0, false) },
};

function all(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(all)];
}

/** The examples in a command's help. */
function examplesOf(command: Command): readonly string[] {
  let help = '';
  command.configureOutput({ writeOut: (text) => void (help += text) });
  command.outputHelp();
  return [...help.matchAll(/^ {2}\$ (.*)$/gm)].map(([, line = '']) => line);
}

beforeAll(async () => {
  const root = await world.root();
  programs = await programsIn(join(root, 'bin'));
  docs = join(root, 'docs');
  await mkdir(docs);
  await writeFile(join(docs, 'a.txt'), 'the plan');
  await writeFile(join(root, 'note.txt'), 'Keeps a note.');
  const mcpServers = {
    files: SERVERS.files(docs),
    sums: SERVERS.toolbox(),
    git: changing(),
  };
  const kinds = { echo: ECHO, healer: HEALER, learner: LEARNER };
  const spread = { board: 'spreads' };
  const agents = { unconfined: true, kinds, events: { board: 'told' }, spread };
  alice = await world.start('alice', { config: { mcpServers, agents, mdns: true } });
  bob = await world.start('bob', {
    args: ['--join', alice.up.ticket ?? ''],
    config: { agents: { unconfined: true, kinds: { echo: ECHO }, spread } },
  });
  if (isLong) open = await world.start('commons', { args: ['--open'] });
  await sees(alice, [bob]);
  await sees(bob, [alice]);
});

afterAll(async () => {
  for (const running of kept.values()) running.child.kill('SIGKILL');
  await Promise.all([...kept.values()].map(({ ended }) => ended));
});

it('every command has an example, and every example is run here', () => {
  const commands = all(buildProgram({ exitCode: 0 }));
  expect(commands.filter((one) => examplesOf(one).length === 0).map((one) => one.name())).toEqual(
    [],
  );
  const shown = new Set(commands.flatMap(examplesOf));
  expect([...shown].filter((line) => STEPS[line] === undefined)).toEqual([]);
  expect(Object.keys(STEPS).filter((line) => !shown.has(line))).toEqual([]);
});

async function filled(line: string, put: Put = {}): Promise<string> {
  let text = line;
  for (const [word, value] of Object.entries(put)) {
    if (!text.includes(word)) throw new Error(`the example has no ${word}`);
    text = text.replaceAll(word, typeof value === 'string' ? value : await value());
  }
  return text;
}

it.each(someOf(Object.entries(STEPS), ([line]) => isShort(line)))('$ %s', async (line, step) => {
  await step.before?.();
  const at = await place(step.at);
  const command = await filled(line, step.put);
  if (step.says !== undefined) {
    const running = startShell(at, command, step.env?.());
    kept.set(step.keep ?? line, running);
    const said = running.says(step.says);
    await (step.poke === undefined ? said : untilSaid(said, step.poke));
    if (step.keep === undefined) await ends(line, 130);
  } else {
    const needsShell = /[|<>]|^[A-Z_]+=/.test(line.replaceAll(/'[^']*'/g, ''));
    const ran =
      needsShell || step.stdin !== undefined
        ? await startShell(at, command, step.env?.(), step.stdin).ended
        : await runHere(at, wordsOf(command).slice(1), step.env?.());
    expect(ran, `${command}: ${ran.stdout}${ran.stderr}`).toMatchObject({ code: 0 });
    if (step.printed !== undefined) expect(ran.stdout).toMatch(step.printed);
  }
  await step.after?.();
});

async function untilSaid(said: Promise<void>, poke: () => Promise<unknown>): Promise<void> {
  let isSaid = false;
  const done = said.then(() => {
    isSaid = true;
  });
  await eventually('it is said', poke, () => isSaid);
  await done;
}
