/**
 * The MCP clients whose files we read and write: where each keeps its servers, by platform, and in
 * which form. Paths are those that each client documents.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { nearest } from '../../core/words/slips.ts';
import { StarlingError } from '../../core/errors.ts';

/** What names a client on the command line. */
export type ClientId =
  | 'claude-desktop'
  | 'claude-code'
  | 'cursor'
  | 'vscode'
  | 'windsurf'
  | 'cline'
  | 'gemini-cli'
  | 'copilot'
  | 'zed'
  | 'lm-studio';

/** The surroundings that decide where files are. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
  /** The folder of the project: the current one. */
  readonly folder: string;
}

/** A program whose config file Starling can read and write. */
export interface McpClient {
  readonly id: ClientId;
  readonly title: string;
  /** Key of the servers in its files. */
  readonly key: 'mcpServers' | 'servers' | 'context_servers';
  /** What an entry has besides `command` and `args`. */
  readonly extra: { readonly type?: 'stdio' | 'local'; readonly tools?: readonly string[] };
  /** How its files name a server at a URL; absent where they can't. */
  readonly http?: {
    readonly type?: 'http' | 'streamableHttp';
    readonly url: 'url' | 'serverUrl' | 'httpUrl';
    readonly tools?: readonly string[];
  };
  /** What the person does so that the client sees a change of the file. */
  readonly afterwards: string;
  userFile(around: Surroundings): string;
  /** The file of a project, inside its folder; absent where the client has none. */
  readonly projectFile?: string;
}

const CLIENTS: readonly McpClient[] = [
  {
    id: 'claude-desktop',
    title: 'Claude Desktop',
    key: 'mcpServers',
    extra: {},
    afterwards: 'quit Claude Desktop and start it again',
    userFile: (around) => join(appFolder(around), 'Claude', 'claude_desktop_config.json'),
  },
  {
    id: 'claude-code',
    title: 'Claude Code',
    key: 'mcpServers',
    extra: { type: 'stdio' },
    http: { type: 'http', url: 'url' },
    afterwards: 'start a new session of Claude Code, and see /mcp there',
    userFile: (around) => join(around.env['CLAUDE_CONFIG_DIR'] || home(around), '.claude.json'),
    projectFile: '.mcp.json',
  },
  {
    id: 'cursor',
    title: 'Cursor',
    key: 'mcpServers',
    extra: {},
    http: { url: 'url' },
    afterwards: 'switch it on in Cursor under Settings, MCP',
    userFile: (around) => join(home(around), '.cursor', 'mcp.json'),
    projectFile: join('.cursor', 'mcp.json'),
  },
  {
    id: 'vscode',
    title: 'VS Code',
    key: 'servers',
    extra: { type: 'stdio' },
    http: { type: 'http', url: 'url' },
    afterwards: "start it in VS Code with the command 'MCP: List Servers'",
    userFile: (around) => join(appFolder(around), 'Code', 'User', 'mcp.json'),
    projectFile: join('.vscode', 'mcp.json'),
  },
  {
    id: 'windsurf',
    title: 'Windsurf',
    key: 'mcpServers',
    extra: {},
    http: { url: 'serverUrl' },
    afterwards: 'press Refresh in Windsurf under MCP servers',
    userFile: (around) => join(home(around), '.codeium', 'windsurf', 'mcp_config.json'),
  },
  {
    id: 'cline',
    title: 'Cline',
    key: 'mcpServers',
    extra: { type: 'stdio' },
    http: { type: 'streamableHttp', url: 'url' },
    afterwards: 'switch it on in Cline under MCP Servers',
    userFile: (around) =>
      join(home(around), '.cline', 'data', 'settings', 'cline_mcp_settings.json'),
  },
  {
    id: 'gemini-cli',
    title: 'Gemini CLI',
    key: 'mcpServers',
    extra: {},
    http: { url: 'httpUrl' },
    afterwards: 'start Gemini CLI again, and see /mcp there',
    userFile: (around) => join(home(around), '.gemini', 'settings.json'),
    projectFile: join('.gemini', 'settings.json'),
  },
  {
    id: 'copilot',
    title: 'GitHub Copilot CLI',
    key: 'mcpServers',
    extra: { type: 'local', tools: ['*'] },
    http: { type: 'http', url: 'url', tools: ['*'] },
    afterwards: 'start Copilot again, and see /mcp show there',
    userFile: (around) => join(home(around), '.copilot', 'mcp-config.json'),
  },
  {
    id: 'zed',
    title: 'Zed',
    key: 'context_servers',
    extra: {},
    http: { url: 'url' },
    afterwards: 'see it in Zed in the settings of the Agent Panel',
    userFile: (around) => join(zedFolder(around), 'settings.json'),
  },
  {
    id: 'lm-studio',
    title: 'LM Studio',
    key: 'mcpServers',
    extra: {},
    http: { url: 'url' },
    afterwards: 'switch it on in LM Studio on the Program tab',
    userFile: (around) => join(home(around), '.lmstudio', 'mcp.json'),
  },
];

/** The names of all clients. */
export const CLIENT_IDS: readonly ClientId[] = CLIENTS.map(({ id }) => id);

/** The client called `id`, if there is one. */
export function clientOf(id: string): McpClient | undefined {
  return CLIENTS.find((client) => client.id === id);
}

/** The client called `id`. @throws STARLING_USAGE naming the clients that are known */
export function knownClient(id: string): McpClient {
  const client = clientOf(id);
  if (client !== undefined) return client;
  const meant = nearest(id, CLIENT_IDS);
  throw new StarlingError('STARLING_USAGE', `no MCP client is called '${id}'`, {
    hint: meant === undefined ? `known are ${CLIENT_IDS.join(', ')}` : `did you mean ${meant}?`,
  });
}

/** The file of the user, or of the project. @throws STARLING_USAGE when the client has no such file */
export function fileOf(client: McpClient, project: boolean, around: Surroundings): string {
  if (!project) return client.userFile(around);
  if (client.projectFile !== undefined) return join(around.folder, client.projectFile);
  throw new StarlingError('STARLING_USAGE', `${client.title} has no file for a project`, {
    hint: 'leave --project away',
  });
}

/** The surroundings of this process. */
export function surroundings(): Surroundings {
  return { env: process.env, platform: process.platform, folder: process.cwd() };
}

/** Where desktop programs keep their settings. */
function appFolder(around: Surroundings): string {
  const { env, platform } = around;
  switch (platform) {
    case 'darwin':
      return join(home(around), 'Library', 'Application Support');
    case 'win32':
      return env['APPDATA'] || join(home(around), 'AppData', 'Roaming');
    default:
      return env['XDG_CONFIG_HOME'] || join(home(around), '.config');
  }
}

/** Zed has its folder in the same place on macOS as on Linux. */
function zedFolder(around: Surroundings): string {
  const { platform } = around;
  if (platform === 'darwin') return join(home(around), '.config', 'zed');
  return join(appFolder(around), platform === 'win32' ? 'Zed' : 'zed');
}

function home({ env, platform }: Surroundings): string {
  return env[platform === 'win32' ? 'USERPROFILE' : 'HOME'] || homedir();
}
