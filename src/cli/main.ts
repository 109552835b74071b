/**
 * The `starling` command. Imports nothing but commander here: each command is loaded when it is run,
 * so that `--help` and `--version` answer at once.
 */
import { Command, CommanderError, Option } from 'commander';
import { VERSION } from '../core/version.ts';
import { parseDuration } from './duration.ts';

const program = new Command('starling')
  .description('A peer-to-peer mesh for AI agents and their tools.')
  .version(VERSION, '-V, --version', 'print the version')
  .showHelpAfterError('(starling --help shows the commands)')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();

const state = (): Option =>
  new Option('--state <folder>', "the node's state folder").env('STARLING_STATE_DIR');
const json = (): Option => new Option('--json', 'print JSON');

/** Collects an option that may come more than once. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function example(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

type Run = (...args: never[]) => Promise<number | void>;

/** Runs a command and ends with its exit code; errors are told the one way. */
function run(load: () => Promise<{ run: Run }>): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const options = args.at(-2) as { json?: boolean };
    try {
      const command = await load();
      process.exitCode = (await command.run(...(args.slice(0, -1) as never[]))) ?? 0;
    } catch (error) {
      const { printError } = await import('./output.ts');
      process.exitCode = printError(error, options.json === true);
    }
  };
}

program
  .command('up')
  .summary('start a node')
  .description(
    'Starts a node: founds a mesh or joins one, serves MCP, and runs until it is told to stop.',
  )
  .option('--config <file>', 'config file with mcpServers, as any MCP client has it')
  .addOption(state())
  .option('--name <name>', 'name of this node in the mesh')
  .option('--join <ticket>', 'join with a ticket; `-` reads it from standard input')
  .option('--bootstrap <multiaddr>', 'join through this peer (may be repeated)', collect)
  .option('--open [name]', 'found or join an open mesh, which anyone may join')
  .option('--mesh-name <name>', 'name of the private mesh that is founded')
  .option('--listen <multiaddr>', 'listen here (may be repeated)', collect)
  .option('--announce <multiaddr>', 'tell others this address (may be repeated)', collect)
  .option('--http-port <port>', 'port of the HTTP endpoint; 0 picks a free one')
  .option('--http-host <host>', 'address of the HTTP endpoint')
  .option('--no-http', 'serve no HTTP')
  .option('--no-mdns', 'do not use multicast DNS')
  .option('--no-relay', 'do not relay, and do not be relayed')
  .option('--log <levels>', 'log levels, like info,gateway=debug')
  .addOption(json())
  .addHelpText(
    'after',
    example('starling up --config starling.json', 'starling up --join starling1…'),
  )
  .action(run(() => import('./commands/up.ts')));

program
  .command('status')
  .summary('show the node')
  .description('Shows the running node: identity, mesh, addresses, servers, and what is wrong.')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/status.ts')));

program
  .command('peers')
  .summary('show the mesh')
  .description('Shows every peer of the mesh: is it alive, how far away, and by which route.')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/peers.ts')));

program
  .command('tools')
  .summary('list the tools that you can call')
  .description("Lists this node's tools and those that peers have granted to it.")
  .argument('[filter]', 'only names that contain this')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/tools.ts')));

program
  .command('call')
  .summary('call a tool')
  .description('Calls a tool, here or at a peer, and prints its result.')
  .argument('<tool>', 'its name, as `starling tools` shows it')
  .option(
    '--arg <name=value>',
    'an argument; name=@file reads a file, name:=json gives JSON',
    collect,
  )
  .option('--args <json>', 'all arguments as one JSON object; `-` reads it from standard input')
  .option('--timeout <duration>', 'how long to wait', parseDuration)
  .addOption(state())
  .addOption(json())
  .addHelpText(
    'after',
    example('starling call alice__files__read_text_file --arg path=/srv/docs/a.txt'),
  )
  .action(run(() => import('./commands/call.ts')));

const grant = program
  .command('grant')
  .description('Says which peers may call which tools of this node.');
grant
  .command('create')
  .summary('let a peer call tools')
  .description('Lets a peer call tools of this node, until the grant expires or is revoked.')
  .argument('<peer>', 'alias, PeerId or did:key')
  .requiredOption(
    '--tool <pattern>',
    "<server>/<tool>, with * as wildcard, like 'files/*' (may be repeated)",
    collect,
  )
  .option('--expires <duration>', 'how long it holds (default: 7d)', parseDuration)
  .addOption(state())
  .addOption(json())
  .addHelpText(
    'after',
    example(
      "starling grant create bob --tool 'files/*'",
      "starling grant create bob --tool 'files/read_*' --expires 8h",
    ),
  )
  .action(run(() => import('./commands/grant-create.ts')));
grant
  .command('list')
  .summary('show grants')
  .description('Shows the grants that this node gave and got.')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/grant-list.ts')));
grant
  .command('revoke')
  .summary('end a grant')
  .description(
    'Ends a grant at once, in open sessions too. Revoking a membership puts its holder out.',
  )
  .argument('<id>', 'id of the grant, or its first characters')
  .option('--reason <text>', 'why')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/grant-revoke.ts')));

program
  .command('invite')
  .summary('make a ticket for a new node')
  .description(
    'Makes a ticket with which one new node can join. Whoever holds it can: hand it over privately.',
  )
  .option('--expires <duration>', 'how long it holds (default: 24h)', parseDuration)
  .option('--no-invite', 'the newcomer may not invite others')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/invite.ts')));

const board = program
  .command('board')
  .description('Reads and writes the boards that all peers share.');
board
  .command('get')
  .description('Prints one entry.')
  .argument('<board>')
  .argument('<key>')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/board-get.ts')));
board
  .command('set')
  .description('Writes one entry. A value that is JSON is taken as JSON, anything else as text.')
  .argument('<board>')
  .argument('<key>')
  .argument('<value>')
  .option('--string', 'take the value as text, whatever it looks like')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/board-set.ts')));
board
  .command('delete')
  .description('Deletes one entry, everywhere.')
  .argument('<board>')
  .argument('<key>')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/board-delete.ts')));
board
  .command('list')
  .description('Lists the boards, or the entries of one.')
  .argument('[board]')
  .argument('[prefix]', 'only keys that start with this')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/board-list.ts')));
board
  .command('watch')
  .description('Prints each change as it happens, until Ctrl-C.')
  .argument('<board>')
  .argument('[prefix]', 'only keys that start with this')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/board-watch.ts')));

program
  .command('mcp')
  .summary('attach an MCP client on stdio')
  .description(
    'Serves MCP on standard input and output, for the running node: what an MCP client starts.',
  )
  .addOption(state())
  .addHelpText(
    'after',
    '\nIn the mcpServers of Claude Desktop, Cursor and others:\n  "starling": { "command": "starling", "args": ["mcp"] }',
  )
  .action(run(() => import('./commands/mcp.ts')));

program
  .command('sim')
  .summary('run a mesh in one process and measure it')
  .description(
    'Starts real nodes in one process over loopback, makes them work, and prints what it took.',
  )
  .option('--nodes <n>', 'how many, 2 to 50', '10')
  .option('--calls <n>', 'tool calls of each node', '20')
  .option('--seed <n>', 'seed of who calls whom', '1')
  .addOption(json())
  .addHelpText('after', example('starling sim --nodes 25'))
  .action(run(() => import('./commands/sim.ts')));

program
  .command('doctor')
  .summary('find out what is wrong')
  .description(
    'Checks this machine and the node, and says what to do. Works without a running node, too.',
  )
  .option('--config <file>', 'config file')
  .addOption(state())
  .addOption(json())
  .action(run(() => import('./commands/doctor.ts')));

for (const command of [program, ...program.commands, ...grant.commands, ...board.commands]) {
  command.exitOverride();
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  const asked = ['commander.helpDisplayed', 'commander.help', 'commander.version'].includes(
    error.code,
  );
  process.exitCode = asked && error.exitCode === 0 ? 0 : 2;
}
