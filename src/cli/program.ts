/**
 * The commands, their options and their help. Imports nothing heavy: each command is loaded when it is
 * run, so that `--help` and `--version` answer at once.
 */
import { Command, CommanderError, Option } from 'commander';
import { StarlingError } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { addAudit } from './groups/audit.ts';
import { action, collect, examples, ofNode, withJson } from './groups/command-parts.ts';
import type { Outcome } from './groups/command-parts.ts';
import { parseDuration, parsePort, parseTimeout } from './options/duration.ts';
import { addApprovals, addPolicy } from './groups/guard.ts';
import { addGrant } from './groups/grant.ts';
import { addIdentity } from './groups/identity.ts';
import { addSecret } from './groups/secret.ts';

/** The same as in `mcp-clients.ts`, which is not loaded for this; a test compares them. */
const CLIENTS = 'claude-desktop, claude-code, cursor, vscode or windsurf';

/**
 * Runs `starling` with `args`, the words after its name; gives the exit code: 0 done, 1 failed, 2 wrong
 * use. Never throws for what a user can get wrong.
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  const outcome: Outcome = { exitCode: 0 };
  const program = buildProgram(outcome);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const asked = ['commander.helpDisplayed', 'commander.help', 'commander.version'];
    if (asked.includes(error.code)) return error.exitCode === 0 ? 0 : 2;
    const { printError } = await import('./terminal/output.ts');
    return printError(usageError(error, program, args), args.includes('--json'));
  }
  return outcome.exitCode;
}

/** What commander found wrong, as an error of ours. */
function usageError(
  error: CommanderError,
  program: Command,
  args: readonly string[],
): StarlingError {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const path: string[] = [];
  let at: Command | undefined = program;
  for (const word of args) {
    at = at.commands.find((command) => command.name() === word);
    if (at === undefined) break;
    path.push(word);
  }
  const suggestion = rest.join(' ').replaceAll(/[()]/g, '').trim();
  const help = `see: ${['starling', ...path, '--help'].join(' ')}`;
  if (error.code === 'commander.excessArguments' && path.join(' ') === 'mcp') {
    // It takes no arguments, so that what stands there was meant as one of its commands.
    const hint = `its commands are add, remove, list and import (${help})`;
    return new StarlingError('STARLING_USAGE', 'starling mcp has no such command', {
      hint,
      cause: error,
    });
  }
  if (error.code === 'commander.unknownOption' && path.join(' ') === 'mcp add') {
    const hint = `options of the server's command go after --, like: starling mcp add x -- npx -y x (${help})`;
    return new StarlingError('STARLING_USAGE', first, { hint, cause: error });
  }
  return new StarlingError('STARLING_USAGE', first, {
    hint: suggestion === '' ? help : `${suggestion} (${help})`,
    cause: error,
  });
}

function buildProgram(outcome: Outcome): Command {
  const program = new Command('starling')
    .description('A peer-to-peer mesh for AI agents and their tools.')
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpText('after', examples('starling up --config starling.json', 'starling doctor'))
    .configureHelp({ showGlobalOptions: true })
    // Else `mcp`, which has options and commands, would take the options of its commands.
    .enablePositionalOptions()
    // `usageError` says it, in the one form that all errors have.
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  addUp(program, outcome);
  addViews(program, outcome);
  addCall(program, outcome);
  addGrant(program, outcome);
  addApprovals(program, outcome);
  addPolicy(program, outcome);
  addIdentity(program, outcome);
  addKey(program, outcome);
  addPin(program, outcome);
  addAudit(program, outcome);
  addBoard(program, outcome);
  addTools(program, outcome);
  addMcp(program, outcome);
  addSecret(program, outcome);
  addConnect(program, outcome);
  return program;
}

function addUp(program: Command, outcome: Outcome): void {
  withJson(
    program
      .command('up')
      .summary('start a node')
      .description(
        'Starts a node: founds a mesh or joins one, serves MCP, and runs until it is told to stop.',
      )
      .option('--config <file>', 'config file with mcpServers, as any MCP client has it')
      .option('--state <folder>', "the node's state folder (or STARLING_STATE_DIR)")
      .option('--name <name>', 'name of this node in the mesh')
      .option('--join <ticket>', 'join with a ticket; - reads it from standard input')
      .option('--bootstrap <multiaddr>', 'join through this peer (may be repeated)', collect)
      .option('--open [name]', 'found or join an open mesh, which anyone may join')
      .option('--mesh-name <name>', 'name of the private mesh that is founded')
      .option('--listen <multiaddr>', 'listen here (may be repeated)', collect)
      .option('--announce <multiaddr>', 'tell others this address (may be repeated)', collect)
      .option('--http-port <port>', 'port of the HTTP endpoint; 0 picks a free one', parsePort)
      .option('--http-host <host>', 'address of the HTTP endpoint')
      .option('--no-http', 'serve no HTTP')
      .option('--tcp [port]', 'serve MCP over TCP, on port 9500 if none is given', parsePort)
      .option('--no-mdns', 'do not use multicast DNS')
      .option('--no-relay', 'do not relay, and do not be relayed')
      .option('--log <levels>', 'log levels, like info,gateway=debug'),
  )
    .addHelpText(
      'after',
      examples(
        'starling up --config starling.json',
        'starling up --join starling1…',
        'starling up --open --bootstrap /ip4/192.0.2.7/tcp/4040/p2p/12D3Koo…',
      ),
    )
    .action(action(outcome, () => import('./commands/up.ts')));
}

function addViews(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('status')))
    .summary('show the node')
    .description(
      'Shows the running node: identity, mesh, addresses, servers, and what is wrong. Ask it first when you wonder whether a node runs, and where its MCP endpoint is.',
    )
    .addHelpText('after', examples('starling status', 'starling status --json'))
    .action(action(outcome, () => import('./commands/status.ts')));
  withJson(ofNode(program.command('peers')))
    .summary('show the mesh')
    .description(
      'Shows every peer of the mesh: is it alive, how far away, and by which route. Its first column is the name that grants and tools go by.',
    )
    .addHelpText('after', examples('starling peers'))
    .action(action(outcome, () => import('./commands/peers.ts')));
  withJson(ofNode(program.command('tools')).argument('[filter]', 'only names that contain this'))
    .summary('list the tools that you can call')
    .description("Lists this node's tools and those that peers have granted to it.")
    .addHelpText('after', examples('starling tools', 'starling tools files'))
    .action(action(outcome, () => import('./commands/tools.ts')));
}

function addCall(program: Command, outcome: Outcome): void {
  withJson(
    ofNode(
      program
        .command('call')
        .summary('call a tool')
        .description(
          'Calls a tool, here or at a peer, and prints its result: what an MCP client does, from the shell. Ctrl-C cancels the call.',
        )
        .argument('<tool>', 'its name, as starling tools shows it')
        .option(
          '--arg <name=value>',
          'an argument; name=@file reads a file, name:=json gives JSON (may be repeated)',
          collect,
        )
        .option('--args <json>', 'all arguments as one JSON object; - reads it from standard input')
        .option(
          '--timeout <duration>',
          "how long to wait, like 30s or 5m (default: the node's own limits)",
          parseTimeout,
        )
        .option('--raw', 'print text exactly as it came; not for a terminal'),
    ),
  )
    .addHelpText(
      'after',
      examples(
        'starling call alice__files__read_text_file --arg path=/srv/docs/a.txt',
        `starling call sums__add --args '{"a": 1, "b": 2}'`,
      ),
    )
    .action(action(outcome, () => import('./commands/call.ts')));
}

function addKey(program: Command, outcome: Outcome): void {
  const key = program
    .command('key')
    .summary('give HTTP clients keys of their own')
    .description(
      'Gives HTTP clients named keys, each with the scopes that you choose. Whoever has the token of the node is its operator; a key is for everybody else.',
    );
  withJson(
    ofNode(
      key
        .command('create')
        .summary('make a key')
        .description('Makes a key and prints it, this once: only its hash is kept.')
        .argument('<name>', 'what it is called: a-z, 0-9 and -')
        .option(
          '--scope <pattern>',
          "what it may use, like 'tool:files/*' or 'resource:files/**' (may be repeated; default: '*', all but the server starling)",
          collect,
        )
        .option(
          '--expires <duration>',
          'how long it holds (default: until revoked)',
          parseDuration,
        ),
    ),
  )
    .addHelpText(
      'after',
      examples(
        "starling key create ci --scope 'tool:files/read_*' --expires 90d",
        "starling key create editor --scope 'tool:@alice/git/*' --scope 'prompt:files/*'",
      ),
    )
    .action(action(outcome, () => import('./commands/key/create.ts')));
  withJson(ofNode(key.command('list')))
    .summary('show keys')
    .description('Shows the keys by name: what they may use, and when they were used last.')
    .addHelpText('after', examples('starling key list'))
    .action(action(outcome, () => import('./commands/key/list.ts')));
  withJson(ofNode(key.command('revoke').argument('<key>', 'its name or id')))
    .summary('end a key')
    .description('Ends a key at once: whoever holds it stays outside from then on.')
    .addHelpText('after', examples('starling key revoke ci'))
    .action(action(outcome, () => import('./commands/key/revoke.ts')));
}

function addPin(program: Command, outcome: Outcome): void {
  const pin = program
    .command('pin')
    .summary('see and approve tools that have changed')
    .description(
      'Tools are pinned as they are first seen. One that changes later is quarantined, neither listed nor callable, until it is approved here.',
    );
  withJson(
    ofNode(
      pin
        .command('list')
        .summary('show what is quarantined')
        .description('Shows what is quarantined, why, and how it differs from what was pinned.')
        .argument('[filter]', 'only names that contain this'),
    ),
  )
    .addHelpText('after', examples('starling pin list', 'starling pin list files/'))
    .action(action(outcome, () => import('./commands/pin/list.ts')));
  withJson(
    ofNode(
      pin
        .command('approve')
        .summary('accept what has changed')
        .description('Pins what is offered now, so that it is listed and callable again.')
        .argument('[name]', '[peer/]server[/tool], as starling pin list shows it')
        .option('--all', 'everything that is quarantined'),
    ),
  )
    .addHelpText(
      'after',
      examples('starling pin approve alice/files/read_file', 'starling pin approve files'),
    )
    .action(action(outcome, () => import('./commands/pin/approve.ts')));
}

function addBoard(program: Command, outcome: Outcome): void {
  const board = program
    .command('board')
    .summary('read and write the shared boards')
    .description(
      'Reads and writes the boards that all peers share: small notes that every node holds and that merge by themselves.',
    );
  const command = (name: string, about: string, ...args: readonly string[]): Command => {
    const made = board.command(name).description(about);
    for (const arg of args) {
      if (arg === '[prefix]') made.argument(arg, 'only keys that start with this');
      else made.argument(arg);
    }
    return withJson(ofNode(made));
  };
  command('get', 'Prints one entry; exit code 1 when there is none.', '<board>', '<key>')
    .addHelpText('after', examples('starling board get plan owner'))
    .action(action(outcome, () => import('./commands/board/get.ts')));
  command(
    'set',
    'Writes one entry, which every peer gets. A value that is JSON is taken as JSON, anything else as text.',
    '<board>',
    '<key>',
    '<value>',
  )
    .option('--string', 'take the value as text, whatever it looks like')
    .addHelpText(
      'after',
      examples(
        'starling board set plan owner alice',
        `starling board set plan limits '{"cpu": 4}'`,
      ),
    )
    .action(action(outcome, () => import('./commands/board/set.ts')));
  command('delete', 'Deletes one entry, everywhere.', '<board>', '<key>')
    .addHelpText('after', examples('starling board delete plan owner'))
    .action(action(outcome, () => import('./commands/board/delete.ts')));
  command('list', 'Lists the boards, or the entries of one.', '[board]', '[prefix]')
    .addHelpText('after', examples('starling board list', 'starling board list plan task/'))
    .action(action(outcome, () => import('./commands/board/list.ts')));
  command('watch', 'Prints each change as it happens, until Ctrl-C.', '<board>', '[prefix]')
    .addHelpText('after', examples('starling board watch plan', 'starling board watch plan task/'))
    .action(action(outcome, () => import('./commands/board/watch.ts')));
}

function addTools(program: Command, outcome: Outcome): void {
  withJson(
    ofNode(
      program
        .command('invite')
        .summary('make a ticket for a new node')
        .description(
          'Makes a ticket with which one new node can join. Whoever holds it can: hand it over privately.',
        )
        .option('--expires <duration>', 'how long it holds (default: 24h)', parseDuration)
        .option('--no-invite', 'the newcomer may not invite others'),
    ),
  )
    .addHelpText('after', examples('starling invite', 'starling invite --expires 15m --no-invite'))
    .action(action(outcome, () => import('./commands/invite.ts')));
  withJson(
    program
      .command('sim')
      .summary('run a mesh in one process and measure it')
      .description(
        'Starts real nodes in one process over loopback, makes them work, and prints what it took: shows in seconds whether Starling does well on this machine.',
      )
      .option('--nodes <n>', 'how many, 2 to 50', '10')
      .option('--calls <n>', 'tool calls of each node', '20')
      .option('--seed <n>', 'seed of who calls whom', '1'),
  )
    .addHelpText('after', examples('starling sim --nodes 25'))
    .action(action(outcome, () => import('./commands/sim.ts')));
  withJson(ofNode(program.command('doctor')))
    .summary('find out what is wrong')
    .description(
      'Checks this machine and the node, and says what to do. Works without a running node, too.',
    )
    .addHelpText('after', examples('starling doctor', 'starling doctor --config starling.json'))
    .action(action(outcome, () => import('./commands/doctor.ts')));
}

function addLogins(mcp: Command, outcome: Outcome): void {
  withJson(ofNode(mcp.command('login').argument('<server>', 'its name in mcpServers')))
    .summary('log in to a server')
    .description(
      'Logs the node in to a server that asks for it (OAuth 2.1): prints an address to open in a browser on its machine, and waits until that is done.',
    )
    .addHelpText('after', examples('starling mcp login tickets'))
    .action(action(outcome, () => import('./commands/mcp/login.ts')));
  withJson(ofNode(mcp.command('logout').argument('<server>', 'its name in mcpServers')))
    .summary('log out of a server')
    .description('Forgets the tokens of the node at a server.')
    .addHelpText('after', examples('starling mcp logout tickets'))
    .action(action(outcome, () => import('./commands/mcp/logout.ts')));
}

function addMcp(program: Command, outcome: Outcome): void {
  const mcp = ofNode(program.command('mcp'))
    .summary("attach an MCP client on stdio, or change this node's servers")
    .description(
      "Alone: serves MCP on standard input and output, for the running node: what an MCP client starts. With a command: changes the MCP servers in this node's config file.",
    )
    .enablePositionalOptions()
    .addHelpText(
      'after',
      '\nIn the mcpServers of Claude Desktop, Cursor and others (starling connect writes it for you):\n  "starling": { "command": "starling", "args": ["mcp"] }',
    )
    .action(action(outcome, () => import('./commands/mcp/stdio.ts')));
  addMcpAdd(mcp, outcome);
  addLogins(mcp, outcome);
  withJson(ofNode(mcp.command('remove').argument('<name>')))
    .summary('take a server out of the config file')
    .description('Takes an MCP server of this node out of the config file.')
    .addHelpText('after', examples('starling mcp remove files'))
    .action(action(outcome, () => import('./commands/mcp/remove.ts')));
  withJson(ofNode(mcp.command('list')))
    .summary('list the servers in the config file')
    .description(
      'Lists the MCP servers in the config file: what each runs or where it connects, and how it does if the node runs. Values of variables and headers are never shown.',
    )
    .addHelpText('after', examples('starling mcp list', 'starling mcp list --json'))
    .action(action(outcome, () => import('./commands/mcp/list.ts')));
  withJson(ofNode(mcp.command('import').argument('[file|client]', `file, or: ${CLIENTS}`)))
    .summary("take over servers from MCP clients' files")
    .description(
      "Takes over MCP servers from the files of your MCP clients: shows each command that would be run, asks, and writes those chosen into this node's config file. Without a name it looks into your files of every client it knows.",
    )
    .option('--project', "the client's file in this folder, instead of your own")
    .option('-y, --yes', 'take all that can be taken, without asking')
    .addHelpText(
      'after',
      examples(
        'starling mcp import',
        'starling mcp import claude-desktop --yes',
        'starling mcp import .vscode/mcp.json',
      ),
    )
    .action(action(outcome, () => import('./commands/mcp/import.ts')));
}

function addMcpAdd(mcp: Command, outcome: Outcome): void {
  withJson(ofNode(mcp.command('add')))
    .summary('add a server to the config file')
    .description(
      "Adds an MCP server to this node's config file: a command that the node runs, after --, or a URL. ${VARIABLE} in quotes is put in when the node starts: the way to keep secrets out of the file.",
    )
    .argument('<name>', 'what to call it: its tools become <name>__<tool>')
    .argument('[command-or-url]')
    .argument('[args...]', 'arguments of the command')
    .addOption(
      new Option('-t, --transport <kind>', 'default: stdio, or http for a URL').choices([
        'stdio',
        'http',
        'sse',
      ]),
    )
    .option('-e, --env <name=value>', 'variable of the process (may be repeated)', collect)
    .option('-H, --header <name: value>', 'header of every request (may be repeated)', collect)
    .option('--env-file <file>', 'file with variables of the process, as NAME=value lines')
    .option('--cwd <folder>', 'folder of the process; default this one if a path starts with ./')
    .option('--timeout <duration>', 'how long a call may take without progress', parseTimeout)
    .option('-f, --force', 'replace a server of this name')
    .addHelpText(
      'after',
      examples(
        'starling mcp add files -- npx -y @modelcontextprotocol/server-filesystem /srv/docs',
        "starling mcp add -e 'API_KEY=${MY_KEY}' search -- npx -y search-server --fast",
        "starling mcp add --transport http tickets https://mcp.example.com/mcp --header 'Authorization: Bearer ${TOKEN}'",
      ),
    )
    .action(action(outcome, () => import('./commands/mcp/add.ts')));
}

function addConnect(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('connect').argument('<client>', CLIENTS)))
    .summary('make an MCP client use Starling')
    .description(
      "Writes an entry that starts `starling mcp` into an MCP client's own file: shows what will change, asks, keeps a copy of the file beside it. Comments and everything else in the file stay.",
    )
    .option('--name <name>', 'what the entry is called', 'starling')
    .option('--project', "the client's file in this folder, instead of your own")
    .option('--remove', 'take the entry out again')
    .option('--dry-run', 'only show what would change')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples(
        'starling connect claude-desktop',
        'starling connect vscode --project --dry-run',
        'starling connect cursor --remove --yes',
      ),
    )
    .action(action(outcome, () => import('./commands/connect.ts')));
}
