/** The commands `starling mcp …`. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { action, collect, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseTimeout } from '../../options/parsers.ts';
import { CLIENTS } from '../command-line/client-names.ts';

/** Adds `starling mcp` and its commands. */
export function addMcp(program: Command, outcome: Outcome): void {
  const mcp = ofNode(program.command('mcp'))
    .summary("attach an MCP client on stdio, or change this node's servers")
    .description(
      "Alone: serves MCP on standard input and output, for the running node: what an MCP client starts. With a command: changes the MCP servers in this node's config file.",
    )
    .addHelpText(
      'after',
      examples(
        'starling mcp add files -- npx -y @modelcontextprotocol/server-filesystem /srv/docs',
        'starling mcp list',
      ),
    )
    .enablePositionalOptions()
    .option('--as <name>', 'what you call the client: client:<name> in the policy (default: local)')
    .option(
      '--operator',
      'the client, and its model, may do all that you may: rights, keys, approvals',
    )
    .addHelpText(
      'after',
      '\nIn the mcpServers of a client (starling connect writes it for you):\n  "starling": { "command": "starling", "args": ["mcp", "--as", "cursor"] }',
    )
    .action(action(outcome, () => import('../../commands/mcp/stdio.ts')));
  addMcpAdd(mcp, outcome);
  addLogins(mcp, outcome);
  addCare(mcp, outcome);
  withJson(ofNode(mcp.command('remove').alias('rm').argument('<name>')))
    .summary('take a server out of the config file')
    .description('Takes an MCP server of this node out of the config file.')
    .addHelpText('after', examples('starling mcp remove files'))
    .action(action(outcome, () => import('../../commands/mcp/remove.ts')));
  withJson(ofNode(mcp.command('list').alias('ls')))
    .summary('list the servers in the config file')
    .description(
      'Lists the MCP servers in the config file: what each runs or where it connects, and how it does if the node runs. Values of variables and headers are never shown.',
    )
    .addHelpText('after', examples('starling mcp list', 'starling mcp list --json'))
    .action(action(outcome, () => import('../../commands/mcp/list.ts')));
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
    .action(action(outcome, () => import('../../commands/mcp/import.ts')));
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
    .action(action(outcome, () => import('../../commands/mcp/add.ts')));
}

/** What is done with a server while the node runs. */
function addCare(mcp: Command, outcome: Outcome): void {
  withJson(ofNode(mcp.command('restart').argument('<server>', 'its name in mcpServers')))
    .summary('start a server anew')
    .description(
      'Ends what runs of a server, starts the server anew, and waits until it is ready or has failed.',
    )
    .addHelpText('after', examples('starling mcp restart files'))
    .action(action(outcome, () => import('../../commands/mcp/restart.ts')));
  withJson(ofNode(mcp.command('logs').argument('<server>', 'its name in mcpServers')))
    .summary('show what a server wrote')
    .description(
      'Prints the last lines that a server has written to standard error since the node started, and when its process began and ended, and how.',
    )
    .option('-n, --lines <n>', 'how many, 200 at the most', parseCount, 50)
    .addHelpText(
      'after',
      examples('starling mcp logs files', 'starling mcp logs files --lines 200'),
    )
    .action(action(outcome, () => import('../../commands/mcp/logs.ts')));
}

function addLogins(mcp: Command, outcome: Outcome): void {
  withJson(ofNode(mcp.command('login').argument('<server>', 'its name in mcpServers')))
    .summary('log in to a server')
    .description(
      'Logs the node in to a server that asks for it (OAuth 2.1): prints an address to open in a browser on its machine, and waits until that is done.',
    )
    .addHelpText('after', examples('starling mcp login tickets'))
    .action(action(outcome, () => import('../../commands/mcp/login.ts')));
  withJson(ofNode(mcp.command('logout').argument('<server>', 'its name in mcpServers')))
    .summary('log out of a server')
    .description('Forgets the tokens of the node at a server.')
    .addHelpText('after', examples('starling mcp logout tickets'))
    .action(action(outcome, () => import('../../commands/mcp/logout.ts')));
}
