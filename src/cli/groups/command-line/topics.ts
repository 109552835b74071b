/**
 * What `starling help <topic>` prints: a page of a terminal on what one needs to know of one thing, with the commands for it.
 * The papers in `docs/` say more; each page names its own.
 */
import type { Command } from 'commander';
import { StarlingError } from '../../../core/errors.ts';
import { slipsOf } from '../../../core/words/slips.ts';

/** One page. */
interface Topic {
  /** What the page is about, for the list of topics. */
  readonly summary: string;
  /** The paper that says more. */
  readonly paper: string;
  /** Lines of at most 78 columns; a command is one line, two blanks from the left. */
  readonly text: string;
}

/** Pages by their names, in the order in which a newcomer needs them. */
export const TOPICS: Readonly<Record<string, Topic>> = {
  start: {
    summary: 'from one node to a call of a tool on another machine',
    paper: 'README.md',
    text: `
A node on each machine; all nodes are equal. The first one founds a private
mesh and prints a ticket, by which the next one joins:

  starling up --config starling.json
  starling up --join starling2…

The owner of a tool says who may use it, and only then others see it:

  starling mcp add files -- npx -y @modelcontextprotocol/server-filesystem /srv/docs
  starling grant create bob --tool 'files/*'

On the other machine the tool is there, for the shell and for MCP clients:

  starling tools
  starling connect claude-desktop

What is wrong, and what to do about it, is said by:

  starling status
  starling doctor
`,
  },
  clients: {
    summary: 'attach Claude, Cursor, scripts and everything that speaks MCP',
    paper: 'docs/clients.md',
    text: `
A client of this machine is attached by writing its own config file:

  starling connect vscode --project --dry-run

Whatever speaks MCP on stdio runs this in place of a server:

  starling mcp

Over HTTP a client needs a key, which has scopes of its own; the address is
in the status:

  starling key create editor --scope 'tool:@alice/git/*' --scope 'prompt:files/*'
  starling status

An attached client is never the operator: it makes no grants, keys or secrets.
`,
  },
  grants: {
    summary: 'who may call which tool, and what else is asked before a call',
    paper: 'docs/grants-and-policy.md',
    text: `
Without a grant a peer sees nothing of this node and calls nothing. A grant is
signed by the owner, may be narrowed, handed on where that is allowed, and
taken back:

  starling grant create bob --tool 'files/read_*' --expires 8h
  starling grant create bob --tool files/write_file --uses 3 --needs-approval
  starling grant list
  starling grant revoke 3f9c2a7e --reason 'laptop was lost'

Whoever lacks one can ask, and the owner decides:

  starling request --help
  starling approvals approve 8fK2

The policy file forbids more, also to clients of this node; this says why a
call was refused:

  starling policy explain --as bob --do tool/call --on tool:files/read_file
  starling audit query --outcome denied --since 1d
`,
  },
  boards: {
    summary: 'the shared memory of the mesh',
    paper: 'docs/boards.md',
    text: `
A board is replicated to those who hold it, merges what was written apart, and
keeps who wrote what:

  starling board create plan
  starling board set plan limits '{"cpu": 4}'
  starling board watch plan
  starling board history plan

On a strong board a value changes only from what it was, by a majority:

  starling board create jobs --strong
`,
  },
  agents: {
    summary: 'programs that others can ask, and those that this node runs',
    paper: 'docs/agents.md',
    text: `
Any program that speaks MCP is an agent once it has announced itself:

  starling agent announce reviewer --capability review
  starling agent inbox reviewer --wait 10s

A kind in the config file is a program that the node runs as an agent:

  starling agent spawn echo

Who is there, and what it can do:

  starling agent list
  starling capability list
`,
  },
  tasks: {
    summary: 'work that is done once, whoever dies meanwhile',
    paper: 'docs/tasks.md',
    text: `
A task goes to an agent that can do it, here or at a peer, and survives both:

  starling task run 'main.rs' --need review
  starling task run 'main.rs' --need review --durable mesh
  starling task list

Several agents that work together are a swarm:

  starling swarm create fix --topology star --agent coder --agent reviewer@laptop
`,
  },
  budgets: {
    summary: 'limits that nobody can overspend, also while nodes are cut off',
    paper: 'docs/budgets.md',
    text: `
A part of it may be another node's, which can spend that much while it is cut
off:

  starling budget create research --limit 20usd --share laptop=5usd
  starling budget show research

What an agent, a task or a question costs counts against the budget that it
names:

  starling agent spawn echo --name frugal --budget research:1usd
  starling llm ask 'What does this cost?' --model gpu/qwen3:8b --budget research
`,
  },
  models: {
    summary: 'language models, shared like tools',
    paper: 'docs/models.md',
    text: `
  starling model add gpu --url http://127.0.0.1:11434
  starling grant create bob --model 'gpu/*'

At bob it is there without a key and without an open port, in the shell and at
the node's HTTP endpoint, which speaks the APIs of OpenAI and Anthropic:

  starling model list
  starling llm ask 'Why is the sky blue?' --model gpu/qwen3:8b
  starling llm stats
`,
  },
  learning: {
    summary: 'agents that learn which way is best, and what they may propose',
    paper: 'docs/learning.md',
    text: `
An agent that thinks with a model learns where its kind says so, and only by
what was measured: by a schema, a vote, whoever gave the work, or you:

  starling learn stats
  starling learn grade clerk msg_1790000000000_k3x9q2c1d success
  starling learn forget clerk --work message

It gives itself no right and no program. What it proposes to run waits for
you, as a difference, and is tried in a sandbox before you agree:

  starling proposals
  starling proposals show 7Qm4
`,
  },
  watch: {
    summary: 'what goes on, in a browser, in a terminal, on record, in figures',
    paper: 'docs/dashboard.md',
    text: `
A link that one browser can open once, and the same in the terminal:

  starling dashboard
  starling top

What was done, by whom, and whether the record holds:

  starling audit tail
  starling audit verify

Prometheus reads /metrics with a key of the scope metrics, and nothing else:

  starling key create --help

What somebody who helps you needs, in one file without secrets:

  starling bugreport
`,
  },
  files: {
    summary: 'where a node keeps its things, and which files it reads',
    paper: 'docs/configuration.md',
    text: `
The config file is what MCP clients have, with more keys; a running node takes
changes up by itself. The state folder holds key, token, database and audit
log. Both stand in:

  starling status

Several nodes of one machine have a state folder each:

  starling nodes
  starling --node lab status

A config file holds no secret that the node can keep:

  starling secret set GITHUB_TOKEN

Variables of the environment (STARLING_…) are in
docs/reference/environment.md, all keys in docs/reference/configuration.md.
`,
  },
};

/** The page of a topic, as it is printed; undefined where there is no such topic. */
export function topicPage(name: string): string | undefined {
  const topic = Object.hasOwn(TOPICS, name) ? TOPICS[name] : undefined;
  if (topic === undefined) return undefined;
  const { summary, text, paper } = topic;
  return `${name}: ${summary}\n${text}\nMore: ${paper}`;
}

/** What is said of `starling help <word>` where `word` is neither a topic nor a command: what there is. */
export function noTopic(word: string, program: Command): StarlingError {
  const topics = Object.keys(TOPICS);
  const [meant] = slipsOf(word, [...topics, ...program.commands.map((command) => command.name())]);
  const guess = meant === undefined ? '' : `did you mean starling help ${meant}? `;
  return new StarlingError(
    'STARLING_USAGE',
    `unknown command '${word}', and no topic is called so`,
    {
      hint: `${guess}topics: ${topics.join(', ')}; commands: starling --help`,
    },
  );
}
